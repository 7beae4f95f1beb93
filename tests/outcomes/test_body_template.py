"""Templates of subscribers: checked when they are set, and bounded when they are rendered."""

import time
from typing import Any

import pytest

from receiver.errors import InputError
from receiver.outcomes.body_template import MAX_BODY, check_options, render
from receiver.outcomes.event_types import ABOUT, example

EVENT: dict[str, Any] = example("task.finished")


def data(**changes: Any) -> dict[str, Any]:
    return EVENT | {"data": EVENT["data"] | changes}


@pytest.mark.parametrize(
    ("body", "made"),
    [
        ("{{ event.type }}", "task.finished"),
        ('{"r": {{ event.data.result|tojson }}}', '{"r": "connected"}'),
        ("{% for call in event.data.calls %}{{ loop.index }}{{ call }},{% endfor %}", "1a,2b,"),
        ("{% for call in event.data.calls|reverse if call != 'a' %}{{ call|upper }}{% endfor %}", "B"),
        (
            "{% for k, it in event.data.changes.items() %}{{ k }}"
            "{% for x in it.values() %}{{ x }}{% endfor %}{% endfor %}",
            "k12",
        ),
        ("{% for x in event.data.missing %}x{% else %}none{% endfor %}", "none"),
        ("{% set who = event.data.a_number.raw %}{{ who ~ '/' ~ event.data.attempts }}", "+79990000001/2"),
        ("{{ event.data.calls|join('-') }}{{ event.data.calls|length }}", "a-b2"),
        ("{{ event.data.calls|map('upper')|join }}", "AB"),
        ("{{ (event.data.attempts * 1000) % 7 + 1 }}", str(2000 % 7 + 1)),
        ("{% if event.data.attempts > 1 and event.data.result is defined %}again{% endif %}", "again"),
        ("{{ event.data.name|replace(' ', '_')|truncate(200) }}", "call_back"),
        ("{{ {'a': event.type, 'b': [1, true]}|tojson }}", '{"a": "task.finished", "b": [1, true]}'),
        ("{{ event.data.get('nothing', '-') }}{{ event['type'][:4] }}", "-task"),
        ("{{ event.data.missing|default('-') }}", "-"),
    ],
)
def test_what_templates_are_for(body: str, made: str) -> None:
    event = data(
        calls=["a", "b"], changes={"k": {"was": 1, "is": 2}}, attempts=2, a_number={"raw": "+79990000001"}
    )
    check_options({"body": body})
    assert render(body, event).decode() == made


REFUSED = {
    "a loop over numbers": ("{% for x in range(9) %}{% endfor %}", "line 1.*loop"),
    "a loop over a string": ("{% for x in 'abc' %}{% endfor %}", "loop"),
    "a loop over a list that is written": ("{% for x in [1, 2] %}{% endfor %}", "loop"),
    "a loop over what was set": ("{% set y = event.data.calls %}{% for x in y %}{% endfor %}", "loop"),
    "a loop within a loop": (
        "{% for x in event.data.calls %}\n{% for y in event.data.calls %}{% endfor %}{% endfor %}",
        "line 2.*its own variable",
    ),
    "a loop over the outer of two loops": (
        "{% for x in event.data.calls %}{% for y in x %}{% for z in x %}{% endfor %}{% endfor %}{% endfor %}",
        "loop",
    ),
    "a loop that calls itself": (
        "{% for x in event.data.calls recursive %}{{ loop(x) }}{% endfor %}",
        "loop",
    ),
    "a range": ("{{ range(10000000)|list }}", "called"),
    "a macro": ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "macro"),
    "an include": ("{% include 'x' %}", "include"),
    "an import": ("{% import 'x' as x %}", "import"),
    "an inheritance": ("{% extends 'x' %}", "extends"),
    "a block": ("{% block x %}{% endblock %}", "block"),
    "a namespace": ("{% set n = namespace(x=1) %}", "namespace|called"),
    "a global": ("{{ lipsum() }}", "called|lipsum"),
    "a power": ("{{ 9 ** 9 ** 9 }}", "pow"),
    "a format": ("{{ '%0999999999d'|format(1) }}", "filter 'format'"),
    "a width": ("{{ event.id|center(999999999) }}", "filter 'center'"),
    "an indent": ("{{ event.id|indent(999999999) }}", "filter 'indent'"),
    "a method that pads": ("{{ event.id.ljust(999999999) }}", "called"),
    "a method that formats": ("{{ '{:>999999999}'.format(1) }}", "called"),
    "a filter by an attribute": ("{{ event|attr('__class__') }}", "filter 'attr'"),
    "a list that is kept": ("{% set x = [event, event] %}", "set cannot take lists"),
    "an event that is set": ("{% set event = 1 %}", "choose another name"),
    "a nesting without end": ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "deep|levels"),
    "operators without end": ("{{ 1" + " + 1" * 3000 + " }}", "deep|levels"),
    "a tag that does not end": ("{% for", "line 1"),
    "an unknown name": ("{{ evnt.id }}", "'evnt' is not defined"),
    "nothing": ("", "1 to"),
    "too long": ("x" * 20_001, "1 to"),
    "no text": (7, "1 to"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_template_that_could_make_much_of_little_is_refused_when_it_is_set(kind: str) -> None:
    """Before, all were taken, and some stopped the event loop for minutes."""
    body, problem = REFUSED[kind]
    began = time.monotonic()
    with pytest.raises(InputError, match=rf"(?s)^options\.body: .*({problem})"):
        check_options({"body": body})
    assert time.monotonic() - began < 5


COSTLY = {
    "a product of text": "{{ event.id * 1000000000 }}",
    "a product of a constant": "{{ 'x' * 1000000000 }}",
    "a width by %": "{{ '%0999999999d' % 1 }}",
    "doubling": "{% set a = event.id ~ event.id %}" + "{% set a = a ~ a %}" * 60 + "{{ a }}",
    "doubling by +": "{% set a = event.id + event.id %}" + "{% set a = a + a %}" * 60 + "{{ a }}",
    "growth by replace": "{% set a = event.id %}" + "{% set a = a|replace('e', 'eeeee') %}" * 60 + "{{ a }}",
    "a separator": "{{ event.data.many|join(event.data.long) }}",
    "a number with many digits": "{{ 1|round(100000000, 'floor') }}",
    "large numbers": "{% set a = 999999999999 %}" + "{% set a = a * a %}" * 60 + "{{ a }}",
    "an indent of JSON": "{{ event|tojson(1000) }}",
    "the event again and again": "{{ event }}" * 1_500,
    "JSON of the event again and again": "{{ event|tojson }}" * 1_000,
    "a list of the event again and again": "{{ [" + "event," * 2_000 + "]|tojson }}",
    "filters again and again": "{{ event.data.long|upper|lower|length }}" * 400,
    "a loop over letters": "{% for x in event.data.long %}{{ x }}{% endfor %}",
    "a long loop": "{% for x in event.data.many %}" + "{% if x %}{% endif %}" * 600 + "{% endfor %}",
    "a filter that is called by another": "{{ event.data.many|map('center', 100000000)|join }}",
}


@pytest.mark.parametrize("kind", COSTLY)
def test_a_template_that_makes_too_much_of_an_event_ends_soon(kind: str) -> None:
    event = data(many=["x"] * 5_000, long="aé" * 25_000)
    began = time.monotonic()
    with pytest.raises(InputError, match=r"^options\.body: "):
        render(COSTLY[kind], event)
    assert time.monotonic() - began < 5


def test_a_body_has_at_most_64_kib() -> None:
    assert len(render("{{ event.data.long }}", data(long="x" * (MAX_BODY - 100)))) == MAX_BODY - 100
    with pytest.raises(InputError, match="65536 bytes"):
        render("{{ event.data.long }}{{ event.data.long }}", data(long="x" * 40_000))
    with pytest.raises(InputError, match="65536 bytes"):
        render("{{ event.data.long }}", data(long="ж" * 40_000))


def test_a_template_that_fits_some_of_its_events_is_taken() -> None:
    proof = "{{ event.data.changes.result.was }}"
    check_options({"body": proof})
    with pytest.raises(InputError, match="TypeError"):
        check_options({"body": "{{ event.type * 2 }}"})


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"method": "DELETE"}, "options.method"),
        ({"headers": ["x"]}, "options.headers"),
        ({"headers": {"host": "x"}}, "options.headers"),
        ({"headers": {"x": "a\r\nb: c"}}, "options.headers"),
        ({"content_type": "a\r\nb: c"}, "options.headers"),
        ({"types": "task.finished"}, "options.types"),
        ({"types": ["task.unknown"]}, "options.types"),
    ],
)
def test_the_other_options_are_checked_as_well(options: dict[str, Any], field: str) -> None:
    check_options({"body": "x", "types": list(ABOUT)[:1]})
    with pytest.raises(InputError) as refused:
        check_options({"body": "x"} | options)
    assert refused.value.field == field


def test_nothing_of_python_is_in_reach() -> None:
    for body in ("{{ event.__class__.__mro__ }}", "{{ ''.__class__ }}{{ event.id.__len__ }}"):
        with pytest.raises(InputError):
            check_options({"body": body})
