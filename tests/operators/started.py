"""A receiver with exactly the variables that a deployment gives it."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from receiver.settings import Settings
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


@contextmanager
def started(
    environment: Mapping[str, str], folder: Path, *arguments: str, port: int | None = None
) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """The URL and the process of a receiver that has these variables and no others, but for its address."""
    port = port or free_port()
    here = {"RECEIVER_HOST": "127.0.0.1", "RECEIVER_PORT": str(port)}
    process = subprocess.Popen([*RECEIVER, *arguments], cwd=folder, env={**environment, **here})
    try:
        url = f"http://127.0.0.1:{port}"
        assert becomes_ready(url)
        yield url, process
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
