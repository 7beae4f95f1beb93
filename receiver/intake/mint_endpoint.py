"""Hook URLs for tasks that are still to be created."""

from receiver.domain.hooks import mint_urls, new_ref
from receiver.errors import InputError
from receiver.http.endpoint import Asked, Call
from receiver.intake.params import MintBody
from receiver.intake.schemas import HookUrls


async def mint_hook_urls(call: Call[Asked, MintBody]) -> HookUrls:
    """The four URLs of one task. Nothing is kept. Raises InputError for an account that is not ours."""
    parts, asked = call.parts, call.body
    if asked.account not in parts.accounts:
        raise InputError("account", f"not known; known accounts: {', '.join(sorted(parts.accounts))}")
    ref = new_ref() if asked.ref is None else asked.ref
    return HookUrls.model_validate(mint_urls(parts.signer, parts.public_url, asked.account, ref))
