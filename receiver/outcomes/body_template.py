"""Bodies of deliveries by a subscriber's Jinja template, in a sandbox that limits its work."""

import html
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, Sequence, Sized, ValuesView
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateError, TemplateSyntaxError, UndefinedError, nodes, pass_context
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from receiver.domain.masking import mask_text
from receiver.errors import InputError
from receiver.outcomes.custom_headers import RESERVED_HEADERS
from receiver.outcomes.event_types import ABOUT, example
from receiver.outcomes.template_rules import FIELD, FILTERS, check, refused

MAX_BODY = 65_536
"""Bytes of a body."""

_MAX_TEMPLATE = 20_000
"""Characters of a template."""

_MAX_WORK = 500_000
"""Characters, values and steps of loops that one body may use, which takes some hundredths of a second."""

_MAX_NUMBER = 1_000
"""Largest number that a filter accepts."""

_METHODS = ("POST", "PUT", "PATCH")

_WORK = "work left"
"""Name of the budget in a context. It has a space, so that no template can use it."""

_UNDEFINED = UndefinedError.__name__

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
    """A body needs too much work or is too long."""


class _WorkBudget:
    def __init__(self) -> None:
        self._left = _MAX_WORK

    def spend(self, amount: int) -> None:
        self._left -= amount
        if self._left < 0:
            raise _TooMuchError("takes too much work: shorten it or its loops")

    def weigh(self, value: object) -> int:
        """Return the number of characters and values in a value, and spend it. Raises _TooMuchError."""
        weight, waiting = 0, [value]
        while waiting:
            part = waiting.pop()
            weight += 1 + (len(part) if isinstance(part, str | bytes) else 0)
            if weight > MAX_BODY:
                raise _TooMuchError(f"a part of it is longer than {MAX_BODY} characters")
            if isinstance(part, dict):
                waiting += part.keys()
                waiting += part.values()
            elif isinstance(part, list | tuple | set):
                waiting += part
        self.spend(weight)
        return weight


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja with limits on operators that make a large value of small ones."""

    intercepted_binops = frozenset({"+", "*", "%"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        work: _WorkBudget = context[_WORK]
        if all(isinstance(side, int | float) and abs(side) < 1e15 for side in (left, right)):
            return self.binop_table[operator](left, right)
        if operator != "+":
            raise TypeError(f"'{operator}' is for numbers")
        work.weigh((left, right))
        total = left + right
        work.weigh(total)
        return total


_PLAIN = ImmutableSandboxedEnvironment()
_PLAIN.filters["entities"] = lambda value: html.escape(str(value), quote=False)
_PLAIN.filters["mask"] = lambda value: mask_text(str(value))


def _counted(name: str) -> Any:
    """Return a filter that spends its work."""

    @pass_context
    def call(context: Context, value: Any, *args: Any, **options: Any) -> Any:
        work: _WorkBudget = context[_WORK]
        if isinstance(value, Iterator | KeysView | ValuesView | ItemsView):
            value = list(value)
        work.weigh((value, args, options))
        given = (*args, *options.values())
        if any(isinstance(number, int | float) and abs(number) > _MAX_NUMBER for number in given):
            raise ValueError(f"'{name}' takes no number beyond {_MAX_NUMBER}")
        work.spend(_growth(name, value, given))
        result = _PLAIN_FILTERS[name](context, value, args, options)
        result = list(result) if isinstance(result, Iterator) else result
        work.weigh(result)
        return result

    return call


def _plain(name: str) -> Callable[[Context, Any, Sequence[Any], Mapping[str, Any]], Any]:
    """Return Jinja's own filter. A filter that calls others calls ours, which spend their work."""
    needs_context = name in ("map", "select", "selectattr", "reject", "rejectattr")

    def call(context: Context, value: Any, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
        if needs_context:
            return _PLAIN.filters[name](context, value, *args, **options)
        return _PLAIN.call_filter(name, value, args, options, context=context)

    return call


def _growth(name: str, value: Any, given: Sequence[Any]) -> int:
    """Return by how much a filter may lengthen its value, if that is more than the value's length."""
    if name == "join" and given and isinstance(value, Sized):
        return len(value) * len(str(given[0]))
    if name == "replace" and len(given) > 1:
        return str(value).count(str(given[0])) * len(str(given[1]))
    if name == "tojson" and given:
        raise ValueError("'tojson' takes no indent")
    return 0


@pass_context
def _own_list(context: Context, value: Any, steps: int) -> Any:
    """Return the values of a loop, and spend `steps` for each."""
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
    """Makes loops and `~` spend their work."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - Jinja calls it by this name
        steps = sum(1 for _ in node.find_all(nodes.Node))
        self.generic_visit(node)
        node.iter = _filtered(node.iter, "own_list", nodes.Const(steps))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        first, *others = (_filtered(part, "string") for part in node.nodes)
        for other in others:
            first = nodes.Add(first, other, lineno=node.lineno)
        return first


def _filtered(node: nodes.Node, name: str, *args: nodes.Expr) -> nodes.Expr:
    return nodes.Filter(node, name, list(args), [], None, None, lineno=node.lineno)


@lru_cache(maxsize=256)
def _compiled(text: str) -> Template:
    """Return the compiled template. Raises InputError."""
    if not text or len(text) > _MAX_TEMPLATE:
        raise InputError(FIELD, f"a template of 1 to {_MAX_TEMPLATE} characters")
    try:
        parsed = _ENVIRONMENT.parse(text)
        check(parsed)
        return _ENVIRONMENT.from_string(_Counting().visit(parsed))
    except TemplateSyntaxError as error:
        raise refused(error.lineno, str(error.message)) from None
    except (RecursionError, MemoryError, SyntaxError):
        raise InputError(FIELD, "nested too deeply: write it in steps") from None


def render(text: str, event: Mapping[str, Any]) -> bytes:
    """Return the body that a template makes of an event. Raises InputError, which says what to correct."""
    template, parts, size = _compiled(text), list[bytes](), 0
    try:
        for part in template.generate({"event": event, _WORK: _WorkBudget()}):
            parts.append(part.encode())
            size += len(parts[-1])
            if size > MAX_BODY:
                raise InputError(FIELD, f"makes more than {MAX_BODY} bytes: shorten it")
    except _TooMuchError as error:
        raise InputError(FIELD, str(error)) from None
    except _FAULTS as error:
        raise InputError(FIELD, f"{type(error).__name__}: {error}"[:300]) from None
    return b"".join(parts)


def check_options(options: Mapping[str, Any]) -> None:
    """Check the options of the format `template`. The template is rendered with an example of each type of
    event. One must succeed, or fail only for a value that the example does not have. Raises InputError.
    """
    text, types = options.get("body"), options.get("types") or list(ABOUT)
    if not isinstance(text, str):
        raise InputError(FIELD, f"a template of 1 to {_MAX_TEMPLATE} characters")
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
    if len(problems) == len(types) and not any(_UNDEFINED in error.problem for error in problems):
        raise problems[0]


def method_of(options: Mapping[str, Any]) -> str:
    """Return the option `method`. Raises InputError."""
    method = str(options.get("method", "POST")).upper()
    if method not in _METHODS:
        raise InputError("options.method", ", ".join(_METHODS))
    return method


def headers_of(options: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers of the options. Raises InputError."""
    given = options.get("headers", {})
    if not isinstance(given, dict):
        raise InputError("options.headers", "an object of header names and values")
    headers = {str(name).lower(): str(value) for name, value in given.items()}
    headers["content-type"] = str(options.get("content_type", "application/json"))
    for name, value in headers.items():
        if (
            name.startswith(RESERVED_HEADERS)
            or not name.isascii()
            or any(char in name + value for char in "\r\n\0")
        ):
            raise InputError("options.headers", "names a header that cannot be set")
    return headers
