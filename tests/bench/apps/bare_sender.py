"""What delivery is measured by: a bare loop that posts so many bodies, `URL COUNT CONCURRENCY BODY.json`."""

import asyncio
import sys
from pathlib import Path

import httpx2
import uvloop


async def post_all(url: str, count: int, concurrency: int, body: bytes) -> None:
    left = iter(range(count))
    headers = {"content-type": "application/json"}
    async with httpx2.AsyncClient(limits=httpx2.Limits(max_connections=concurrency)) as client:

        async def worker() -> None:
            for _ in left:
                (await client.post(url, content=body, headers=headers)).raise_for_status()

        await asyncio.gather(*(worker() for _ in range(concurrency)))


if __name__ == "__main__":
    uvloop.run(post_all(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]).read_bytes()))
