"""Rules for body templates, which are checked before a template is compiled. A loop goes over a list of the
event, and an inner loop over a list of the outer loop's variable. This limits the work of a template by its
length and the length of the event.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from jinja2 import nodes

from receiver.errors import InputError

FIELD = "options.body"

OWN_FILTERS = ("entities", "mask")
"""Filters that Jinja does not have. `entities`: &, < and > as entities, as Telegram and Slack want; `mask`:
phone numbers masked.
"""

FILTERS = frozenset(
    (
        *("abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "int"),
        *("items", "join", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr"),
        *("replace", "reverse", "round", "safe", "select", "selectattr", "sort", "string", "sum", "title"),
        *("tojson", "trim", "truncate", "unique", "upper", "urlencode"),
        *OWN_FILTERS,
    )
)

_METHODS = ("get", "items", "keys", "values")

_MAX_DEPTH = 50
"""Levels of nested tags, brackets and operators."""

_ALLOWED: tuple[type[nodes.Node], ...] = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Assign),
    *(
        nodes.Name,
        nodes.Const,
        nodes.Getattr,
        nodes.Getitem,
        nodes.Slice,
        nodes.Call,
        nodes.Filter,
        nodes.Test,
    ),
    *(nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr, nodes.Concat),
    *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos),
    *(nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Keyword),
)

_CONTAINERS = (nodes.List, nodes.Tuple, nodes.Dict)

LOOPS = (
    "a loop goes over a list of the event, such as {% for call in event.data.calls %}, and a loop within it "
    "over a list of its own variable"
)


@dataclass
class _Scope:
    """The defined names. `loop`: those that the innermost loop sets; None outside of loops."""

    names: set[str] = field(default_factory=lambda: {"event"})
    loop: frozenset[str] | None = None


def check(template: nodes.Template) -> None:
    """Check a template. Raises InputError, which names the line and what to write instead."""
    _check(template, _Scope(), 0)


def refused(line: int, problem: str) -> InputError:
    return InputError(FIELD, f"line {line}: {problem}")


def _check(node: nodes.Node, scope: _Scope, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise refused(node.lineno, f"nested more than {_MAX_DEPTH} levels deep: write it in steps")
    if not isinstance(node, _ALLOWED):
        name = type(node).__name__.lower()
        raise refused(node.lineno, f"'{name}' cannot be used: only for, if, set, filters and operators")
    if isinstance(node, nodes.For):
        _check_loop(node, scope, depth)
        return
    _check_one(node, scope)
    for child in node.iter_child_nodes():
        _check(child, scope, depth + 1)
    if isinstance(node, nodes.Assign):
        scope.names.update(_targets(node.target))


def _check_one(node: nodes.Node, scope: _Scope) -> None:
    if isinstance(node, nodes.Name) and node.ctx == "load" and node.name not in scope.names:
        raise refused(
            node.lineno, f"'{node.name}' is not defined: use `event` or a variable that the template sets"
        )
    if isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
        raise refused(node.lineno, f"an event has no '{node.attr}'")
    if isinstance(node, nodes.Call) and not _is_method(node.node):
        raise refused(node.lineno, f"only {', '.join(f'.{name}()' for name in _METHODS)} can be called")
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        raise refused(
            node.lineno, f"the filter '{node.name}' cannot be used; use one of {', '.join(sorted(FILTERS))}"
        )
    if isinstance(node, nodes.Assign):
        _targets(node.target)
        if isinstance(node.node, _CONTAINERS) or any(map(node.node.find, _CONTAINERS)):
            raise refused(node.lineno, "set cannot take lists or objects: write them where they are used")


def _is_method(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Getattr) and node.attr in _METHODS


def _check_loop(node: nodes.For, scope: _Scope, depth: int) -> None:
    root = _root(node.iter)
    if node.recursive or root is None or root not in ({"event"} if scope.loop is None else scope.loop):
        raise refused(node.lineno, LOOPS)
    _check(node.iter, scope, depth + 1)
    names = frozenset(_targets(node.target))
    inner = _Scope(scope.names | names | {"loop"}, names)
    for child in _parts(node):
        _check(child, inner, depth + 1)
    for child in node.else_:
        _check(child, scope, depth + 1)


def _parts(node: nodes.For) -> Iterator[nodes.Node]:
    yield from node.body
    if node.test is not None:
        yield node.test


def _root(node: nodes.Node | None) -> str | None:
    """Return the variable that this expression is a part of, if any."""
    while not isinstance(node, nodes.Name):
        if isinstance(node, nodes.Getattr | nodes.Getitem | nodes.Filter) or (
            isinstance(node, nodes.Call) and _is_method(node.node)
        ):
            node = node.node
        else:
            return None
    return node.name


def _targets(node: nodes.Node) -> Sequence[str]:
    """Return the names that a loop or `set` defines."""
    parts = node.items if isinstance(node, nodes.Tuple) else [node]
    names = [part.name for part in parts if isinstance(part, nodes.Name)]
    if len(names) < len(parts) or any(name in ("event", "loop") or name.startswith("_") for name in names):
        raise refused(node.lineno, "choose another name: not `event` or `loop`, and without a leading _")
    return names
