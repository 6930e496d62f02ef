"""What every driver for a controller with safety functions of its own keeps, told once for all of them.

What one of them does and no other, its own tests tell (tests/hal/drivers/test_rapi_link.py and its neighbours).
"""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hal.drivers import rapi_link, yeti_link
from hal.slot import DeviceSlot
from hal.types import Alarm, DeviceGarbled, DeviceMissing, DeviceSilent, EvseFacts, HalError, PilotMode
from tests.contract.controller_stands import KINDS
from tests.hal.drivers.controllers import RAPI, YETI, Charger, Kind, wait_until

FACTS = EvseFacts(max_amps=32, phases=3)

each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.driver)


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.driver)
def idle(request: pytest.FixtureRequest) -> Iterator[Charger[Any]]:
    """A charger at rest, for what changes nothing."""
    with request.param.charger() as charger:
        yield charger


# ---- roles and their port ----


@each_kind
def test_the_roles_share_a_port_that_nothing_else_may_use(kind: Kind[Any]) -> None:
    pilot, other = kind.pilot_settings(Path("/dev/x")), kind.settings(port="/dev/x")
    assert pilot.bus() == other.bus() == ("/dev/x", kind.driver)
    assert pilot.claims() == ("the pilot on /dev/x",)
    assert other.claims() == ()


@each_kind
def test_a_role_without_its_pilot_says_what_is_missing(kind: Kind[Any]) -> None:
    slot = DeviceSlot("evse[0].relays", FACTS, time.monotonic)
    with pytest.raises(HalError, match=rf"no pilot on .*; describe \[evse.pilot\] with driver = '{kind.driver}'"):
        kind.roles["relays"](kind.settings(port="/dev/x"), slot)


def test_a_role_of_another_evse_is_refused(idle: Charger[Any]) -> None:
    with pytest.raises(HalError, match=r"its controller is that of evse\[0\].pilot"):
        idle.open("relays", "evse[1]")


# ---- what is refused ----


def test_a_duty_above_the_rating_is_refused_and_one_at_it_is_not(idle: Charger[Any]) -> None:
    idle.pilot.set(PilotMode.PWM, 53.33)
    with pytest.raises(HalError, match="the board has 32 A"):
        idle.pilot.set(PilotMode.PWM, 55.0)
    idle.pilot.set(PilotMode.STEADY_HIGH, 100.0)


@pytest.mark.parametrize("for_s", [-0.1, 5.1, math.nan, math.inf])
def test_a_lease_that_is_none_is_refused(idle: Charger[Any], for_s: float) -> None:
    with pytest.raises(HalError, match="refused to hold"):
        idle.relays.hold(True, for_s)


# ---- what is seen ----


@each_kind
def test_without_a_feedback_contact_nothing_is_said_of_it(kind: Kind[Any]) -> None:
    with kind.charger(has_feedback=False) as charger:
        assert charger.relays.read().closed is None


@each_kind
def test_a_vehicle_without_diode_shows_it_in_the_levels(kind: Kind[Any]) -> None:
    with kind.charger() as charger:
        charger.evse.plug_in(quirks=("no_diode",))
        charger.evse.ev_ready()
        charger.play(lambda: charger.pilot.read().low_volts == -charger.pilot.read().high_volts < 0)
        assert not charger.energised


@pytest.mark.parametrize(
    "kind, fault, alarm",
    [
        (RAPI, "trip_rcd", Alarm.RESIDUAL_AC),
        (RAPI, "relay_stuck_open", Alarm.NO_GROUND),
        (RAPI, "over_temperature", Alarm.OVER_TEMPERATURE),
        (RAPI, "rcd_test_fails", Alarm.RESIDUAL_TEST),
        (YETI, "trip_rcd", Alarm.RESIDUAL_AC),
        (YETI, "trip_rcd_dc", Alarm.RESIDUAL_AC),
        (YETI, "rcd_test_fails", Alarm.RESIDUAL_TEST),
    ],
    ids=lambda value: value.driver if isinstance(value, Kind) else value,
)
def test_what_the_controller_finds_is_an_alarm_and_no_energy_flows(kind: Kind[Any], fault: str, alarm: Alarm) -> None:
    with kind.charger() as charger:
        residual = charger.open("residual")
        assert residual.self_test() is True
        charger.evse.plug_in()
        charger.evse.fault(fault)
        charger.evse.ev_ready()
        charger.play(lambda: charger.pilot.read().alarms == (alarm,))
        assert not charger.energised
        assert residual.read().tripped_ac is (alarm is Alarm.RESIDUAL_AC)
        assert residual.read().tripped_dc is False
        assert residual.self_test() is (alarm is not Alarm.RESIDUAL_TEST)


# ---- a charge, and what ends it ----


@each_kind
def test_a_vehicle_charges_at_the_current_offered_and_follows_a_lower_limit(kind: Kind[Any]) -> None:
    with kind.charger() as charger:
        charger.charge()
        assert charger.evse.offer_amps == pytest.approx(16.0, abs=0.01)
        charger.amps = 10.0
        assert charger.play(lambda: charger.evse.offer_amps < 15) < 0.5
        assert charger.evse.offer_amps == pytest.approx(10.0, abs=0.01)
        assert charger.energised


@each_kind
def test_a_lease_that_is_not_renewed_opens(kind: Kind[Any]) -> None:
    with kind.charger() as charger:
        charger.charge()
        charger.relays.hold(True, 0.2)

        def opened() -> bool:
            charger.pilot.set(PilotMode.PWM, 26.67)
            return not charger.energised

        assert 0.1 < wait_until(opened, 2.0) < 0.8


@pytest.mark.parametrize(
    "kind, beside, bound_s",
    [
        (RAPI, "thermometer", rapi_link.LOOP_ALIVE_S + 2.0),
        (RAPI, "residual", rapi_link.LOOP_ALIVE_S + 2.0),
        (YETI, "meter", yeti_link.LOOP_ALIVE_S + 1.0),
    ],
    ids=["rapi thermometer", "rapi residual", "yeti meter"],
)
def test_a_poller_that_goes_on_reading_does_not_keep_a_hung_loops_charge_alive(
    kind: Kind[Any], beside: str, bound_s: float
) -> None:
    with kind.charger() as charger:
        device = charger.open(beside)
        charger.charge()
        wait_until(lambda: device.read() and not charger.energised, bound_s)


# ---- what breaks, and comes back ----


@each_kind
@pytest.mark.parametrize(
    "fault, error",
    [
        ("controller_reset", DeviceSilent),
        ("controller_stops", DeviceSilent),
        ("controller_half_lines", DeviceGarbled),
        ("controller_bad_crc", DeviceGarbled),
    ],
)
def test_one_that_fails_gives_no_energy_is_named_and_charges_again_when_it_is_whole(
    kind: Kind[Any], fault: str, error: type[HalError]
) -> None:
    with kind.charger() as charger:
        charger.charge()
        charger.evse.fault(fault)
        charger.play(lambda: bool(charger.errors) and not charger.energised)
        assert type(charger.errors[0]) is error
        charger.evse.clear_fault(fault)
        charger.play(lambda: charger.energised, bound_s=20)
        assert charger.evse.offer_amps == pytest.approx(16.0, abs=0.01)


@each_kind
def test_a_contactor_can_be_told_to_open_while_the_adapter_is_out(kind: Kind[Any]) -> None:
    with kind.charger() as charger:
        charger.evse.fault("controller_unplugged")
        charger.play(lambda: bool(charger.errors))
        charger.relays.hold(False, 0.0)  # no error: it is the first thing said when the link is back
        with pytest.raises(DeviceMissing):
            charger.relays.read()
