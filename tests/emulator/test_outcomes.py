from receiver.emulator.history import history_record
from receiver.emulator.outcomes import A_REACH, B_REACH, FAILURES, Outcome, draw_outcome, reach
from receiver.emulator.records import Call, Plan
from receiver.emulator.rng import rng_for
from tests.emulator.virtual import MONDAY_NOON


def outcomes(reach_a: float, reach_b: float) -> list[Outcome]:
    return [draw_outcome(rng_for(1, n), reach_a, reach_b) for n in range(2000)]


def test_an_attempt_lasts_five_seconds_at_least_and_an_hour_at_most() -> None:
    durations = [outcome.duration for outcome in outcomes(0.5, 0.5)]
    assert min(durations) >= 5
    assert max(durations) < 3600


def test_every_way_to_fail_happens_on_both_legs() -> None:
    assert {outcome.a.result for outcome in outcomes(0, 0)} == set(FAILURES)
    assert {outcome.b.result for outcome in outcomes(1, 0) if outcome.b} == set(FAILURES)


def test_b_is_dialled_only_if_a_answered() -> None:
    drawn = outcomes(0.5, 0.5)
    assert all((outcome.b is not None) == (outcome.a.result == "answered") for outcome in drawn)
    assert {outcome.bridged for outcome in drawn} == {True, False}
    assert all((outcome.talk > 0) == outcome.bridged for outcome in drawn)


def test_a_number_has_a_temper_and_keeps_it() -> None:
    noon = [reach(B_REACH, 1, f"7{n}", MONDAY_NOON) for n in range(50)]
    assert noon == [reach(B_REACH, 1, f"7{n}", MONDAY_NOON) for n in range(50)]
    assert len(set(noon)) == 50
    assert reach(A_REACH, 1, "101", MONDAY_NOON) > reach(A_REACH, 1, "101", MONDAY_NOON + 12 * 3600)


def test_history_tells_a_failure_on_b_from_one_on_a() -> None:
    plan = Plan("", "101", "202", None, 1, 0, MONDAY_NOON, {})
    on_b = Call("u", ("r", "s"), 1, plan, outcomes(1, 0)[0], MONDAY_NOON)
    a, b = history_record(on_b)["cdr"]
    assert (a["dest_number"], a["result"], b["source_number"], b["dest_number"]) == (
        "101",
        "answered",
        "101",
        "202",
    )
    assert b["result"] == history_record(on_b)["result"] != "answered"
    assert a["answer_time_gmt"] == b["start_time_gmt"]
    assert b["answer_time_gmt"] is None
