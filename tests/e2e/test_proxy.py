"""nginx in front of a receiver, with connections that both keep open."""

from pathlib import Path

from tests.e2e.proxy import CASES, run


def test_behind_a_proxy_that_keeps_connections_for_less_time_every_hook_is_answered_200(
    tmp_path: Path,
) -> None:
    case = CASES[0]
    assert case.is_as_told
    outcome = run(tmp_path, case, rounds=2)
    assert outcome.answers.keys() == {"200"}
    assert outcome.is_kept, outcome
    assert outcome.kept > 500
