"""The Dockerfile: linted, and each of its steps carried out; what comes of it runs as nobody, from a root
that is not written to.

An engine is not asked: there is none where these tests run.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import distributions, version
from importlib.util import cache_from_source
from pathlib import Path

import httpx2
import pytest

from receiver.domain.hooks import HookKey, HookSigner, mint_urls
from tests.e2e.processes import free_port
from tests.operators.image import TOP, Image, copy_context, steps
from tests.operators.started import addresses, image_environment
from tests.ready import becomes_ready

KEY = "k" * 40
SETTINGS = {
    "RECEIVER_HOOK_KEYS": f'[{{"name": "k1", "secret": "{KEY}"}}]',
    "RECEIVER_ACCOUNTS__MAIN__BASE_URL": "http://127.0.0.1:9/api/ver1.0",
    "RECEIVER_ACCOUNTS__MAIN__OAUTH_CLIENT_ID": "app",
    "RECEIVER_ACCOUNTS__MAIN__OAUTH_CLIENT_SECRET": "an-application-secret",
}


@pytest.fixture
def image() -> Iterator[Image]:
    # Not pytest's own folder, into which nobody else may look.
    folder = Path(tempfile.mkdtemp(prefix="image-")).resolve()
    folder.chmod(0o755)
    try:
        for name in ("root", "context"):
            (folder / name).mkdir()
        copy_context(folder / "context")
        image = Image(folder / "root", folder / "context")
        image.build()
        if os.geteuid() != 0:  # then what we have made is ours to write to
            subprocess.run(["chmod", "-R", "a-w", image.inside("/opt")], check=True)
        yield image
    finally:
        subprocess.run(["chmod", "-R", "u+w", folder], check=True)
        shutil.rmtree(folder, ignore_errors=True)


def packages(image: Image) -> Path:
    return next(Path(image.inside("/opt/receiver/lib")).glob("python*/site-packages"))


def listing(image: Image) -> dict[Path, int]:
    """When each file was written to last, except in the data folder."""
    data = Path(image.inside("/data"))
    return {
        path: path.lstat().st_mtime_ns for path in image.root.rglob("*") if data not in (path, *path.parents)
    }


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, "--failure-threshold", "style", "--no-color", TOP / "Dockerfile"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_its_label_tells_the_version() -> None:
    (said,) = [step.rest for step in steps() if step.word == "ARG" and step.rest.startswith("VERSION=")]
    assert said == f"VERSION={version('receiver')}"


def test_both_of_its_listeners_can_be_published() -> None:
    environment = image_environment()
    (exposed,) = [step.rest.split() for step in steps() if step.word == "EXPOSE"]
    assert exposed == [environment["RECEIVER_PORT"], environment["RECEIVER_API__PORT"]]
    assert environment["RECEIVER_HOST"] == environment["RECEIVER_API__HOST"] == "0.0.0.0"


def what_is_in_it_is_pinned(image: Image) -> None:
    pins = set((TOP / "config/constraints.txt").read_text().lower().splitlines())
    inside = {f"{each.name}=={each.version}".lower() for each in distributions(path=[str(packages(image))])}
    ours = f"receiver=={version('receiver')}"
    assert ours in inside
    assert inside - {ours} <= pins


def there_is_nothing_to_compile_when_it_starts(image: Image) -> None:
    modules = list((packages(image) / "receiver").rglob("*.py"))
    assert modules
    assert [each for each in modules if not Path(cache_from_source(each)).exists()] == []


def neither_pip_nor_a_compiler_is_left_in_it(image: Image) -> None:
    assert not (packages(image) / "pip").exists()
    assert {path.name for path in Path(image.inside("/opt/receiver/bin")).glob("pip*")} == set()


def the_wheel_is_the_same_in_every_build(image: Image) -> None:
    source = Path(image.inside("/src/receiver"))
    for path in source.rglob("*.py"):
        os.utime(path, (1, 1))
    (step,) = [each for each in steps() if "pip wheel" in each.rest]
    image.run(f"cd /src && SOURCE_DATE_EPOCH=1767225600 {step.rest.replace('/dist', '/again')}")
    (first,), (second,) = (list(Path(image.inside(each)).glob("*.whl")) for each in ("/dist", "/again"))
    assert first.read_bytes() == second.read_bytes()


def it_serves_as_nobody_writes_to_its_data_folder_only_and_says_how_it_is(image: Image) -> None:
    ports, before = (free_port(), free_port()), listing(image)
    settings = SETTINGS | addresses(*ports)
    hooks, api = (f"http://127.0.0.1:{port}" for port in ports)

    def health() -> int:
        return image.process(image.command("HEALTHCHECK"), **settings).wait(20)

    with image.container(*image.command("CMD"), **settings) as process:
        assert becomes_ready(api)
        if os.geteuid() == 0:
            assert Path(f"/proc/{process.pid}").stat().st_uid == 65532
        hook = mint_urls(HookSigner((HookKey("k1", KEY),)), hooks, "main", "r1")["url_before"]
        assert httpx2.get(hook).status_code == 200
        assert [httpx2.get(f"{root}/metrics").status_code for root in (hooks, api)] == [404, 200]
        assert health() == 0
        process.send_signal(getattr(signal, image.said["STOPSIGNAL"].rest))
        assert process.wait(20) == 0
    assert health() == 1
    assert listing(image) == before
    assert Path(image.inside("/data/receiver.db")).stat().st_size > 0


def the_other_commands_run_in_it(image: Image) -> None:
    with image.container("urls", "mint", "--account", "main", "--ref", "r1", **SETTINGS) as process:
        assert process.wait(20) == 0


CHECKS = (
    what_is_in_it_is_pinned,
    there_is_nothing_to_compile_when_it_starts,
    neither_pip_nor_a_compiler_is_left_in_it,
    it_serves_as_nobody_writes_to_its_data_folder_only_and_says_how_it_is,
    the_other_commands_run_in_it,
    the_wheel_is_the_same_in_every_build,
)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_its_steps_make_what_it_promises(image: Image, subtests: pytest.Subtests) -> None:
    # One test, so that the steps are carried out once, on however many processes the tests are spread.
    for check in CHECKS:
        with subtests.test(check.__name__):
            check(image)
