"""Headless Chromium, and what a page did there that no page of ours may do."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    ViewportSize,
    async_playwright,
)

from tests.operators.debian import find_chromium

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")

DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}

_REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} forbids ${event.blockedURI} ${event.sample}`));
"""

_AXE_OPTIONS = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
"""All rules that are on by default, and the size of targets."""


@asynccontextmanager
async def running_chromium() -> AsyncIterator[Browser]:
    """Run one browser until the end of the block."""
    program = find_chromium()
    async with async_playwright() as playwright:
        # Root may not use the sandbox; the pages are ours.
        browser = await playwright.chromium.launch(
            executable_path=program.file, env=dict(program.environment), args=["--no-sandbox"]
        )
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Watch:
    """Problems of all pages of a context: errors in the console, errors of scripts, violations of the policy,
    requests to other servers. `allowed`: texts in problems that a test expects.
    """

    origin: str
    problems: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)

    async def start(self, context: BrowserContext) -> None:
        """Watch a context that has no page yet."""
        await context.add_init_script(_REPORT_VIOLATIONS)
        context.on("console", self._console)
        context.on("weberror", lambda error: self.problems.append(f"script: {error.error}"))
        context.on("request", self._request)

    def check(self) -> None:
        """Raise AssertionError for problems that the test did not expect."""
        unexpected = [text for text in self.problems if not any(part in text for part in self.allowed)]
        assert not unexpected, "\n".join(unexpected)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.type}: {message.text} at {message.location.get('url')}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.origin, "data:", "blob:", "about:")):
            self.problems.append(f"request to another server: {request.url}")


async def axe(page: Page, themes: Sequence[Theme] = THEMES) -> None:
    """Raise AssertionError if axe-core finds something on the page, in the light or the dark theme."""
    await page.evaluate(AXE_SCRIPT)
    for theme in themes:
        await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        results = AxeResults(await page.evaluate("options => axe.run(document, options)", _AXE_OPTIONS))
        assert results.violations_count == 0, f"{theme} {page.url}: {results.generate_report()}"


async def sideways(page: Page) -> int:
    """Return the pixels by which the page is wider than its window."""
    script = "document.documentElement.scrollWidth - window.innerWidth"
    return max(0, int(await page.evaluate(script)))
