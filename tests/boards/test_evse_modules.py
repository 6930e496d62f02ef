"""Whole charges through ready-made EVSE modules on Modbus, which act by themselves."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boards.running import Charger, running
from tests.hal.boards import BENCH_EVSE_WB, BENCH_PHOENIX


@pytest.fixture(params=[BENCH_EVSE_WB, BENCH_PHOENIX], ids=lambda path: path.stem)
def charger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Charger]:
    with running(request.param, tmp_path) as charger:
        yield charger


def test_a_vehicle_charges_as_offered_follows_a_lower_limit_and_is_stopped(charger: Charger) -> None:
    charger.story(step_amps=0.1)
    assert charger.status.faults == ()


def test_an_unplugged_vehicle_opens_the_contactor_within_100_ms(charger: Charger) -> None:
    """The module does that; the core hears of it later."""
    charger.charge(13.0)
    charger.evse.plug_out(force=True)
    assert charger.until(lambda: not charger.closed(), 1.0) < 0.15
    charger.until(lambda: not charger.status.ev_connected, 3.0)


@pytest.mark.parametrize("fault", ["trip_rcd", "no_diode", "short_pilot"])
def test_no_energy_flows_through_a_fault_that_the_module_sees(charger: Charger, fault: str) -> None:
    charger.charge(13.0)
    charger.evse.fault(fault)
    charger.until(lambda: not charger.closed(), 4.0)
    charger.run(3.0)
    assert not charger.closed()
    assert charger.status.why_not


@pytest.mark.parametrize("fault", ["controller_bad_crc", "controller_half_lines"])
def test_a_module_that_cannot_be_understood_gets_no_offer_and_is_used_again(charger: Charger, fault: str) -> None:
    """Its answers are damaged, not what it is told: the offer that nobody wants any more is taken back."""
    charger.charge(13.0)
    charger.evse.fault(fault)
    charger.until(lambda: "pilot_missing" in charger.status.why_not, 5.0)
    charger.until(lambda: not charger.closed(), 6.0)
    charger.evse.clear_fault(fault)
    charger.until(lambda: charger.vehicle_amps() > 12.0, 45.0)


def test_a_module_that_restarts_charges_again(charger: Charger) -> None:
    charger.charge(13.0)
    charger.evse.fault("controller_reset")
    charger.until(lambda: not charger.closed(), 1.0)
    charger.until(lambda: charger.vehicle_amps() > 12.0, 45.0)


def test_a_silent_meter_ends_the_charge(charger: Charger) -> None:
    charger.charge(13.0)
    charger.evse.fault("stall_meter")
    charger.until(lambda: not charger.closed(), 20.0)
