"""A whole charge through the pilot that Linux drives itself: kernel PWM, ADC, sensors, all of them files."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boards.running import Charger, running
from tests.hal.boards import BENCH_DIRECT


@pytest.fixture
def charger(tmp_path: Path) -> Iterator[Charger]:
    with running(BENCH_DIRECT, tmp_path) as charger:
        yield charger


def test_a_vehicle_charges_as_offered_follows_a_lower_limit_and_is_stopped(charger: Charger) -> None:
    charger.story(step_amps=0.1)
    assert charger.status.faults == ()
    assert charger.status.cable_amps == 32.0
    assert charger.status.celsius is not None
    assert 20.0 < charger.status.celsius < 30.0


def test_an_unplugged_vehicle_opens_the_contactor_within_100_ms(charger: Charger) -> None:
    charger.charge(13.0)
    charger.evse.plug_out(force=True)
    assert charger.until(lambda: not charger.closed(), 1.0) < 0.15  # 100 ms, and the contactor's own 20 ms


@pytest.mark.parametrize("fault", ["short_pilot", "cut_pilot", "no_diode", "trip_rcd"])
def test_no_energy_flows_through_a_fault(charger: Charger, fault: str) -> None:
    charger.charge(13.0)
    charger.evse.fault(fault)
    charger.until(lambda: not charger.closed(), 1.0)
    charger.run(1.0)
    assert not charger.closed()
    assert charger.status.why_not


def test_a_pwm_that_vanishes_ends_the_charge_which_goes_on_when_it_is_back(charger: Charger, tmp_path: Path) -> None:
    charger.charge(13.0)
    link = tmp_path / "sys-1/class/pwm/pwmchip2"
    target = link.readlink()
    link.unlink()
    charger.until(lambda: not charger.closed(), 1.0)
    charger.run(0.5)
    assert "pilot_missing" in charger.status.why_not
    link.with_name("pwmchip0").symlink_to(target)  # the kernel has counted anew
    charger.until(lambda: charger.vehicle_amps() > 12.0, 20.0)


def test_a_hot_enclosure_ends_the_charge(charger: Charger) -> None:
    charger.charge(13.0)
    charger.evse.fault("over_temperature", 95.0)
    charger.until(lambda: not charger.closed(), 15.0)


def test_the_tick_stays_short(charger: Charger) -> None:
    charger.charge(13.0)
    took_s = sorted(charger.took_s)
    assert took_s[len(took_s) // 2] < 0.005
