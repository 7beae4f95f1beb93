"""One browser for each process of tests, a context for each visitor of a test."""

import inspect
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from playwright.async_api import Browser

from tests.console.browser import running_chromium
from tests.console.console_env import ConsoleEnv, Visitors, demo_folder, serving_demo
from tests.console.page_env import PageEnv
from tests.http.api_env import ApiEnv


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that uses the browser in the loop of the browser."""
    if "portal" not in pyfuncitem.fixturenames or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    values = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    portal: BlockingPortal = pyfuncitem._request.getfixturevalue("portal")
    portal.call(lambda: pyfuncitem.obj(**values))
    return True


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """The loop of browser and server, in a thread of its own: other tests have loops of their own."""
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture(scope="session")
def chromium(portal: BlockingPortal) -> Iterator[Browser]:
    with portal.wrap_async_context_manager(running_chromium()) as browser:
        yield browser


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a demonstration that is over. Not to be changed."""
    base = tmp_path_factory.getbasetemp()
    return demo_folder(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)


@pytest.fixture(scope="session")
def console(
    portal: BlockingPortal, demo: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ConsoleEnv]:
    """The console over the store of a demonstration, for tests that change nothing."""
    with portal.wrap_async_context_manager(serving_demo(demo, tmp_path_factory.mktemp("console"))) as env:
        yield env


@pytest.fixture
def own_console(portal: BlockingPortal, demo: Path, tmp_path: Path) -> Iterator[ConsoleEnv]:
    """The console over a copy of that store, for a test that changes something."""
    with portal.wrap_async_context_manager(serving_demo(demo, tmp_path)) as env:
        yield env


@pytest.fixture
def visitors(portal: BlockingPortal, chromium: Browser) -> Iterator[Visitors]:
    """Opens pages. At the end no page may have had a problem that the test did not expect."""
    visitors = Visitors(chromium)
    yield visitors
    portal.call(visitors.leave)
    visitors.check()


@pytest.fixture
def page_env(api_env: ApiEnv) -> PageEnv:
    """The console over HTTP, without a browser."""
    return PageEnv(api_env)
