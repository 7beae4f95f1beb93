"""Texts in several languages: the languages agree, and numbers choose plural forms."""

import pytest

from receiver.i18n.catalogue import (
    LANGUAGES,
    Catalogue,
    Language,
    Phrase,
    Text,
    catalogue,
    locale,
    placeholders,
)


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_languages_have_the_same_keys_and_placeholders(language: Language) -> None:
    texts, english = catalogue(language).texts, catalogue("en").texts
    assert texts.keys() == english.keys()
    differing = {key for key in english if placeholders(texts[key]) != placeholders(english[key])}
    assert not differing


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_with_a_number_has_every_plural_form_of_the_language(language: Language) -> None:
    needed = locale(language).plural_form.tags | {"other"}
    counted = {key: text for key, text in catalogue(language).texts.items() if not isinstance(text, str)}
    assert {key: set(text) for key, text in counted.items()} == dict.fromkeys(counted, needed)


@pytest.mark.parametrize(
    ("language", "count", "text"),
    [
        ("en", 1, "1 task"),
        ("en", 1200, "1,200 tasks"),
        ("ru", 1, "1 задача"),
        ("ru", 3, "3 задачи"),
        ("ru", 12, "12 задач"),
        ("ru", 21, "21 задача"),
        ("ru", 1.5, "1,5 задачи"),
        ("ru", 1200, "1\u00a0200 задач"),
    ],
)
def test_a_number_chooses_the_plural_form_and_is_written_as_the_language_does(
    language: Language, count: float, text: str
) -> None:
    assert catalogue(language).text("common.task", count=count) == text


def test_a_phrase_is_rendered_with_the_phrases_in_it() -> None:
    texts: dict[str, Text] = {
        "a.called": "Called {attempts} of {most}.",
        "a.attempt": {"one": "{count} time", "other": "-"},
    }
    phrase = Phrase("a.called", {"attempts": Phrase("a.attempt", {"count": 1}), "most": "{most}"})
    assert Catalogue("en", texts).render(phrase) == "Called 1 time of {most}."


@pytest.mark.parametrize(("key", "values"), [("common.no such key", {}), ("common.task", {})])
def test_an_unknown_key_or_a_missing_value_is_an_error(key: str, values: dict[str, str]) -> None:
    with pytest.raises(KeyError):
        catalogue("en").text(key, **values)


def test_an_unknown_locale_is_an_error() -> None:
    with pytest.raises(ValueError, match="xx"):
        locale("xx")
