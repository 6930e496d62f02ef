"""The smallest row wins, its owner is named, and nothing means nothing."""

import itertools
import math

import pytest

from chargerd.limits import MIN_AMPS, NO_LIMITS, Limit, effective

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
