"""Logs by structlog, for people or as JSON, without secrets and phone numbers."""

import logging
import re
import sys
import time
from typing import Any, Literal

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, WrappedLogger

_SECRET_NAMES = re.compile(r"secret|token|authorization|password|number", re.IGNORECASE)
_NUMBER = re.compile(r"(?<!\w)(?<!\w[.-])\+?\d{10,15}(?!\w)(?![.-]\w)")
"""Pattern of a phone number: 10 to 15 digits that are no part of an id, a fraction or a uuid."""

_MASK = "•••"


def configure_logs(log_format: Literal["console", "json"], level: str) -> None:
    """Send structlog and the standard library's logging to stderr in one format."""
    # Tracebacks show no local variables, which hold tokens and payloads.
    traceback = (
        structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
        if log_format == "json"
        else structlog.processors.format_exc_info
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        traceback,
        hide_secrets,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("httpx2", "httpcore2", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask values with secret names, and phone numbers in all texts at any depth."""
    return {name: _masked(name, value) for name, value in event.items()}


def _masked(name: str, value: Any) -> Any:
    if _SECRET_NAMES.search(name):
        return _MASK
    if isinstance(value, str):
        return _NUMBER.sub(_MASK, value)
    if isinstance(value, dict):
        return {key: _masked(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked("", item) for item in value]
    return value


class RateLimitedLog:
    """Logs an event at most once per interval, with the number of events omitted since the last one."""

    def __init__(self, log: Any, every_s: float = 60.0) -> None:
        self._log = log
        self._every_s = every_s
        self._next: dict[object, float] = {}
        self._omitted: dict[object, int] = {}

    def warning(self, event: str, per: object = None, **details: Any) -> None:
        """Log or count an event. Each value of `per` has a limit of its own; its values must be few."""
        now, key = time.monotonic(), (event, per)
        if now < self._next.get(key, 0.0):
            self._omitted[key] = self._omitted.get(key, 0) + 1
            return
        self._next[key] = now + self._every_s
        self._log.warning(event, **details, not_logged=self._omitted.pop(key, 0))
