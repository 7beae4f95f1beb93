"""Errors of the API on pages: in the language of the visitor, with the English text if there is no other."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

import receiver
from receiver.console.problems import shown_problem
from receiver.domain.validation import VALIDATION_TEXTS, validation_kind, validation_text
from receiver.errors import ConflictError, ErrorKind, ForbiddenError, InputError, SchedulerRefusedError
from receiver.http.problems import PROBLEM_TYPES
from receiver.i18n.catalogue import LANGUAGES, Language, catalogue, placeholders
from receiver.outcomes.params import RotateBody, SubscriptionBody
from tests.console.page_env import PageEnv

RU = catalogue("ru")
KIND = re.compile(r"""ErrorKind\(\s*"(\w+)\"""")
CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)


def kinds_of_source() -> set[str]:
    """Return the names of kinds that our own code gives to errors."""
    source = Path(receiver.__file__).parent.rglob("*.py")
    return {name for path in source for name in KIND.findall(path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_type_and_kind_of_error_has_a_text(language: Language) -> None:
    texts = catalogue(language).texts
    codes = {answer.code for answer in PROBLEM_TYPES.values()}
    parts = {f"console_problems.{code}.{part}" for code in codes for part in ("title", "text")}
    kinds = kinds_of_source() | VALIDATION_TEXTS.keys()
    assert {"moment", "attempts_range", "no_page"} <= kinds
    assert (parts | {f"console_problems.kind.{kind}" for kind in kinds}) - texts.keys() == set()
    known = {key.rpartition(".")[2] for key in texts if key.startswith("console_problems.kind.")}
    assert known - kinds == set(), "texts that no error uses"


def test_a_text_needs_only_the_limits_that_the_error_has() -> None:
    for kind, text in VALIDATION_TEXTS.items():
        assert placeholders(RU.texts[f"console_problems.kind.{kind}"]) <= placeholders(text), kind


def errors_of(model: type[BaseModel], values: dict[str, Any]) -> Iterator[InputError]:
    with pytest.raises(ValidationError) as refused:
        model.model_validate(values)
    for each in refused.value.errors():
        yield InputError(str(each["loc"][0]), validation_text(each), validation_kind(each))


WRONG: dict[str, Any] = {
    "name": "",
    "url": "crm",
    "secret": "s" * 300,
    "order": "other",
    "max_wait_s": "0",
    "rate": "0",
    "concurrency": "many",
    "headers": {"Host": "x"},
    "timeout_s": "1e9",
    "retry_delays_s": ["x"] * 31,
    "filter": {"min_attempts": 3, "max_attempts": 2},
    "other": 1,
}


def test_what_forms_send_wrong_is_said_in_the_language_of_the_visitor() -> None:
    errors = [*errors_of(SubscriptionBody, WRONG), *errors_of(RotateBody, {"overlap_s": 1e9})]
    assert {error.field for error in errors} == {*WRONG, "overlap_s"}
    for error in errors:
        problem = shown_problem(error, RU)
        assert CYRILLIC.search(problem.text), problem
        assert problem.detail == "", problem
        assert problem.label or error.field == "other", problem


def test_choices_and_limits_are_written_without_english_words() -> None:
    (choice,) = (each for each in errors_of(SubscriptionBody, WRONG) if each.field == "order")
    assert shown_problem(choice, RU).text == "допустимо: 'task', 'none'"
    (limit,) = errors_of(RotateBody, {"overlap_s": 1e9})
    assert shown_problem(limit, RU).text == "должно быть не больше 2\u00a0592\u00a0000"


def test_an_error_that_has_only_an_english_text_shows_it_as_a_detail() -> None:
    problem = shown_problem(InputError("filter.accounts", "there is no account 'x'"), RU)
    assert (problem.label, problem.detail) == ("Аккаунты", "there is no account 'x'")
    assert CYRILLIC.search(problem.text)
    conflict = shown_problem(ConflictError("message 7 is being sent now"), RU)
    assert (conflict.title, conflict.detail) == ("Сейчас это невозможно", "message 7 is being sent now")
    assert shown_problem(SchedulerRefusedError("no", 400), RU).detail == "no"
    told = shown_problem(ForbiddenError("no", ErrorKind("own")), RU)
    assert (told.detail, "подписки" in told.text) == ("", True)


@pytest.mark.anyio
async def test_the_option_of_a_format_that_is_missing_is_said_beside_it(page_env: PageEnv) -> None:
    form = {"kind": "amocrm", "name": "CRM", "url": "https://127.0.0.1/"}
    answer = await page_env.post("/subscriptions/new", "operator", **form)
    assert 'id="options.token-problem">required</span>' in answer.text


@pytest.mark.anyio
async def test_pages_say_errors_in_the_language_of_the_visitor(page_env: PageEnv) -> None:
    said = {
        "/nowhere": "В консоли нет страницы с таким адресом.",
        "/tasks?since=yesterdy": "нужен день или дата и время",
        "/tasks?q=%2B79161234567": "нет права искать по номеру телефона",
        "/tasks?cursor=x": "начните с первой",
        "/system/audit": "нет на это прав",
        "/subscriptions/none": "По этому адресу ничего нет",
    }
    for path, text in said.items():
        answer = await page_env.get(path, "viewer", language="ru")
        assert text in answer.text, path
        outside = re.sub(r"<details.*?</details>", "", answer.text, flags=re.DOTALL)
        for english in ("there is", "this needs", "not a moment", "use a token", "next_cursor"):
            assert english not in outside, (path, english)
    page = (await page_env.get("/subscriptions/none", "viewer", language="ru")).text
    assert "<summary>Сообщение API</summary>" in page
    assert "<details open>" in (await page_env.get("/subscriptions/none", "viewer")).text
