"""Leases are shared out evenly, and stay where they are once they are."""

from collections import Counter
from collections.abc import Mapping
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.storage.leases import LeaseTable, to_release, to_take

FOUR = ("a", "b", "c", "d")


def board(able: Mapping[str, tuple[str, ...]], **holders: str) -> LeaseTable:
    return LeaseTable(holders, able)


def test_who_is_alone_takes_all() -> None:
    assert to_take(board({"x": FOUR}), "x") == list(FOUR)
    assert to_release(board({"x": FOUR}, a="x", b="x", c="x", d="x"), "x", ()) == []


def test_of_two_that_come_at_once_each_takes_half() -> None:
    able = {"x": FOUR, "y": FOUR}
    assert to_take(board(able), "x") == ["a"]
    assert to_take(board(able, a="x"), "y") == ["b", "c"]
    assert to_take(board(able, a="x", b="y", c="y"), "x") == ["d"]


def test_what_another_holds_is_not_taken() -> None:
    assert to_take(board({"x": FOUR, "y": FOUR}, a="y", b="y", c="y"), "x") == ["d"]


def test_a_newcomer_is_given_half_and_no_more_while_it_comes_round_to_taking() -> None:
    able = {"x": FOUR, "y": FOUR}
    all_mine = dict.fromkeys(FOUR, "x")
    assert to_release(board(able, **all_mine), "x", ()) == ["a", "b"]
    assert to_release(board(able, **all_mine), "x", {"a", "b"}) == ["a", "b"]
    assert to_release(board(able, b="x", c="x", d="x"), "x", {"b"}) == ["b"]
    assert to_release(board(able, c="x", d="x"), "x", ()) == []
    assert to_release(board(able, a="y", b="x", c="x", d="x"), "x", {"d"}) == ["d"]


def test_one_more_than_the_other_is_even_enough() -> None:
    assert to_release(board({"x": FOUR, "y": FOUR}, a="x", b="x", c="y"), "x", ()) == []


def test_nothing_is_left_to_or_given_to_who_could_not_hold_it() -> None:
    able = {"x": FOUR, "y": ("d",)}
    assert to_take(board(able, a="x", b="x"), "x") == ["c"]
    assert to_release(board(able, a="x", b="x", c="x"), "x", ()) == []
    assert to_release(board(able, a="x", b="x", c="x", d="x"), "x", ()) == ["d"]


def test_who_is_about_to_stop_takes_nothing() -> None:
    assert to_take(board({"y": FOUR}, a="x"), "x") == []


@given(
    able=st.dictionaries(
        st.sampled_from("vwxyz"),
        st.sets(st.sampled_from("abcdefgh"), min_size=1).map(lambda some: tuple(sorted(some))),
        min_size=1,
    ),
    seed=st.integers(0, 2**32),
)
def test_whoever_comes_round_when_it_ends_even_and_quiet(able: dict[str, tuple[str, ...]], seed: int) -> None:
    rng, holders, ending = Random(seed), dict[str, str](), dict[str, set[str]]()
    for lease in rng.sample("abcdefgh", 8):  # somebody holds some already, not evenly
        owners = sorted(receiver for receiver, leases in able.items() if lease in leases)
        if owners and rng.random() < 0.7:
            holders[lease] = owners[0]
    quiet = 0
    for _ in range(60):
        before = dict(holders)
        for me in rng.sample(sorted(able), len(able)):
            for lease in [lease for lease in sorted(ending.get(me, ())) if rng.random() < 0.5]:
                del holders[lease]
                ending[me].remove(lease)
            holders |= dict.fromkeys(to_take(LeaseTable(holders, able), me), me)
            ending[me] = set(to_release(LeaseTable(holders, able), me, ending.get(me, ())))
        quiet = quiet + 1 if holders == before and not any(ending.values()) else 0
    assert quiet > 1, "it never came to rest"
    load = Counter(holders.values())
    assert holders.keys() == {lease for leases in able.values() for lease in leases}
    for lease, holder in holders.items():
        for rival in LeaseTable(holders, able).rivals(lease, holder):
            assert load[holder] - load[rival] <= 1


@pytest.mark.parametrize("receivers", [2, 3])
def test_a_share_is_at_most_the_leases_divided_by_the_receivers(receivers: int) -> None:
    able = {str(number): FOUR for number in range(receivers)}
    holders = dict.fromkeys(FOUR, "0")
    for _ in range(4):
        for me in able:
            for lease in to_release(LeaseTable(holders, able), me, ()):
                del holders[lease]
            holders |= dict.fromkeys(to_take(LeaseTable(holders, able), me), me)
    assert max(Counter(holders.values()).values()) == -(-4 // receivers)
