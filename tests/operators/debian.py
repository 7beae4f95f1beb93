"""Programs as Debian packages them: installed, or else unpacked in a folder."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

_PACKAGES = ("prometheus", "prometheus-alertmanager")
_NAMES = ("prometheus", "promtool", "prometheus-alertmanager", "amtool")
_TIMEOUT_S = 100

_DOWNLOAD_ALL = (
    *(
        "-o",
        "Debug::NoLocking=1",
        "install",
        "--download-only",
        "--reinstall",
        "--no-install-recommends",
        "-y",
    ),
)
"""The packages, even if they are installed, and what would be installed with them. Nobody has to be root."""

_TEMPLATES = b"/usr/share/prometheus/alertmanager"
"""Where Debian's Alertmanager looks for its templates, whatever its settings say."""
_HERE = b"usr//share/prometheus/alertmanager"
"""The same, as long, below the folder that it runs in."""

_FONTS = "fonts.conf"


@dataclass(frozen=True, slots=True)
class Tools:
    """Prometheus and Alertmanager. `home`: the folder that servers are to be started in."""

    home: Path
    prometheus: Path
    promtool: Path
    alertmanager: Path
    amtool: Path

    def run(self, tool: str, *arguments: str | Path, said: str | None = None) -> str:
        """What the tool printed, given `said` on its standard input. Raises AssertionError where it fails."""
        command = [getattr(self, tool), *arguments]
        done = subprocess.run(
            command, input=said, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
        printed = f"{done.stdout}{done.stderr}"
        assert done.returncode == 0, printed
        return printed


def find_tools() -> Tools:
    """All four of them; where one is not installed, fetched once and kept for later sessions."""
    found = [shutil.which(name) for name in _NAMES]
    if all(found):
        return Tools(Path("/"), *(Path(name) for name in found if name))
    home = _unpacked("tools", _PACKAGES, _find_templates_here)
    return Tools(home, *(home / "usr/bin" / name for name in _NAMES))


@dataclass(frozen=True, slots=True)
class Program:
    """A program and the environment in which it finds its libraries."""

    file: Path
    environment: Mapping[str, str]


def find_pgbouncer() -> Program:
    """The program; where it is not installed, fetched with what it needs and kept for later sessions."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found:
        return Program(Path(found), os.environ)
    home = _unpacked("pgbouncer", ("pgbouncer",), with_libraries=True)
    return Program(home / "usr/sbin/pgbouncer", _with_libraries(home))


def find_chromium() -> Program:
    """The browser; where it is not installed, fetched with its libraries and fonts, and kept for later
    sessions.
    """
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found:
        return Program(Path(found), os.environ)
    home = _unpacked("chromium", ("chromium", "fonts-dejavu-core"), _name_fonts, with_libraries=True)
    # Not the script in /usr/bin, which names the installed program.
    program = home / "usr/lib/chromium/chromium"
    return Program(program, {**_with_libraries(home), "FONTCONFIG_FILE": str(home / _FONTS)})


def _with_libraries(home: Path) -> dict[str, str]:
    """The environment in which programs unpacked here find their libraries."""
    folders = [folder for root in ("usr/lib", "lib") for folder in (home / root).glob("*-linux-gnu*")]
    # libpulse finds a part of its own by an absolute path only.
    folders += [folder / "pulseaudio" for folder in folders]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, folders))}


def find_nginx() -> Path:
    """The program; where it is not installed, fetched once and kept for later sessions."""
    found = shutil.which("nginx")
    return Path(found) if found else _unpacked("nginx", ("nginx",)) / "usr/sbin/nginx"


def _unpacked(
    name: str,
    packages: tuple[str, ...],
    adapt: Callable[[Path], None] = lambda _: None,
    *,
    with_libraries: bool = False,
) -> Path:
    """The folder in which these packages are unpacked, and those that they need and that are not installed if
    `with_libraries`. `adapt` changes what is in it before it is used.
    """
    home = _home(name)
    with alone(home.with_suffix(".lock")):
        if not home.exists():
            _fetch(home, packages, adapt, with_libraries)
    return home


def _home(name: str) -> Path:
    return Path(gettempdir()) / f"receiver-{name}-{os.getuid()}"


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Tests run in several processes: one of them fetches, the others wait for it."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _name_fonts(root: Path) -> None:
    """Write settings of fontconfig that name the fonts unpacked here only: pages have the same fonts on every
    machine.
    """
    home = _home("chromium")
    (root / _FONTS).write_text(
        f"<fontconfig><dir>{home / 'usr/share/fonts'}</dir>"
        f"<cachedir>{home / 'font-cache'}</cachedir></fontconfig>\n"
    )


def _find_templates_here(root: Path) -> None:
    program = root / "usr/bin/prometheus-alertmanager"
    program.write_bytes(program.read_bytes().replace(_TEMPLATES, _HERE))


def _fetch(
    home: Path, packages: tuple[str, ...], adapt: Callable[[Path], None], with_libraries: bool
) -> None:
    """Download and unpack the packages; nothing is installed, and nobody has to be root."""
    with TemporaryDirectory(prefix=f"{home.name}-", dir=home.parent) as name:
        folder = Path(name)
        for each in ("lists", "cache"):
            (folder / each).mkdir()
        apt = (
            "apt-get",
            "-qq",
            "-o",
            f"Dir::State::Lists={folder}/lists",
            "-o",
            f"Dir::Cache={folder}/cache",
        )
        get = _DOWNLOAD_ALL if with_libraries else ("download",)
        for step in ("update",), (*get, *packages):
            subprocess.run([*apt, *step], cwd=folder, check=True, timeout=_TIMEOUT_S)
        for package in folder.rglob("*.deb"):
            subprocess.run(["dpkg", "-x", package, folder / "root"], check=True, timeout=_TIMEOUT_S)
        adapt(folder / "root")
        (folder / "root").rename(home)
