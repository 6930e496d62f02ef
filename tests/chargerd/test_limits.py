"""The smallest row wins, its owner is named, and nothing means nothing."""

import itertools
import json
import math

import msgspec
import pytest

from chargerd.limits import MIN_AMPS, NO_LIMITS, Limit, effective, in_force, says_the_same

BOARD, CABLE, SITE, CSMS = Limit("board", 32.0), Limit("cable", 20.0), Limit("site", 16.0), Limit("csms", 10.0)


def test_the_smallest_row_wins_whatever_the_order() -> None:
    for rows in itertools.permutations((BOARD, CABLE, SITE, CSMS)):
        assert effective(rows) == CSMS


def test_the_first_among_equals_is_named() -> None:
    assert effective([BOARD, Limit("site", 32.0)]).source == "board"
    assert effective([Limit("site", 32.0), BOARD]).source == "site"


def test_no_rows_allow_nothing() -> None:
    assert effective([]) == NO_LIMITS
    assert NO_LIMITS.amps == 0.0


@pytest.mark.parametrize("amps", [5.999, 1.0, 0.0, -1.0, -math.inf])
def test_below_6_ampere_nothing_is_left_and_the_owner_is_named(amps: float) -> None:
    assert effective([BOARD, Limit("csms", amps)]) == Limit("csms", 0.0)


def test_6_ampere_are_left() -> None:
    assert effective([BOARD, Limit("csms", MIN_AMPS)]) == Limit("csms", 6.0)


@pytest.mark.parametrize("rows", [("nan", "good"), ("good", "nan"), ("good", "nan", "less")])
def test_a_row_that_is_no_number_allows_nothing(rows: tuple[str, ...]) -> None:
    amps = {"nan": math.nan, "good": 16.0, "less": 0.0}
    assert effective([Limit(row, amps[row]) for row in rows]) == Limit("nan", 0.0)


def test_an_unbounded_row_never_wins_over_a_bounded_one() -> None:
    assert effective([Limit("csms", math.inf), BOARD]) == BOARD
    assert effective([Limit("csms", math.inf)]).amps == math.inf


def test_an_iterator_will_do() -> None:
    assert effective(limit for limit in (BOARD, CSMS)) == CSMS


# ---- Rows that end ---------------------------------------------------------------------------------------------------

LEASED = Limit("csms", 10.0, until_mono=50.0, then_amps=8.0)


def test_a_row_without_an_end_holds_for_ever() -> None:
    assert in_force(CSMS, 1e9) is CSMS


def test_a_leased_row_holds_until_its_end_and_then_counts_what_follows_marked_as_fallback() -> None:
    assert in_force(LEASED, 49.99) is LEASED
    for now_mono in (50.0, 51.0, 1e9):
        assert in_force(LEASED, now_mono) == Limit("csms", 8.0, fallback=True)


def test_a_leased_row_with_nothing_to_follow_is_gone_after_its_end() -> None:
    assert in_force(Limit("csms", 10.0, until_mono=50.0), 49.99) is not None
    assert in_force(Limit("csms", 10.0, until_mono=50.0), 50.0) is None


def test_what_follows_may_be_more_or_nothing_at_all() -> None:
    assert in_force(Limit("csms", 10.0, until_mono=50.0, then_amps=16.0), 50.0) == Limit("csms", 16.0, fallback=True)
    assert in_force(Limit("csms", 10.0, until_mono=50.0, then_amps=0.0), 50.0) == Limit("csms", 0.0, fallback=True)


def test_a_row_with_an_end_that_is_no_number_allows_nothing() -> None:
    assert in_force(Limit("csms", 10.0, until_mono=math.nan), 50.0) == Limit("csms", 0.0)


def test_the_end_and_the_fallback_travel_with_the_winner() -> None:
    assert effective([BOARD, LEASED]) == LEASED
    assert effective([BOARD, Limit("csms", 5.0, fallback=True)]) == Limit("csms", 0.0, fallback=True)
    assert effective([BOARD, Limit("csms", math.nan, fallback=True)]) == Limit("csms", 0.0, fallback=True)


def test_a_renewed_lease_is_no_news_but_another_current_owner_or_fallback_is() -> None:
    assert says_the_same(LEASED, Limit("csms", 10.0, until_mono=60.0))
    assert not says_the_same(LEASED, Limit("csms", 9.0, until_mono=50.0))
    assert not says_the_same(LEASED, Limit("site", 10.0))
    assert not says_the_same(LEASED, Limit("csms", 10.0, fallback=True))


def test_a_row_travels_as_json_and_says_only_what_it_has_to() -> None:
    assert json.loads(msgspec.json.encode(CSMS)) == {"source": "csms", "amps": 10.0}
    for row in (CSMS, LEASED, Limit("csms", 8.0, fallback=True)):
        assert msgspec.json.decode(msgspec.json.encode(row), type=Limit) == row
