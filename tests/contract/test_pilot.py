import pytest

from hal.interfaces import Pilot
from hal.types import HalError, PilotMode
from tests.contract.stands import Stand

ROLE = "pilot"


def test_a_reading_is_fresh_and_possible(stand: Stand[Pilot]) -> None:
    before = stand.monotonic()
    reading = stand.device.read()
    assert before - stand.age_s <= reading.at_mono <= stand.monotonic()
    assert -13 <= reading.low_volts <= reading.high_volts + 0.5 <= 13.5


def test_a_reading_takes_5_ms_at_most(stand: Stand[Pilot]) -> None:
    assert stand.took_s(stand.device.read) <= 0.005


@pytest.mark.parametrize(
    "mode, high, low",
    [(PilotMode.STEADY_HIGH, 12, None), (PilotMode.PWM, 12, -12), (PilotMode.STEADY_LOW, -12, None)],
)
def test_each_mode_shows_its_level_without_a_vehicle(
    stand: Stand[Pilot], mode: PilotMode, high: float, low: float | None
) -> None:
    if mode is PilotMode.STEADY_LOW and not stand.facts.has_state_f:
        with pytest.raises(HalError):
            stand.device.set(mode, 0.0)
        return
    stand.device.set(mode, 10.0)
    stand.wait(0.1)
    reading = stand.device.read()
    stand.device.set(PilotMode.STEADY_HIGH, 100.0)
    assert reading.high_volts == pytest.approx(high, abs=0.6)  # IEC 61851-1 table A.2: 11.4 to 12.6 V
    if stand.facts.autonomous:  # its oscillator rests until there is a vehicle
        low = None
    assert low is None or reading.low_volts == pytest.approx(low, abs=0.6)


def test_a_duty_above_the_rating_never_reaches_the_vehicle(stand: Stand[Pilot]) -> None:
    stand.device.set(PilotMode.STEADY_HIGH, 100.0)
    with pytest.raises(HalError):
        stand.device.set(PilotMode.PWM, (stand.facts.max_amps + 1) / 0.6 if stand.facts.max_amps < 50 else 96.5)
    stand.wait(0.1)
    assert stand.device.read().low_volts > 0  # still steady


@pytest.mark.parametrize("duty_percent", [-1.0, 101.0, float("nan")])
def test_a_duty_that_is_no_percentage_is_refused(stand: Stand[Pilot], duty_percent: float) -> None:
    with pytest.raises(HalError):
        stand.device.set(PilotMode.PWM, duty_percent)
