"""What the logs show, and what they never do."""

import json
import logging
from collections.abc import Iterator
from typing import Any, Literal

import pytest
import structlog

from receiver.observability.logs import configure_logs, hide_secrets

NUMBER, TOKEN = "79161234567", "k1.wD0c9aJ2-not-to-be-shown"


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def fail_with_a_token_at_hand(held: str) -> None:
    raise ValueError(f"no call to {NUMBER}.")


def log_a_failure(form: Literal["console", "json"]) -> None:
    configure_logs(form, "info")
    try:
        fail_with_a_token_at_hand(TOKEN)
    except ValueError:
        structlog.get_logger("ours").exception("worker failed", worker="w")
        logging.getLogger("theirs").exception("exception in %s", "their part")


@pytest.mark.parametrize("form", ["console", "json"])
def test_tracebacks_show_where_but_neither_local_variables_nor_numbers(
    form: Literal["console", "json"], capsys: pytest.CaptureFixture[str]
) -> None:
    log_a_failure(form)
    text = capsys.readouterr().err
    assert text.count("fail_with_a_token_at_hand") >= 2
    assert "ValueError" in text
    assert TOKEN not in text
    assert NUMBER not in text


def test_as_json_each_record_is_one_line_with_level_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    log_a_failure("json")
    lines: list[dict[str, Any]] = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["worker failed", "exception in their part"]
    assert {line["level"] for line in lines} == {"error"}
    assert all(line["timestamp"].endswith("Z") for line in lines)


def test_below_the_level_nothing_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("console", "warning")
    structlog.get_logger().info("quiet")
    logging.getLogger("theirs").info("quiet")
    logging.getLogger("uvicorn.access").info("quiet")
    structlog.get_logger().warning("heard")
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"called {NUMBER}.", "called •••."),
        (f"called +{NUMBER}, twice", "called •••, twice"),
        (f"/v1/tasks?number={NUMBER}&x=1", "/v1/tasks?number=•••&x=1"),
        (f'{{"b_number": "{NUMBER}"}}', '{"b_number": "•••"}'),
        (f"order-{NUMBER}", f"order-{NUMBER}"),
        ("1772357400.25", "1772357400.25"),
        ("550e8400-e29b-41d4-a71f-446655440000", "550e8400-e29b-41d4-a71f-446655440000"),
        ("019a3f0c2b7e00000000000000000001", "019a3f0c2b7e00000000000000000001"),
    ],
)
def test_numbers_are_hidden_and_ids_are_not(text: str, shown: str) -> None:
    assert hide_secrets(None, "info", {"event": text}) == {"event": shown}


def test_secrets_are_hidden_however_deep() -> None:
    event = {"request": {"headers": [{"authorization": "Bearer x"}], "to": [NUMBER]}, "A_Number": 79161234567}
    assert hide_secrets(None, "info", event) == {
        "request": {"headers": [{"authorization": "•••"}], "to": ["•••"]},
        "A_Number": "•••",
    }
