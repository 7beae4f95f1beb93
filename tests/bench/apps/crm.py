"""A fast subscriber, raw ASGI. `GET /arrivals` tells when each event came; `/hang` hangs."""

import asyncio
import json
import re
import time
from typing import Any

_REF = re.compile(rb'"ref":"([^"]+)"')
_TYPE = re.compile(rb'"type":"([^"]+)"')

arrivals: list[tuple[float, str, str]] = []


async def crm(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    status, answer = 204, b""
    if scope["path"] == "/hang":
        await asyncio.sleep(30)
    elif scope["path"] == "/arrivals":
        status, answer = 200, json.dumps(arrivals).encode()
        arrivals.clear()
    else:
        ref, event = _REF.search(body), _TYPE.search(body)
        arrivals.append((time.time(), event[1].decode() if event else "", ref[1].decode() if ref else ""))
    headers = [(b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
