"""Whole charges through co-processors: the real control loop, the real drivers, the controllers on the plant."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boards.running import Charger, running
from tests.hal.boards import BENCH_RAPI, BENCH_YETI

BOTH = pytest.mark.parametrize("charger", [BENCH_RAPI, BENCH_YETI], indirect=True, ids=lambda path: path.stem)
RAPI = pytest.mark.parametrize("charger", [BENCH_RAPI], indirect=True, ids=lambda path: path.stem)
YETI = pytest.mark.parametrize("charger", [BENCH_YETI], indirect=True, ids=lambda path: path.stem)


@pytest.fixture
def charger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Charger]:
    with running(request.param, tmp_path) as charger:
        yield charger


@BOTH
def test_a_vehicle_charges_as_offered_follows_a_lower_limit_and_is_stopped(charger: Charger) -> None:
    charger.story(step_amps=0.1)
    assert charger.status.faults == ()
    assert charger.status.celsius is not None
    assert 20.0 < charger.status.celsius < 40.0
    took_s = sorted(charger.took_s)
    assert took_s[len(took_s) // 2] < 0.005  # of a tick


@RAPI
def test_a_vehicle_that_pauses_and_asks_again_is_switched_by_the_controller(charger: Charger) -> None:
    charger.charge(6.0)
    charger.evse.ev_pause()
    charger.until(lambda: not charger.closed(), 5.0)
    charger.evse.ev_resume()
    charger.until(lambda: charger.vehicle_amps() > 5.0, 25.0)
    assert charger.status.faults == ()


@BOTH
def test_no_energy_flows_with_a_fault_which_has_its_name(charger: Charger) -> None:
    charger.order(13.0)
    charger.evse.fault("over_temperature")
    charger.run(6.0)  # the contactor's first rest, and a thermometer is read every 5 s only
    for fault, code in (("over_temperature", "over_temperature"), ("no_diode", "diode"), ("trip_rcd", "residual_ac")):
        charger.evse.fault(fault)
        charger.evse.plug_in()
        charger.evse.ev_ready()
        closed: list[bool] = []

        def named(code: str = code, closed: list[bool] = closed) -> bool:
            closed.append(charger.closed())
            return code in [each.code for each in charger.status.faults]

        charger.until(named, 10.0)
        charger.run(0.5)
        assert not any(closed)
        assert not charger.closed()
        charger.evse.clear_fault(fault)
        charger.evse.plug_out(force=True)
        charger.until(lambda: not charger.status.ev_connected, 5.0)


@RAPI
def test_a_controller_that_resets_ends_the_charge_which_goes_on_without_a_restart(charger: Charger) -> None:
    charger.charge(6.0)
    charger.evse.fault("controller_reset")
    charger.until(lambda: not charger.closed(), 1.0)
    charger.until(lambda: not charger.status.relay_commanded, 1.0)
    assert {"pilot_missing", "feedback_missing"} & set(charger.status.opened_by)
    charger.until(lambda: charger.vehicle_amps() > 5.0, 45.0)


@YETI
def test_an_adapter_pulled_out_ends_the_charge_by_the_boards_own_dead_man(charger: Charger) -> None:
    charger.charge(6.0)
    charger.evse.fault("controller_unplugged")
    charger.until(lambda: not charger.closed(), 7.0)
    charger.evse.clear_fault("controller_unplugged")
    charger.until(lambda: not {"pilot_missing", "feedback_missing"} & set(charger.status.why_not), 5.0)


@RAPI
def test_an_adapter_pulled_out_leaves_the_fallback_current_until_it_is_back(charger: Charger) -> None:
    charger.charge(7.0)
    charger.evse.fault("controller_unplugged")
    charger.until(lambda: charger.evse.offer_amps == pytest.approx(6.0), 15.0)
    assert "pilot_missing" in charger.status.why_not
    charger.evse.clear_fault("controller_unplugged")
    charger.until(lambda: not charger.closed(), 5.0)
    charger.until(lambda: not {"pilot_missing", "feedback_missing"} & set(charger.status.why_not), 5.0)
