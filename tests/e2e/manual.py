"""`python -m tests.e2e.manual --folder DIR`: pictures of all pages of the manual, to be looked at.

Each page is opened in Chromium as a desktop and a phone show it, light and dark.
"""

import argparse
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from receiver.docs.endpoints import docs_routes
from receiver.docs.manual import page_names, url_of
from tests.operators.debian import Program, find_chromium

_WINDOWS = {"desktop": "1400,1600", "phone": "390,2400"}
_COLORS = {"light": (), "dark": ("--force-dark-mode", "--blink-settings=preferredColorScheme=0")}
_TIMEOUT_S = 60.0


@contextmanager
def _serving() -> Iterator[str]:
    """Serve the manual in a thread; yield the root of its URLs."""
    sock = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=docs_routes()), log_level="warning"))
    thread = threading.Thread(target=server.run, args=([sock],))
    thread.start()
    try:
        while not server.started:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def main() -> int:
    """Return the exit code: 1 if a page could not be opened."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.manual", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the pictures go")
    folder = parser.parse_args().folder
    browser = find_chromium()
    folder.mkdir(parents=True, exist_ok=True)
    with _serving() as root:
        for path in (*map(url_of, page_names()), "/docs?q=lost+hooks", "/docs/nowhere"):
            for window, size in _WINDOWS.items():
                for color, options in _COLORS.items():
                    name = path.strip("/").replace("/", "-").replace("?", "-")
                    picture = folder / f"{name}.{window}.{color}.png"
                    _take(browser, root + path, picture, (f"--window-size={size}", *options))
    pictures = list(folder.glob("*.png"))
    print(f"{len(pictures)} pictures in {folder}")
    return 0


def _take(browser: Program, url: str, picture: Path, options: tuple[str, ...]) -> None:
    # Root may not use the sandbox; the pages are ours.
    common = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--screenshot={picture}")
    subprocess.run(
        [browser.file, *common, *options, url],
        check=True,
        timeout=_TIMEOUT_S,
        stderr=subprocess.DEVNULL,
        env=browser.environment,
    )


if __name__ == "__main__":
    sys.exit(main())
