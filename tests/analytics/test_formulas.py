import pytest

from receiver.analytics.formulas import as_text


@pytest.mark.parametrize("text", ["=1+1", "@SUM(A1)", "+1+cmd|' /C calc'!A0", "-не взял", "\t=1", "=\nA1"])
def test_what_begins_like_a_formula_is_a_text(text: str) -> None:
    assert as_text(text) == f"'{text}"


@pytest.mark.parametrize(
    "text", ["", "a=b", "+79161234567", "+7 (916) 123-45-67", "+791•••67", "-5", "2026-03-01"]
)
def test_all_else_stays_as_it_is(text: str) -> None:
    assert as_text(text) == text
