"""A derating curve: level outside its corners, straight lines between them."""

import pytest

from chargerd.evse.derating import amps_at
from hal.types import DERATING, DeratePoint

STEPS = (DeratePoint(40.0, 32.0), DeratePoint(50.0, 16.0), DeratePoint(60.0, 0.0))


@pytest.mark.parametrize(
    "celsius, amps",
    [(-40.0, 32.0), (40.0, 32.0), (45.0, 24.0), (50.0, 16.0), (55.0, 8.0), (60.0, 0.0), (60.1, 0.0), (200.0, 0.0)],
)
def test_between_two_corners_a_straight_line_holds_and_outside_the_nearest(celsius: float, amps: float) -> None:
    assert amps_at(STEPS, celsius) == pytest.approx(amps)


def test_a_curve_of_one_corner_is_level() -> None:
    assert amps_at((DeratePoint(65.0, 0.0),), 20.0) == 0.0
    assert amps_at((DeratePoint(65.0, 0.0),), 70.0) == 0.0


def test_full_current_up_to_55_celsius_and_none_from_65_on_unless_a_board_says_otherwise() -> None:
    assert amps_at(DERATING, 55.0) == 80.0
    assert amps_at(DERATING, 60.0) == 40.0
    assert amps_at(DERATING, 65.0) == 0.0
