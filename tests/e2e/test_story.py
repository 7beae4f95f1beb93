"""From a number to the retry of an outcome, by commands and by curl, on the data of the demo."""

import shutil
from pathlib import Path

import pytest

from tests.e2e.story import show

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_a_number_leads_to_the_hook_the_answer_and_the_retry(tmp_path: Path) -> None:
    typed = show(tmp_path)
    steps = ["demo", "find", "show", "deliveries", "message", "retry", "retry", "show"]
    commands = [line for line in typed if line.startswith("receiver ")]
    assert [step for step, line in zip(steps, commands, strict=True) if step not in line] == []
    assert len(typed) - len(commands) == 5, "requests by curl"
