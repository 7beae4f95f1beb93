"""`template`: whatever body a subscriber wants, by a Jinja template in a sandbox."""

import asyncio

from receiver.errors import InputError
from receiver.outcomes.body_template import headers_of, method_of, render
from receiver.outcomes.formats.standard import envelope, signed
from receiver.outcomes.outbound import Answer, FormatError, Letter, Post, Posted


class FromTemplate:
    """Options: `body` (the template; it knows `event`, and `event.data`; the filter `tojson` makes JSON),
    `content_type`, `method` (POST, PUT, PATCH), `headers`; `types`: only events of these types.
    """

    async def send(self, letter: Letter, post: Post) -> Answer | None:
        options = letter.subscription.options
        if options.get("types") and letter.type not in options["types"]:
            return None
        try:
            headers, method = headers_of(options), method_of(options)
            # Not in the event loop: hooks are answered there.
            body = await asyncio.to_thread(render, str(options.get("body", "")), envelope(letter))
        except InputError as error:
            raise FormatError(str(error)) from None
        posted = signed(letter, body, headers)
        return await post(Posted(posted.url, posted.body, posted.headers, method))
