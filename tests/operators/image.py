"""The image without an engine: each step of the Dockerfile carried out in a folder that stands for its root.

Not carried out are the base image, whose place the Python takes that the tests run with, what an engine
makes of it (layers, mounts, labels), and a container's isolation.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

TOP = Path(__file__).parents[2]
_OURS = re.compile(r"(?<![\w.}/-])/(?=(?:again|data|dist|opt|root|src|tools|usr)\b)")
"""Where a path of the image begins."""

_LEFT_OUT = ("test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__", "config-*")
_NOT_GIVEN_ON = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
_STEP_S = 300


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction: `COPY`, the values of its flags, and the rest."""

    word: str
    flags: Mapping[str, str]
    rest: str


def steps() -> Iterator[Step]:
    """What the Dockerfile says, in order."""
    lines = (TOP / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    for line in filter(str.strip, text.splitlines()):
        word, *words = line.split(" ")
        flags = {}
        while words and (words[0].startswith("--") or not words[0]):
            name, _, value = words.pop(0).partition("=")
            flags[name] = value
        yield Step(word, flags, " ".join(words))


def copy_context(folder: Path) -> None:
    """What .dockerignore lets through: it leaves out everything, then takes some of it in again."""
    first, *others = [
        line for line in (TOP / ".dockerignore").read_text().splitlines() if line and line[0] != "#"
    ]
    assert first == "*"
    ignored = shutil.ignore_patterns(*(line.removeprefix("**/") for line in others if line[0] != "!"))
    for line in others:
        source, target = TOP / line[1:], folder / line[1:]
        if line[0] == "!" and source.is_dir():
            shutil.copytree(source, target, ignore=ignored)
        elif line[0] == "!":
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


@dataclass
class Image:
    """`root` stands for the image's root, `context` for the folder that it is built from. `environment`: what
    its processes begin with; `said`: the instructions for a container.
    """

    root: Path
    context: Path
    environment: dict[str, str] = field(default_factory=dict)
    said: dict[str, Step] = field(default_factory=dict)
    _given: dict[str, str] = field(default_factory=dict)
    _stages: dict[str, dict[str, str]] = field(default_factory=dict)
    _folder: Path = Path()

    def build(self) -> None:
        """Carry out every step."""
        self._copy_python()
        for step in steps():
            act = getattr(self, f"_{step.word.lower()}", None)
            if act is None:
                self.said[step.word] = step
            else:
                act(step)

    def inside(self, text: str) -> str:
        """Paths of the image as they are here."""
        return _OURS.sub(f"{self.root}/", text)

    def command(self, word: str) -> list[str]:
        """What ENTRYPOINT, CMD or HEALTHCHECK say, in the form that no shell reads."""
        return list(json.loads(self.said[word].rest.removeprefix("CMD ")))

    def run(self, command: str) -> None:
        """A step of the build. Raises AssertionError where it fails."""
        surroundings = {name: value for name, value in os.environ.items() if name not in _NOT_GIVEN_ON}
        surroundings |= {
            "PATH": self._path(os.environ["PATH"]),
            **self._shared,
            **self._given,
            **self.environment,
        }
        done = subprocess.run(
            ["/bin/sh", "-c", self.inside(command)],
            cwd=self._folder,
            env=surroundings,
            check=False,
            capture_output=True,
            text=True,
            timeout=_STEP_S,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"

    @contextmanager
    def container(self, *arguments: str, **settings: str) -> Iterator["subprocess.Popen[bytes]"]:
        """A process as the image starts it, as the image's user where we may become it."""
        command = [*self.command("ENTRYPOINT"), *arguments]
        with self.process(command, **settings) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def process(self, command: list[str], **settings: str) -> "subprocess.Popen[bytes]":
        """A command in a container, with these settings beside those of the image."""
        user, group = map(int, self.said["USER"].rest.split(":"))
        is_root = os.geteuid() == 0
        surroundings = self._shared | self.environment | settings
        program = shutil.which(command[0], path=surroundings["PATH"])
        assert program, command
        return subprocess.Popen(
            [program, *command[1:]],
            cwd=self._folder,
            env=surroundings,
            user=user if is_root else None,
            group=group if is_root else None,
            extra_groups=[] if is_root else None,
        )

    @property
    def _shared(self) -> dict[str, str]:
        """Where Python finds its own library, if it was built to have one."""
        return {"LD_LIBRARY_PATH": f"{self.root}/usr/local/lib"}

    def _copy_python(self) -> None:
        """The base image's Python: ours, without what the base image leaves out either."""
        library, program = Path(sysconfig.get_path("stdlib")), Path(sys._base_executable).resolve()  # type: ignore[attr-defined]
        local = self.root / "usr/local"
        shutil.copytree(library, local / "lib" / library.name, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        (local / "bin").mkdir()
        shutil.copy(program, local / "bin" / library.name)
        for shared in Path(sysconfig.get_config_var("LIBDIR")).glob("libpython*.so*"):
            shutil.copy(shared, local / "lib")
        for name in ("python", "python3"):
            (local / "bin" / name).symlink_to(library.name)

    def _path(self, others: str) -> str:
        return f"{self.root}/usr/local/bin:{others}"

    def _from(self, step: Step) -> None:
        base, _, name = step.rest.partition(" AS ")
        self.environment = dict(self._stages.get(base, {}))
        self._stages[name], self._given, self._folder = self.environment, {}, self.root

    def _arg(self, step: Step) -> None:
        name, _, default = step.rest.partition("=")
        self._given[name] = default

    def _env(self, step: Step) -> None:
        known = {"PATH": self._path("/usr/bin:/bin")} | self.environment
        for name, _, value in (word.partition("=") for word in step.rest.split()):
            self.environment[name] = Template(self.inside(value)).substitute(known)

    def _workdir(self, step: Step) -> None:
        self._folder = Path(self.inside(step.rest))
        self._folder.mkdir(exist_ok=True)

    def _run(self, step: Step) -> None:
        self.run(step.rest)

    def _copy(self, step: Step) -> None:
        *sources, target = step.rest.split()
        if "--from" in step.flags:  # all stages share one root
            assert sources == [target]
            assert Path(self.inside(target)).exists()
            if "--chown" in step.flags and os.geteuid() == 0:
                os.chown(self.inside(target), *map(int, step.flags["--chown"].split(":")))
            return
        for source in (self.context / each for each in sources):
            if source.is_dir():
                shutil.copytree(source, self._folder / target)
            else:
                (self._folder / target).mkdir(parents=True, exist_ok=True)
                shutil.copy(source, self._folder / target)
