"""Bodies of deliveries, made by a subscriber's own Jinja template in a sandbox that counts its work."""

from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, Sequence, Sized, ValuesView
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateError, TemplateSyntaxError, UndefinedError, nodes, pass_context
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from receiver.errors import InputError
from receiver.outcomes.event_types import ABOUT, example
from receiver.outcomes.template_rules import FIELD, FILTERS, check, refused

MOST_BODY = 65_536
"""Bytes of a body."""

_MOST_TEMPLATE = 20_000
"""Characters of a template."""

_MOST_WORK = 500_000
"""Characters, values and steps of loops that one body may take: some hundredths of a second."""

_MOST_NUMBER = 1_000
"""The largest number that a filter takes."""

_METHODS = ("POST", "PUT", "PATCH")
_RESERVED = ("webhook-", "host", "content-length", "transfer-encoding", "connection")

_WORK = "work left"
"""Under this name, which no template can write, a context holds what is left of the work."""

_LACKING = UndefinedError.__name__

_FAULTS = (
    TemplateError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    MemoryError,
    RecursionError,
)


class _TooMuchError(Exception):
    """A body takes too much work, or is too long."""


class _Work:
    def __init__(self) -> None:
        self._left = _MOST_WORK

    def spend(self, amount: int) -> None:
        self._left -= amount
        if self._left < 0:
            raise _TooMuchError("takes too much work: shorten it, or its loops")

    def weigh(self, value: object) -> int:
        """Return the characters and values in this one, and spend as much. Raises _TooMuchError."""
        weight, waiting = 0, [value]
        while waiting:
            each = waiting.pop()
            weight += 1 + (len(each) if isinstance(each, str | bytes) else 0)
            if weight > MOST_BODY:
                raise _TooMuchError(f"a part of it is longer than {MOST_BODY} characters")
            if isinstance(each, dict):
                waiting += each.keys()
                waiting += each.values()
            elif isinstance(each, list | tuple | set):
                waiting += each
        self.spend(weight)
        return weight


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja without anything that makes much of little."""

    intercepted_binops = frozenset({"+", "*", "%"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        work: _Work = context[_WORK]
        if all(isinstance(each, int | float) and abs(each) < 1e15 for each in (left, right)):
            return self.binop_table[operator](left, right)
        if operator != "+":
            raise TypeError(f"'{operator}' is for numbers")
        work.weigh((left, right))
        total = left + right
        work.weigh(total)
        return total


_PLAIN = ImmutableSandboxedEnvironment()


def _counted(name: str) -> Any:
    """The filter of this name, with its work counted."""

    @pass_context
    def call(context: Context, value: Any, *args: Any, **options: Any) -> Any:
        work: _Work = context[_WORK]
        if isinstance(value, Iterator | KeysView | ValuesView | ItemsView):
            value = list(value)
        work.weigh((value, args, options))
        given = (*args, *options.values())
        if any(isinstance(each, int | float) and abs(each) > _MOST_NUMBER for each in given):
            raise ValueError(f"'{name}' takes no number beyond {_MOST_NUMBER}")
        work.spend(_growth(name, value, given))
        made = _PLAIN_FILTERS[name](context, value, args, options)
        made = list(made) if isinstance(made, Iterator) else made
        work.weigh(made)
        return made

    return call


def _plain(name: str) -> Callable[[Context, Any, Sequence[Any], Mapping[str, Any]], Any]:
    """Jinja's own filter. Those that call filters themselves find counted ones."""
    of_context = name in ("map", "select", "selectattr", "reject", "rejectattr")

    def call(context: Context, value: Any, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
        if of_context:
            return _PLAIN.filters[name](context, value, *args, **options)
        return _PLAIN.call_filter(name, value, args, options, context=context)

    return call


def _growth(name: str, value: Any, given: Sequence[Any]) -> int:
    """By how much a filter may make its value longer, where that does not follow from the value's length."""
    if name == "join" and given and isinstance(value, Sized):
        return len(value) * len(str(given[0]))
    if name == "replace" and len(given) > 1:
        return str(value).count(str(given[0])) * len(str(given[1]))
    if name == "tojson" and given:
        raise ValueError("'tojson' takes no indent")
    return 0


@pass_context
def _own_list(context: Context, value: Any, steps: int) -> Any:
    """What a loop goes over, `steps` for each of its values."""
    if isinstance(value, KeysView | ValuesView | ItemsView):
        value = list(value)
    if value is None or isinstance(value, Undefined):
        return ()
    if not isinstance(value, list | tuple | dict):
        raise TypeError("a loop goes over lists")
    context[_WORK].spend(len(value) * steps)
    return value


@pass_context
def _shown(context: Context, value: Any) -> Any:
    context[_WORK].weigh(value)
    return value


_PLAIN_FILTERS = {name: _plain(name) for name in FILTERS}
_ENVIRONMENT = _Environment(autoescape=False, optimized=False, finalize=_shown)
_ENVIRONMENT.globals.clear()
_ENVIRONMENT.filters = {name: _counted(name) for name in FILTERS} | {"own_list": _own_list}


class _Counting(NodeTransformer):
    """Lets loops and `~` be counted."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - Jinja calls it by this name
        steps = sum(1 for _ in node.find_all(nodes.Node))
        self.generic_visit(node)
        node.iter = _filtered(node.iter, "own_list", nodes.Const(steps))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        first, *others = (_filtered(each, "string") for each in node.nodes)
        for other in others:
            first = nodes.Add(first, other, lineno=node.lineno)
        return first


def _filtered(node: nodes.Node, name: str, *args: nodes.Expr) -> nodes.Expr:
    return nodes.Filter(node, name, list(args), [], None, None, lineno=node.lineno)


@lru_cache(maxsize=256)
def _compiled(text: str) -> Template:
    """Raises InputError."""
    if not text or len(text) > _MOST_TEMPLATE:
        raise InputError(FIELD, f"a template of 1 to {_MOST_TEMPLATE} characters")
    try:
        parsed = _ENVIRONMENT.parse(text)
        check(parsed)
        return _ENVIRONMENT.from_string(_Counting().visit(parsed))
    except TemplateSyntaxError as error:
        raise refused(error.lineno, str(error.message)) from None
    except (RecursionError, MemoryError, SyntaxError):
        raise InputError(FIELD, "is nested too deeply: write it in steps") from None


def render(text: str, event: Mapping[str, Any]) -> bytes:
    """The body that the template makes of an event. Raises InputError, which says what to mend."""
    template, parts, size = _compiled(text), list[bytes](), 0
    try:
        for part in template.generate({"event": event, _WORK: _Work()}):
            parts.append(part.encode())
            size += len(parts[-1])
            if size > MOST_BODY:
                raise InputError(FIELD, f"makes more than {MOST_BODY} bytes: shorten it")
    except _TooMuchError as error:
        raise InputError(FIELD, str(error)) from None
    except _FAULTS as error:
        raise InputError(FIELD, f"{type(error).__name__}: {error}"[:300]) from None
    return b"".join(parts)


def check_options(options: Mapping[str, Any]) -> None:
    """The options of the format `template`, as they are set. The template is tried with an example of each
    event that it is for; one has to come out, or lack only what the example lacks. Raises InputError.
    """
    text, types = options.get("body"), options.get("types") or list(ABOUT)
    if not isinstance(text, str):
        raise InputError(FIELD, f"a template of 1 to {_MOST_TEMPLATE} characters")
    headers_of(options)
    method_of(options)
    if not isinstance(types, list) or not set(map(str, types)) <= ABOUT.keys():
        raise InputError("options.types", f"a list of {', '.join(ABOUT)}")
    problems = []
    for event in types:
        try:
            render(text, example(event))
        except InputError as error:
            problems.append(error)
    if len(problems) == len(types) and not any(_LACKING in error.problem for error in problems):
        raise problems[0]


def method_of(options: Mapping[str, Any]) -> str:
    """Raises InputError."""
    method = str(options.get("method", "POST")).upper()
    if method not in _METHODS:
        raise InputError("options.method", ", ".join(_METHODS))
    return method


def headers_of(options: Mapping[str, Any]) -> dict[str, str]:
    """Raises InputError."""
    given = options.get("headers", {})
    if not isinstance(given, dict):
        raise InputError("options.headers", "an object of names and values")
    headers = {str(name).lower(): str(value) for name, value in given.items()}
    headers["content-type"] = str(options.get("content_type", "application/json"))
    for name, value in headers.items():
        if name.startswith(_RESERVED) or not name.isascii() or any(char in name + value for char in "\r\n\0"):
            raise InputError("options.headers", "names a header that is not its to set")
    return headers
