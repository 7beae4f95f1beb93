"""Which functions of the package a piece of work calls, in order of the first call."""

import inspect
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

from tests.house.source import PACKAGE

_ANONYMOUS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>", "<lambda>", "<module>")
_OF_DATACLASSES = ("__post_init__", "__eq__", "__hash__", "__repr__")


class Function(NamedTuple):
    """`file` is relative to the package; `name` is qualified by the class."""

    file: str
    name: str

    @property
    def is_domain(self) -> bool:
        return self.file.startswith("domain/")


@dataclass
class Walk:
    """Records the functions that are called while `recording()`. Threads must start inside `installed()`.

    Comprehensions, lambdas, class bodies, and the special methods of dataclasses do not count.
    """

    functions: dict[Function, None] = field(default_factory=dict)
    excluded: tuple[str, ...] = ()
    _known: dict[CodeType, Function | None] = field(default_factory=dict)
    _is_recording: bool = False

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Watch the calls of this thread and of all threads that start meanwhile."""
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    @contextmanager
    def recording(self) -> Iterator[None]:
        self._is_recording = True
        try:
            yield
        finally:
            self._is_recording = False

    def files(self) -> list[str]:
        """Return the files in order of the first call."""
        return list(dict.fromkeys(function.file for function in self.functions))

    def without_domain(self) -> "Walk":
        return Walk({function: None for function in self.functions if not function.is_domain})

    def _note(self, frame: FrameType, event: str, _argument: Any) -> None:
        if not self._is_recording or event != "call":
            return
        code = frame.f_code
        if code not in self._known:
            self._known[code] = self._function(code)
        if function := self._known[code]:
            self.functions.setdefault(function)

    def _function(self, code: CodeType) -> Function | None:
        path = Path(code.co_filename)
        if not path.is_relative_to(PACKAGE) or not code.co_flags & inspect.CO_OPTIMIZED:
            return None
        file = path.relative_to(PACKAGE).as_posix()
        if file.startswith(self.excluded) or code.co_name in (*_ANONYMOUS, *_OF_DATACLASSES):
            return None
        return Function(file, code.co_qualname.replace(".<locals>", ""))
