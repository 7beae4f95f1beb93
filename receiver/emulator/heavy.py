"""What the profile `heavy` leaves out of all that can go wrong."""

LEFT_OUT: frozenset[str] = frozenset(
    {
        # forms of payload
        "bracket_form",
        "bracket_get",
        "list_form",
        "dotted_form",
        "html_form",
        "html_get",
        "json_text",
        "json_in_json",
        "gzip",
        "deflate",
        "raw_deflate",
        "gzip_unnamed",
        "gzip_misnamed",
        "floats_json",
        "floats_form",
        "words_form",
        "words_json",
        "placeholders",
        "half_placeholders",
        "braces_form",
        "braces_json",
        "fourteen_digits",
        "nanoseconds",
        "zone_space",
        "empty_dates",
        "lines",
        # requests
        "pasted_space",
        "pasted_newline",
        "pasted_raw",
        # hooks and the API
        "late_copy",
        "broken_record",
        "no_call_history",
        "slash_redirects",
        "no_urls_in_lists",
        "capped_lists",
        "page_ignored",
        "capitals",
    }
)
"""Names of dialects, faults and quirks that a receiver cannot bear yet; each can be chosen by its name."""
