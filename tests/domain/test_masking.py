import pytest

from receiver.domain.masking import has_phone, mask_message, mask_number, mask_text, mask_tree


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+79161234567", "+791•••67"),
        ("89161234567", "891•••67"),
        ("+7 (916) 123-45-67", "+791•••67"),
        ("223344", "•••44"),
        ("305", "305"),
        ("sip:alice", "sip:alice"),
    ],
)
def test_a_number_keeps_only_what_tells_it_from_its_neighbours(number: str, masked: str) -> None:
    assert mask_number(number) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("call +79161234567 back", "call +791•••67 back"),
        ("8 (916) 123-45-67, busy", "891•••67, busy"),
        ("+7916 123-45-67", "+791•••67"),
        ("7 916 123 45 67", "791•••67"),
        ("order 4711 of 12", "order 4711 of 12"),
        ("+7 (916) - 123 - 45 - 67", "+791•••67"),
        ("SIP/trunk-79161234567-0001", "SIP/trunk-791•••01"),
        ("call_79161234567 sip:79161234567@pbx", "call_791•••67 sip:791•••67@pbx"),
        ("5f1d8a0c9be64a7e8f20b1c3d4e5f607", "5f1d8a0c9be64a7e8f20b1c3d4e5f607"),
        ("0b6f3a52-7c1e-4a7b-9d52-142661417400", "0b6f3a52-7c1e-4a7b-9d52-142661417400"),
        ("занято 89161234567", "занято 891•••67"),
    ],
)
def test_numbers_are_found_within_text(text: str, masked: str) -> None:
    assert mask_text(text) == masked


def test_names_decide_what_is_a_number_and_what_is_not() -> None:
    tree = {
        "did_number": 79161234567,
        "caller_id": "79161234567",
        "call_id": "79161234567",
        "record_uuid": "79161234567",
        "hangup_time_gmt": "2026-03-01 09:30:00",
        "legs": [{"to_username": "79161234567"}, None],
        "found": True,
        "duration": 20.5,
    }
    assert mask_tree(tree) == tree | {
        "did_number": "791•••67",
        "caller_id": "791•••67",
        "legs": [{"to_username": "791•••67"}, None],
    }


@pytest.mark.parametrize(
    "number", ["79001234567", "+7 900 123-45-67", "8 (900) 123 45 67", "7.900.123.4567", "123-4567"]
)
def test_phone_numbers_are_masked_in_any_spelling(number: str) -> None:
    assert mask_message(f"bad number {number}!") == "bad number ***!"
    assert has_phone(f"call {number}")


def test_tokens_secrets_and_urls_are_masked() -> None:
    text = mask_message(
        "Bearer abc at https://hooks.test/m/1 with s3cret, ZmFrZS10b2tlbi1mb3ItdGVzdHM", ["s3cret"]
    )
    assert text == "*** at *** with ***, ***"


def test_a_plain_message_stays_readable_on_one_short_line() -> None:
    assert mask_message("Record not found\n(id 12)") == "Record not found (id 12)"
    assert len(mask_message("очень длинно " * 100)) == 200


def test_a_minted_name_is_no_phone_number() -> None:
    assert not has_phone("ref-0042")
    assert not has_phone("k1234567890x")
