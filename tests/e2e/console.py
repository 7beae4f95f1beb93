"""`python -m tests.e2e.console --folder DIR`: pictures of all pages of the console, to be looked at.

A demonstration fills the store. Each page is opened in Chromium as a desktop and a phone show it, light and
dark, in English and Russian.
"""

import argparse
import asyncio
import itertools
import re
import sys
import tempfile
from pathlib import Path

from receiver.console.site import PAGES
from receiver.observability.logs import configure_logs
from tests.console.browser import DESKTOP, PHONE, THEMES, running_chromium
from tests.console.console_env import ConsoleEnv, Visitors, demo_folder, places, serving_demo

_ROLE = "admin+numbers"
_WINDOWS = {"desktop": DESKTOP, "phone": PHONE}
_LANGUAGES = {"en": "en-US", "ru": "ru-RU"}

_MORE = {"nowhere": "/nowhere"}
"""Name → path of what is shown beside the pages themselves."""


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.console", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the pictures go")
    parser.add_argument("--only", default="", help="only pages with this text in their path")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    configure_logs("console", "error")
    with tempfile.TemporaryDirectory() as made:
        asyncio.run(_take_all(options.folder, options.only, Path(made)))
    print(f"{len(list(options.folder.glob('*.png')))} pictures in {options.folder}")
    return 0


async def _take_all(folder: Path, only: str, made: Path) -> None:
    served = made / "served"
    served.mkdir()
    async with serving_demo(demo_folder(made), served) as console, running_chromium() as browser:
        known = await places(console)
        paths = {
            page.path.strip("/") or "overview": page.path.format_map(known) for page in PAGES if page.template
        }
        for name, path in {**paths, **_MORE}.items():
            if only in name:
                visitors = Visitors(browser)
                await _take(visitors, console, path, folder / re.sub("[/{}]+", "-", name).strip("-"))
                await visitors.leave()
        if only in "sign-in":
            await _take_signed_out(Visitors(browser), console, folder)


_ALL_DRAWN = """
async () => {
  for (const image of document.images) image.loading = "eager";
  await new Promise((done) => setTimeout(done, 100));
  await Promise.all([...document.images].map((image) => image.decode()));
}
"""
"""Waits until the charts are loaded, which are others in another theme."""


async def _take(visitors: Visitors, console: ConsoleEnv, path: str, stem: Path, role: str = _ROLE) -> None:
    """Take the pictures of one page."""
    for language, locale in _LANGUAGES.items():
        page = await visitors.visit(console, role or None, path, locale=locale)
        for (window, size), theme in itertools.product(_WINDOWS.items(), THEMES):
            await page.set_viewport_size(size)
            await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            await page.evaluate(_ALL_DRAWN)
            await page.screenshot(path=f"{stem}.{window}.{theme}.{language}.png", full_page=True)


async def _take_signed_out(visitors: Visitors, console: ConsoleEnv, folder: Path) -> None:
    await _take(visitors, console, "/sign-in", folder / "sign-in", role="")
    await visitors.leave()


if __name__ == "__main__":
    sys.exit(main())
