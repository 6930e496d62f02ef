"""K04: the sum holds at every instant, and nobody is given a share too small to charge with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargerd.limits import MIN_AMPS
from chargerd.ocpp.load_balancing import YIELD_S, Balancer, held_back, shares


@pytest.mark.parametrize(
    "total, wishes, expected",
    [
        (32.0, [32.0, 32.0], [16.0, 16.0]),
        (32.0, [32.0], [32.0]),
        (32.0, [10.0, 32.0], [10.0, 22.0]),
        (12.0, [32.0, 32.0], [6.0, 6.0]),
        (11.9, [32.0, 32.0], [11.9, 0.0]),
        (32.0, [5.9, 32.0], [0.0, 32.0]),
        (5.9, [32.0, 32.0], [0.0, 0.0]),
        (30.0, [8.0, 32.0, 32.0], [8.0, 11.0, 11.0]),
        (0.0, [32.0], [0.0]),
        (32.0, [], []),
    ],
)
def test_K04_FR_05_shares_are_equal_and_what_is_left_over_goes_to_the_others(
    total: float, wishes: list[float], expected: list[float]
) -> None:
    assert shares(total, wishes) == pytest.approx(expected)


@given(st.floats(0, 100), st.lists(st.floats(0, 63), max_size=4))
def test_K04_FR_05_shares_never_exceed_the_total_or_a_wish_and_are_chargeable(
    total: float, wishes: list[float]
) -> None:
    found = shares(total, wishes)
    assert sum(found) <= total + 1e-9
    assert all(share <= wish for share, wish in zip(found, wishes, strict=True))
    assert all(share == 0.0 or share >= MIN_AMPS for share in found)


def test_growth_waits_for_what_another_may_still_draw() -> None:
    assert held_back(32.0, [16.0, 16.0], [32.0, 0.0]) == [16.0, 0.0]


def test_a_share_that_shrinks_with_the_total_is_not_cut_further() -> None:
    assert held_back(32.0, [16.0, 16.0], [32.0, 32.0]) == [16.0, 16.0]


def test_a_newcomer_gets_the_share_when_the_first_has_had_time_to_yield() -> None:
    balancer = Balancer(2)
    assert balancer.grant(32.0, [32.0, 32.0], [True, False], 0.0) == [32.0, 0.0]
    assert balancer.next_deadline() is None
    assert balancer.grant(32.0, [32.0, 32.0], [True, True], 100.0) == [16.0, 0.0]
    assert balancer.next_deadline() == 100.0 + YIELD_S
    assert balancer.grant(32.0, [32.0, 32.0], [True, True], 100.0 + YIELD_S - 0.01) == [16.0, 0.0]
    assert balancer.grant(32.0, [32.0, 32.0], [True, True], 100.0 + YIELD_S) == [16.0, 16.0]
    assert balancer.next_deadline() is None


def test_who_came_first_is_served_when_it_is_not_enough_for_both() -> None:
    balancer = Balancer(2)
    balancer.grant(10.0, [32.0, 32.0], [False, True], 0.0)
    assert balancer.grant(10.0, [32.0, 32.0], [True, True], 100.0) == [0.0, 10.0]


def test_without_a_total_everybody_gets_the_own_wish() -> None:
    assert Balancer(2).grant(None, [32.0, 20.0], [True, True], 0.0) == [32.0, 20.0]


def test_an_idle_evse_stands_ready_with_what_is_left() -> None:
    assert Balancer(2).grant(40.0, [32.0, 32.0], [True, False], 0.0) == [32.0, 8.0]


@given(
    st.floats(0, 64),
    st.lists(
        st.tuples(
            st.floats(0.1, 10.0),
            st.tuples(st.sampled_from([0.0, 6.0, 16.0, 32.0]), st.sampled_from([0.0, 6.0, 16.0, 32.0])),
            st.tuples(st.booleans(), st.booleans()),
        ),
        max_size=25,
    ),
)
def test_K04_FR_05_offers_of_the_last_five_seconds_never_sum_up_to_more_than_the_total(
    total: float, story: list[tuple[float, tuple[float, float], tuple[bool, bool]]]
) -> None:
    balancer = Balancer(2)
    now = 0.0
    history: list[tuple[float, list[float]]] = []
    for seconds, wishes, drawing in story:
        now += seconds
        granted = balancer.grant(total, wishes, drawing, now)
        assert sum(granted) <= total + 1e-9
        history.append((now, [amps if draws else 0.0 for amps, draws in zip(granted, drawing, strict=True)]))
        ends = [*[later for later, _ in history[1:]], float("inf")]
        in_force = [offers for (_, offers), end in zip(history, ends, strict=True) if end > now - 5.0]
        assert sum(max(offers[index] for offers in in_force) for index in (0, 1)) <= total + 1e-9
