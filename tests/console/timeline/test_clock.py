"""The clock of the timeline: rows, breaks, places."""

from hypothesis import given
from hypothesis import strategies as st

from receiver.console.timeline.clock import ClockRow, ClockRules, Omission, clock_rows, scale_for

RULES = ClockRules(width=300.0, most=100)
T0 = 1_772_357_400.0


def rows(*moments: float, scale: float = 2.0, rules: ClockRules = RULES) -> list[ClockRow]:
    found = clock_rows(moments, scale, rules)
    return [row for row in found if isinstance(row, ClockRow)]


def test_a_short_time_is_drawn_to_scale_and_a_long_one_is_broken() -> None:
    (row,) = rows(T0, T0 + 10, T0 + 86_400)
    short, long = row.stretches
    assert (short.width, short.is_broken) == (20.0, False)
    assert (long.width < 100, long.is_broken) == (True, True)
    assert row.place(T0 + 5) == 10.0


def test_a_day_takes_no_more_room_than_an_hour() -> None:
    (hour,), (day,) = rows(T0, T0 + 3600), rows(T0, T0 + 86_400)
    assert hour.place(hour.end) == day.place(day.end)


def test_a_call_stays_on_one_row_if_it_fits() -> None:
    moments = [T0, T0 + 45, T0 + 90, T0 + 1000, T0 + 1010, T0 + 2000]
    call = [(T0 + 1000, T0 + 2000)]
    first, second = rows(*moments, rules=ClockRules(300.0, 100, whole=call))
    assert first.end == second.begin == T0 + 1000
    assert (first.holds(T0 + 1000), second.holds(T0 + 1000)) == (False, True)
    first, _ = rows(*moments)
    assert first.holds(T0 + 1000), "without a call the row is filled"


def test_a_text_gets_its_room() -> None:
    moments = [T0, T0 + 5, T0 + 300, T0 + 305]
    (row,) = rows(*moments, rules=ClockRules(300.0, 100, room=[(T0 + 5, T0 + 300, 150.0)]))
    assert row.place(T0 + 300) - row.place(T0 + 5) == 150.0


def test_of_a_long_timeline_the_middle_is_left_out() -> None:
    moments = [T0 + 1000.0 * place for place in range(200)]
    found = clock_rows(moments, 2.0, ClockRules(300.0, 6))
    kinds = [type(row) for row in found]
    assert kinds == [ClockRow] * 3 + [Omission] + [ClockRow] * 3
    (omission,) = (row for row in found if isinstance(row, Omission))
    assert not any(isinstance(row, ClockRow) and omission.begin < row.begin < omission.end for row in found)


def test_the_scale_follows_the_usual_call_within_limits() -> None:
    assert scale_for([], 96) == scale_for([0.0], 96) == 2.0
    assert scale_for([20, 24, 3000], 96) == 4.0
    assert scale_for([0.001], 96) == 60.0
    assert scale_for([1e6], 96) == 0.5


@given(st.lists(st.floats(0, 1e7), max_size=60), st.floats(200, 1000))
def test_every_moment_is_on_exactly_one_row_and_places_follow_time(ages: list[float], width: float) -> None:
    moments = sorted({T0 + age for age in ages})
    found = rows(*moments, rules=ClockRules(width, 1000))
    for moment in moments:
        assert sum(row.holds(moment) for row in found) == 1
    for row in found:
        places = [row.place(moment) for moment in moments if row.holds(moment)]
        assert places == sorted(places)
        assert all(0 <= place <= width for place in places)
