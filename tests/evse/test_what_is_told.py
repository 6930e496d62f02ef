"""What the controller tells: its status, its counters, and what of a reading reaches those who judge it."""

import math
from datetime import timedelta

import msgspec
import pytest

from chargerd.clock import ManualClock
from chargerd.evse.controller import Controller
from chargerd.evse.faults import FaultCode
from chargerd.evse.types import EvseStatus, PilotState, TokenSeen
from hal.types import Indication, InputName, MeterSample, PilotMode, Token, TokenKind
from tests.chargerd.evse.rig import PLAIN, SOCKET, WHOLE, A, B, C, E, Rig, charging


def test_edges_are_counted_with_the_meters_register() -> None:
    rig = Rig()
    rig.energy_wh = 1000.0
    rig.charge()
    assert (rig.status.plug_count, rig.status.plugged_wh) == (1, 1000.0)
    assert (rig.status.energy_on_count, rig.status.energy_on_wh) == (1, 1000.0)
    off_wh = [rig.status.energy_off_wh]
    rig.energy_wh = 2500.0
    rig.permit, rig.amps = False, (0.0,)
    rig.run(0.2)
    off_wh.append(rig.status.energy_off_wh)
    assert off_wh == [None, 2500.0]
    rig.permit = True
    rig.run(6.0)
    assert (rig.status.energy_on_count, rig.status.energy_on_wh) == (2, 2500.0)
    rig.high_volts = A
    rig.run(0.5)
    rig.meter_speaks = False
    rig.run(6.0)
    rig.high_volts = B
    rig.run(0.5)
    assert (rig.status.plug_count, rig.status.plugged_wh) == (2, None)


def test_a_blink_of_the_feedback_is_not_a_second_charge() -> None:
    rig = charging()
    rig.feedback = False
    rig.run(0.1)
    rig.feedback = None
    rig.run(1.0)
    assert rig.is_closed()
    assert rig.status.energy_on_count == 1


def test_indication_passes_through_unless_faulted() -> None:
    rig = charging()
    assert rig.indication() is Indication.CHARGING
    rig.high_volts = E
    rig.run(0.3)
    assert rig.indication() is Indication.FAULTED


def test_the_status_of_a_new_controller_says_nothing_is_known() -> None:
    clock = ManualClock()
    status = Controller(2, PLAIN).status(clock.monotonic())
    assert status == EvseStatus(evse_id=2, pilot_since_mono=clock.monotonic(), unlock_seq=-1)


def test_a_sample_that_cannot_be_true_is_shown_but_not_believed() -> None:
    rig = charging()
    bad = MeterSample(rig.now_mono, math.nan, 0.0, (0.0,), (230.0,))
    rig.sample = lambda: bad  # type: ignore[method-assign]
    rig.tick()
    assert "meter_missing" in rig.status.why_not


def test_a_status_travels_as_json_and_comes_back_equal() -> None:
    rig = charging(WHOLE)
    assert msgspec.json.decode(msgspec.json.encode(rig.status), type=EvseStatus) == rig.status


def test_cycles_of_contactor_and_lock_are_counted() -> None:
    rig = charging(SOCKET)
    rig.high_volts, rig.amps = A, (0.0,)
    rig.run(10.0)
    rig.charge()
    assert (rig.status.contactor_cycles, rig.status.lock_cycles) == (2, 2)


def test_a_step_of_the_wall_clock_changes_nothing() -> None:
    steady, jumping = Rig(WHOLE), Rig(WHOLE)
    for count in range(600):
        for rig in (steady, jumping):
            rig.high_volts = B if count < 50 else C
            rig.amps = (15.0,) if rig.is_closed() else (0.0,)
        if count % 100 == 60:
            jumping.clock.set_utc(jumping.clock.now().utc + timedelta(days=400 - count))
        assert steady.tick() == jumping.tick()
        assert steady.status == jumping.status
    assert steady.is_closed()


# ---- What is seen reaches those who judge it ---------------------------------------------------------------------


def test_the_meters_sample_is_told_as_it_came() -> None:
    rig = charging()
    assert rig.status.meter == rig.sample()


def test_what_the_devices_say_is_told() -> None:
    rig = charging(WHOLE)
    rig.token = TokenSeen(Token("04A1B2C3", TokenKind.ISO14443, rig.now_mono), 1)
    rig.celsius, rig.plug_celsius, rig.inputs = 31.0, 33.0, (InputName.BUTTON,)
    rig.tick()
    status = rig.status
    assert (status.relay_closed, status.locked, status.cable_amps) == (True, True, 32.0)
    assert (status.celsius, status.plug_celsius, status.inputs) == (31.0, 33.0, (InputName.BUTTON,))
    assert (status.token, status.pilot_mode, status.pilot_state) == (rig.token, PilotMode.PWM, PilotState.C)
    assert (status.phases, status.evse_id) == (3, 1)


def test_what_the_controller_does_is_told() -> None:
    rig = charging(SOCKET)
    status = rig.status
    assert (status.relay_commanded, status.duty_percent, status.offered_amps) == (True, 26.66, 15.996)
    assert status.plugged
    assert rig.now_mono - 3.0 < status.pilot_since_mono < rig.now_mono - 1.0


def test_the_lines_for_the_display_go_through_and_end_with_the_orders() -> None:
    rig = charging()
    seen = [rig.outputs.message]
    rig.message = ("Charging", "11.0 kW")
    rig.tick()
    seen.append(rig.outputs.message)
    rig.orders_come = False
    rig.run(30.1)
    seen.append(rig.outputs.message)
    assert seen == [(), ("Charging", "11.0 kW"), ()]


def test_a_plug_without_its_resistor_is_one_that_is_not_home() -> None:
    rig = charging(SOCKET)
    rig.cable_ohms, rig.cable_amps = 1_000_000.0, None
    rig.run(1.2)
    assert FaultCode.PARTIAL_INSERTION in rig.fault_codes


@pytest.mark.parametrize("knob, device", [("lock_speaks", "lock"), ("cable_speaks", "proximity")])
def test_a_device_of_the_socket_that_says_nothing_is_a_silent_device(knob: str, device: str) -> None:
    rig = charging(SOCKET)
    rig.amps = (0.0, 0.0, 0.0)
    setattr(rig, knob, False)
    rig.run(10.0)
    assert [(fault.code, fault.detail) for fault in rig.status.faults] == [("device_silent", device)]


def test_a_lock_that_fails_three_vehicles_is_broken() -> None:
    rig = Rig(SOCKET)
    rig.lock = False
    for _ in range(3):
        rig.high_volts = B
        rig.run(6.0)
        rig.high_volts = A
        rig.run(1.0)
    assert FaultCode.LATCH_BROKEN in rig.fault_codes
