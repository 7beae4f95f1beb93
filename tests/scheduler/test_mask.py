import pytest

from receiver.scheduler.mask import has_phone, masked


@pytest.mark.parametrize(
    "number", ["79001234567", "+7 900 123-45-67", "8 (900) 123 45 67", "7.900.123.4567", "123-4567"]
)
def test_phone_numbers_are_masked_in_any_spelling(number: str) -> None:
    assert masked(f"bad number {number}!") == "bad number ***!"
    assert has_phone(f"call {number}")


def test_tokens_secrets_and_urls_are_masked() -> None:
    text = masked("Bearer abc at https://hooks.test/m/1 with s3cret, ZmFrZS10b2tlbi1mb3ItdGVzdHM", ["s3cret"])
    assert text == "*** at *** with ***, ***"


def test_a_plain_message_stays_readable_on_one_short_line() -> None:
    assert masked("Record not found\n(id 12)") == "Record not found (id 12)"
    assert len(masked("очень длинно " * 100)) == 200


def test_a_minted_name_is_no_phone_number() -> None:
    assert not has_phone("ref-0042")
    assert not has_phone("k1234567890x")
