"""Whole charges through ready-made EVSE modules on Modbus, which act by themselves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.boards.running import Charger, running
from tests.hal.boards import BENCH_EVSE_WB, BENCH_PHOENIX

WB, PHOENIX = pytest.param(BENCH_EVSE_WB, id="evse_wb"), pytest.param(BENCH_PHOENIX, id="phoenix")


@pytest.fixture
def charger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Charger]:
    with running(request.param, tmp_path) as charger:
        yield charger


def on(*boards: Any) -> pytest.MarkDecorator:
    """The boards that a test runs on: a charge takes its time, and tests/hal has the rest of each module."""
    return pytest.mark.parametrize("charger", boards, indirect=True)


@on(WB, PHOENIX)
def test_a_vehicle_charges_as_offered_follows_a_lower_limit_and_is_stopped(charger: Charger) -> None:
    charger.story(step_amps=0.1)
    assert charger.status.faults == ()


@on(WB)
def test_an_unplugged_vehicle_opens_the_contactor_within_100_ms(charger: Charger) -> None:
    """The module does that; the core hears of it later."""
    charger.charge(13.0)
    charger.evse.plug_out(force=True)
    assert charger.until(lambda: not charger.closed(), 1.0) < 0.15
    charger.until(lambda: not charger.status.ev_connected, 3.0)


@pytest.mark.parametrize(
    "charger, fault",
    [
        (BENCH_EVSE_WB, "trip_rcd"),
        (BENCH_EVSE_WB, "no_diode"),
        (BENCH_PHOENIX, "trip_rcd"),
        (BENCH_PHOENIX, "no_diode"),
    ],
    indirect=["charger"],
    ids=["evse_wb-trip_rcd", "evse_wb-no_diode", "phoenix-trip_rcd", "phoenix-no_diode"],
)
def test_no_energy_flows_through_a_fault_that_the_module_sees(charger: Charger, fault: str) -> None:
    charger.charge(13.0)
    charger.evse.fault(fault)
    charger.until(lambda: not charger.closed(), 4.0)
    charger.run(3.0)
    assert not charger.closed()
    assert charger.status.why_not


@on(WB)
def test_a_module_that_cannot_be_understood_gets_no_offer_and_is_used_again(charger: Charger) -> None:
    """Its answers are damaged, not what it is told: the offer that nobody wants any more is taken back."""
    charger.charge(13.0)
    charger.evse.fault("controller_bad_crc")
    charger.until(lambda: "pilot_missing" in charger.status.why_not, 5.0)
    charger.until(lambda: not charger.closed(), 6.0)
    charger.evse.clear_fault("controller_bad_crc")
    charger.until(lambda: charger.vehicle_amps() > 12.0, 45.0)


@on(PHOENIX)
def test_a_module_that_restarts_charges_again(charger: Charger) -> None:
    charger.charge(13.0)
    charger.evse.fault("controller_reset")
    charger.until(lambda: not charger.closed(), 1.0)
    charger.until(lambda: charger.vehicle_amps() > 12.0, 45.0)


@on(WB)
def test_a_silent_meter_ends_the_charge(charger: Charger) -> None:
    charger.charge(13.0)
    charger.evse.fault("stall_meter")
    charger.until(lambda: not charger.closed(), 20.0)
