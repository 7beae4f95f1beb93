"""Spellings of a number: which texts have it, and what is left of them without it."""

import gzip

import pytest

from receiver.errors import InputError
from receiver.maintenance.number_pattern import NumberPattern

TOKEN = "purged-abcdefghij"
PATTERN = NumberPattern("+79161234567", ("RU",), TOKEN)


@pytest.mark.parametrize(
    "text",
    [
        "+79161234567",
        "89161234567",
        "9161234567",
        "8 (916) 123-45-67",
        "+7 916 123 45 67",
        "0079161234567",
        "call +7-916-123-45-67, please",
        "phone=%2B79161234567&x=1",
        "phone=%208%28916%291234567",
        "sip:79161234567@host",
        '{"to": "\\u002b79161234567"}',
        "a\\n89161234567",
    ],
)
def test_a_spelling_is_found_in_text_and_bytes_and_gone(text: str) -> None:
    assert PATTERN.is_in(text)
    assert PATTERN.is_in(text.encode())
    clean = PATTERN.without(text)
    assert TOKEN in clean
    assert not PATTERN.is_in(clean)
    hidden = PATTERN.without(text.encode())
    assert len(hidden) == len(text.encode())
    assert not PATTERN.is_in(hidden)


@pytest.mark.parametrize(
    "text",
    [
        "+79161234568",
        "791612345670",
        "179161234567",
        "f9161234567a-8b86-d011-b42d-00cf4fc964ff",
        "2026-03-01T09:30:00Z",
        "",
    ],
)
def test_another_number_is_not_it(text: str) -> None:
    assert not PATTERN.is_in(text)
    assert PATTERN.without(text) == text
    assert PATTERN.without(text.encode()) == text.encode()


def test_json_stays_json_and_a_number_alone_becomes_the_token() -> None:
    text = '{"n": 79161234567, "to": "tel:+79161234567", "note": "8 916 123-45-67 asked", "at": 9161234.567}'
    clean = PATTERN.without(text)
    assert clean == (f'{{"n":"{TOKEN}","to":"{TOKEN}","note":"{TOKEN} asked","at":9161234.567}}')


def test_words_around_the_number_stay_since_results_are_read_from_them() -> None:
    for text in ("USER_BUSY +79161234567", "USER_BUSY:+79161234567", "89161234567 USER_BUSY"):
        assert PATTERN.without(text).replace(TOKEN, "").strip(" :") == "USER_BUSY"


def test_digits_backwards_are_found_in_a_file_only() -> None:
    assert PATTERN.is_in_chunk(b"..76543216197..")
    assert not PATTERN.is_in("76543216197")
    assert not PATTERN.is_in_chunk(gzip.compress(b"+79161234567"))


@pytest.mark.parametrize("phone", ["305", "", "hello", "+7916"])
def test_a_short_number_is_refused(phone: str) -> None:
    with pytest.raises(InputError, match="phone"):
        NumberPattern(phone, ("RU",), TOKEN)


def test_digits_of_other_scripts_are_digits() -> None:
    text = "звонок ８ (９１６) １２３-45-67"
    assert PATTERN.is_in(text)
    assert PATTERN.without(text) == f"звонок {TOKEN}"
    assert PATTERN.without("１２３") == "１２３"


def test_another_country() -> None:
    pattern = NumberPattern("+49 30 901820", ("RU",), TOKEN)
    assert pattern.is_in("030/901820")
    assert pattern.is_in("0049-30-901820")
    assert not pattern.is_in("+49 30 901821")
