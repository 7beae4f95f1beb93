import pytest

from receiver.domain.moments import read_moment, utc_text
from receiver.scheduler.values import number_of, start_epoch, url_key, whole_of


@pytest.mark.parametrize(
    ("text", "epoch"),
    [
        ("2023-11-14 22:13:20", 1_700_000_000.0),
        ("2023-11-14 22:13:20.25", 1_700_000_000.25),
        ("2023-11-14T22:13:20Z", 1_700_000_000.0),
        ("2023-11-15 01:13:20+03:00", 1_700_000_000.0),
        ("0000-00-00 00:00:00", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_a_time_without_a_zone_is_utc(text: str | None, epoch: float | None) -> None:
    assert read_moment(text) == epoch


@pytest.mark.parametrize(
    ("value", "epoch"),
    [
        ("2023-11-14 22:13:20", 1_700_000_000.0),
        (1_700_000_000, 1_700_000_000.0),
        ("1700000000", 1_700_000_000.0),
        (90, 1_600_000_090.0),
        ("90", 1_600_000_090.0),
        (-5, None),
        (1_700_000_000_000, None),
        (None, None),
        ("later", None),
    ],
)
def test_a_start_is_a_datetime_an_epoch_or_seconds_after_the_creation(
    value: str | float | None, epoch: float | None
) -> None:
    assert start_epoch(value, 1_600_000_000.0) == epoch


def test_seconds_after_an_unknown_creation_are_unknown() -> None:
    assert start_epoch(90, None) is None


def test_an_epoch_survives_its_text() -> None:
    assert utc_text(1_700_000_000.9) == "2023-11-14 22:13:20"
    assert read_moment(utc_text(1_700_000_000)) == 1_700_000_000


@pytest.mark.parametrize("value", ["nan", "inf", "", "many", None, True, [], "1e999", 10**400])
def test_what_is_no_number_is_none(value: object) -> None:
    assert number_of(value) is None
    assert whole_of(value) is None


def test_numbers_may_come_as_texts() -> None:
    assert number_of("2.5") == 2.5
    assert whole_of("3") == 3


def test_a_url_is_the_same_in_another_encoding_but_not_with_another_path() -> None:
    assert url_key("https://Hooks.test/a%2Db?x=%20y") == url_key("https://hooks.test/a-b?x= y")
    assert url_key("https://hooks.test/a") != url_key("https://hooks.test/A")
