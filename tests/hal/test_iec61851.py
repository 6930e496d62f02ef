import pytest

from hal.iec61851 import CABLE_CLASSES, NO_CABLE_OHMS, CableClass, cable_amps, check_duty, offered_amps
from hal.types import HalError


@pytest.mark.parametrize(
    "duty_percent, amps",
    [
        (0, 0), (2.9, 0), (5, 0), (7.5, 0), (7.99, 0), (8, 6), (9.99, 6), (10, 6), (16.67, 10.0), (26.67, 16.0),
        (53.33, 32.0), (85, 51), (85.01, 52.5), (89.2, 63), (96, 80), (96.5, 80), (97, 80), (97.01, 0), (100, 0),
    ],
)  # fmt: skip
def test_a_vehicle_reads_a_duty_as_the_table_says(duty_percent: float, amps: float) -> None:
    assert offered_amps(duty_percent) == pytest.approx(amps, abs=0.03)


@pytest.mark.parametrize("amps, duty_percent", [(6, 10), (10, 16.67), (16, 26.67), (32, 53.34), (51, 85), (63, 89.2)])
def test_a_duty_at_the_rating_passes_and_one_step_above_is_refused(amps: float, duty_percent: float) -> None:
    check_duty("evse[0].pilot", duty_percent, amps)
    with pytest.raises(HalError, match=r"evse\[0\].pilot: refused a duty of .* the board has"):
        check_duty("evse[0].pilot", duty_percent + 0.2, amps)


@pytest.mark.parametrize("duty_percent", [-0.1, 100.1, float("nan"), float("inf")])
def test_a_duty_that_is_no_percentage_is_refused(duty_percent: float) -> None:
    with pytest.raises(HalError, match="must lie from 0 to 100"):
        check_duty("evse[0].pilot", duty_percent, 80)


@pytest.mark.parametrize("cable", CABLE_CLASSES, ids=lambda cable: f"{cable.amps:g} A")
def test_a_resistor_counts_as_its_class_up_to_the_borders_of_the_band(cable: CableClass) -> None:
    for ohms in (cable.from_ohms, cable.nominal_ohms, cable.below_ohms - 0.1):
        assert cable_amps(ohms) == cable.amps


@pytest.mark.parametrize("ohms", [0.0, 74.9, 2700.0, NO_CABLE_OHMS, float("nan")])
def test_a_resistor_outside_every_class_allows_nothing(ohms: float) -> None:
    assert cable_amps(ohms) is None
