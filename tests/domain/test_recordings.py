"""Links to recordings."""

import pytest

from receiver.domain.recordings import check_recording_url, recording_url


@pytest.mark.parametrize(
    ("template", "is_one"),
    [
        ("https://pbx.example/records/{record}", True),
        ("http://pbx.example/?call={call}&record={record}", True),
        ("https://pbx.example/records", False),
        ("javascript:alert({record})", False),
        ("https://pbx.example/{other}", False),
        ("https://pbx.example/{record.__class__}", False),
        ("https://pbx.example/{record!r}", False),
        ("https://pbx.example/{record:>9}", False),
        ("https://pbx.example/{}", False),
        ("https://pbx.example/{record", False),
    ],
)
def test_a_template_is_a_url_with_a_place_for_the_recording(template: str, is_one: bool) -> None:
    if is_one:
        assert check_recording_url(template) == template
    else:
        with pytest.raises(ValueError, match=r"must begin with https|expected '}'"):
            check_recording_url(template)


def test_ids_are_escaped_in_links() -> None:
    template = "https://pbx.example/{record}?call={call}"
    assert recording_url(template, "a/b&c", "ж") == "https://pbx.example/a%2Fb%26c?call=%D0%B6"
    assert recording_url(template, None, "c-1") is None
    assert recording_url(None, "r", "c-1") is None
