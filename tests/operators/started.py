"""A receiver with exactly the variables that a deployment gives it."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from receiver.settings.settings import Settings
from tests.e2e.processes import RECEIVER, free_port
from tests.operators.image import TOP, steps
from tests.ready import becomes_ready


def documents(file: str) -> list[dict[str, Any]]:
    """What a YAML file of config/ holds."""
    return list(yaml.safe_load_all((TOP / "config" / file).read_text()))


def image_environment() -> dict[str, str]:
    """The settings that the image has of itself."""
    words = (word for step in steps() if step.word == "ENV" for word in step.rest.split())
    return dict(word.split("=", 1) for word in words if word.startswith("RECEIVER_"))


def unknown_settings(environment: Mapping[str, str]) -> set[str]:
    """Variables that look like settings and would change nothing."""
    names = {name for name in environment if name.startswith("RECEIVER_")}
    known = {"RECEIVER_CONFIG", *(f"RECEIVER_{name.upper()}" for name in Settings.model_fields)}
    return {name for name in names if name.split("__")[0] not in known}


@dataclass(frozen=True, slots=True)
class Started:
    """The roots of its two listeners."""

    hooks: str
    api: str


def addresses(port: int, api_port: int) -> dict[str, str]:
    """The variables by which a receiver listens here, on these ports."""
    return {
        "RECEIVER_HOST": "127.0.0.1",
        "RECEIVER_PORT": str(port),
        "RECEIVER_API__HOST": "127.0.0.1",
        "RECEIVER_API__PORT": str(api_port),
    }


@contextmanager
def started(
    environment: Mapping[str, str], folder: Path, *arguments: str, port: int | None = None
) -> Iterator[Started]:
    """A receiver that has these variables and no others, but for its addresses. `port`: for hooks."""
    ports = port or free_port(), free_port()
    process = subprocess.Popen([*RECEIVER, *arguments], cwd=folder, env={**environment, **addresses(*ports)})
    try:
        urls = Started(*(f"http://127.0.0.1:{each}" for each in ports))
        assert becomes_ready(urls.api)
        yield urls
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
