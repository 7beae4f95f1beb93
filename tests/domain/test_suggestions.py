"""Errors about unknown names."""

from receiver.domain.suggestions import unknown_name


def test_the_nearest_name_and_all_known_ones() -> None:
    text = unknown_name("queue", "Sles", ["support", "sales"])
    assert text == "there is no queue 'Sles'; did you mean 'sales'? known: sales, support"


def test_nothing_near() -> None:
    assert unknown_name("queue", "x", ["support"]) == "there is no queue 'x'; known: support"
    assert unknown_name("queue", "x", []) == "there is no queue 'x', nor any other"


def test_many_names_are_counted() -> None:
    text = unknown_name("queue", "?", [f"q{number:02}" for number in range(25)])
    assert text.endswith("q19 and 5 more")
