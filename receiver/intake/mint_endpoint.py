"""Hook URLs for tasks that are still to be created."""

from receiver.domain.hooks import mint_urls, new_ref
from receiver.errors import InputError
from receiver.http.endpoint import Call, Params
from receiver.intake.params import MintBody
from receiver.intake.schemas import HookUrls


async def mint_hook_urls(call: Call[Params, MintBody]) -> HookUrls:
    """The four URLs of one task. Nothing is kept. Raises InputError for an account that is not ours."""
    context, asked = call.context, call.body
    if asked.account not in context.accounts:
        raise InputError("account", f"not known; known accounts: {', '.join(sorted(context.accounts))}")
    ref = new_ref() if asked.ref is None else asked.ref
    return HookUrls.model_validate(mint_urls(context.signer, context.public_url, asked.account, ref))
