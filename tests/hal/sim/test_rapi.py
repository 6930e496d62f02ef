"""The simulated OpenEVSE against what its firmware does, asked in its own words."""

import pytest

from hal.sim.rapi import (
    BOOT_LOCK,
    BOOT_S,
    CHARGING,
    DEBOUNCE_S,
    DIODE,
    DISABLED,
    EV_CONNECTED,
    GFCI,
    HARD_FAULT,
    LIMIT_SLEEP,
    NO_GROUND,
    SELF_TEST,
    SELF_TEST_S,
    SLEEPING,
    STARTING,
    STUCK,
    TOO_HOT,
    TOO_MUCH,
    VENT,
    A,
    B,
    C,
    OpenEvse,
)
from hal.types import PilotMode
from tests.hal.sim.controller_rig import Rig

HEARTBEAT_S = 10


def booted() -> Rig[OpenEvse]:
    rig = Rig[OpenEvse](lambda world, say: OpenEvse(world.evse, say))
    rig.live(BOOT_S + 0.1)
    return rig


@pytest.fixture
def rig() -> Rig[OpenEvse]:
    """Booted, unlocked, awake without a vehicle."""
    rig = booted()
    assert asked(rig, "SB") == "$OK 0"
    rig.live(0.5)
    assert rig.controller.state == A
    return rig


def framed(body: str) -> bytes:
    value = 0
    for byte in body.encode():
        value ^= byte
    return f"{body}^{value:02X}\r".encode()


def asked(rig: Rig[OpenEvse], command: str) -> str:
    """The answer to a command, its checksum checked and taken off; "" for none."""
    answers = [line for line in rig.say(framed(f"${command}")) if line.startswith((b"$OK", b"$NK"))]
    for answer in answers:
        body = answer.decode().partition("^")[0]
        assert answer == framed(body)
    return answers[0].decode().partition("^")[0] if answers else ""


def charge(rig: Rig[OpenEvse], amps: int = 16, *quirks: str) -> None:
    assert asked(rig, f"SC {amps} V") == f"$OK {amps}"
    rig.evse.plug_in(quirks=quirks)
    rig.evse.ev_ready()
    rig.until(rig.closed)


def test_it_says_that_it_has_started_and_waits_for_its_boot_lock() -> None:
    rig = booted()
    assert framed("$AB 00 8.2.3") in rig.said
    rig.evse.plug_in()
    rig.evse.ev_ready()
    rig.live(5.0)
    assert rig.controller.state == STARTING
    assert asked(rig, "GS").endswith(f"{BOOT_LOCK:04x}")


def test_it_closes_by_itself_for_a_vehicle_that_asks_after_its_self_test(rig: Rig[OpenEvse]) -> None:
    rig.evse.plug_in()
    rig.until(lambda: rig.controller.state == B)
    assert rig.evse.state().pilot_mode is PilotMode.PWM
    rig.evse.ev_ready()
    rig.until(lambda: rig.controller.state == C)
    assert SELF_TEST_S - 0.1 < rig.until(rig.closed) < SELF_TEST_S + 0.2


def test_while_it_tests_itself_it_listens_to_nobody(rig: Rig[OpenEvse]) -> None:
    rig.evse.plug_in()
    rig.evse.ev_ready()
    rig.until(lambda: rig.controller.state == C)
    rig.world.wait(0.1)
    assert rig.controller.tick(rig.evse.catch_up()) is False


def test_it_opens_within_100_ms_when_the_vehicle_goes_and_forgets_it(rig: Rig[OpenEvse]) -> None:
    charge(rig)
    rig.evse.plug_out(force=True)
    assert rig.until(lambda: not rig.closed()) <= 0.1
    rig.live(1.0)
    assert (rig.controller.state, rig.controller.vflags & EV_CONNECTED) == (A, 0)


def test_it_opens_when_the_vehicle_leaves_c(rig: Rig[OpenEvse]) -> None:
    charge(rig)
    rig.evse.ev_pause()
    rig.until(lambda: not rig.evse.vehicle or not rig.evse.vehicle.s2_closed)
    assert rig.until(lambda: not rig.closed()) <= DEBOUNCE_S + 0.1
    assert rig.evse.state().pilot_mode is PilotMode.PWM


def test_each_change_is_told_once(rig: Rig[OpenEvse]) -> None:
    rig.said.clear()
    rig.evse.plug_in()
    rig.live(2.0)
    told = [line for line in rig.said if line.startswith(b"$AT 02")]
    assert len(told) == 1


@pytest.mark.parametrize("amps, answer", [(6, "$OK 6"), (32, "$OK 32"), (5, "$NK 6"), (0, "$NK 6"), (33, "$NK 32")])
def test_a_current_is_clamped_and_the_answer_says_so(rig: Rig[OpenEvse], amps: int, answer: str) -> None:
    assert asked(rig, f"SC {amps} V") == answer


def test_a_current_reaches_the_vehicle(rig: Rig[OpenEvse]) -> None:
    charge(rig, 20)
    assert rig.evse.offer_amps == pytest.approx(20)
    asked(rig, "SC 8 V")
    assert rig.evse.offer_amps == pytest.approx(8)


def test_to_sleep_it_waits_for_the_vehicle_for_3_s_at_most(rig: Rig[OpenEvse]) -> None:
    charge(rig)
    rig.live(2.0)
    assert asked(rig, "FS") == "$OK"
    assert 0.1 < rig.until(lambda: not rig.closed()) <= 1.5
    assert rig.controller.state == SLEEPING
    assert asked(rig, "FE") == "$OK"
    rig.until(rig.closed)


def test_a_vehicle_that_never_stops_is_cut_off_after_3_s(rig: Rig[OpenEvse]) -> None:
    charge(rig, 16, "never_stops")
    rig.live(2.0)
    asked(rig, "FS")
    assert 2.9 < rig.until(lambda: not rig.closed()) <= 3.2


def test_disabled_it_opens_at_once_and_shows_state_f(rig: Rig[OpenEvse]) -> None:
    charge(rig)
    assert asked(rig, "FD") == "$OK"
    assert rig.until(lambda: not rig.closed()) <= 0.05
    assert rig.controller.state == DISABLED
    assert rig.evse.state().pilot_mode is PilotMode.STEADY_LOW


def test_without_heartbeat_it_falls_back_and_never_below_6_a(rig: Rig[OpenEvse]) -> None:
    assert asked(rig, f"SY {HEARTBEAT_S} 0") == f"$OK {HEARTBEAT_S} 0 0"
    charge(rig, 16)
    rig.live(HEARTBEAT_S + 0.5)
    assert rig.evse.offer_amps == pytest.approx(6)
    assert rig.closed()
    assert asked(rig, "GY") == f"$OK {HEARTBEAT_S} 0 2"


def test_a_beat_in_time_keeps_the_current_and_one_too_late_is_refused_until_acknowledged(rig: Rig[OpenEvse]) -> None:
    asked(rig, f"SY {HEARTBEAT_S} 6")
    charge(rig, 16)
    assert asked(rig, "SY").startswith("$OK")
    for _ in range(3):
        rig.live(HEARTBEAT_S * 0.8)
        assert asked(rig, "SY").startswith("$OK")
    rig.live(HEARTBEAT_S + 0.5)
    assert asked(rig, "SY").startswith("$NK")
    assert asked(rig, "SY 164").startswith("$NK")
    assert asked(rig, "SY 165") == f"$OK {HEARTBEAT_S} 6 1"
    assert rig.controller.amps == 32  # its own maximum: whoever acknowledges has to set the current again


def test_its_time_limit_ends_a_charge_that_nobody_supervises_and_the_next_vehicle_ends_the_limit(
    rig: Rig[OpenEvse],
) -> None:
    assert asked(rig, "S3 1") == "$NK"  # no vehicle
    charge(rig)
    assert asked(rig, "G3") == "$OK 0"
    assert asked(rig, "S3 1") == "$OK"
    assert asked(rig, "G3") == "$OK 1"
    rig.live(890)
    assert rig.closed()
    rig.live(20)
    assert not rig.closed()
    assert (rig.controller.state, rig.controller.vflags & LIMIT_SLEEP) == (SLEEPING, LIMIT_SLEEP)
    rig.evse.plug_out(force=True)
    rig.live(1.0)
    assert rig.controller.state == A


@pytest.mark.parametrize(
    "fault, value, state",
    [("trip_rcd", None, GFCI), ("relay_stuck_open", None, NO_GROUND), ("grid_loss", 0, NO_GROUND)],
)
def test_a_fault_opens_and_is_over_when_cause_and_vehicle_have_gone(
    rig: Rig[OpenEvse], fault: str, value: float | None, state: int
) -> None:
    charge(rig)
    rig.evse.fault(fault, value)
    rig.until(lambda: rig.controller.state == state)
    assert not rig.controller.vflags & CHARGING
    rig.evse.clear_fault(fault)
    rig.live(60)
    assert rig.controller.state == state
    rig.evse.plug_out(force=True)
    rig.until(lambda: rig.controller.state == A)


def test_a_trip_is_opened_within_one_round(rig: Rig[OpenEvse]) -> None:
    charge(rig)
    rig.evse.fault("trip_rcd")
    assert rig.until(lambda: not rig.closed()) <= 0.075


def test_a_relay_that_sticks_is_found_and_only_a_restart_forgets_it(rig: Rig[OpenEvse]) -> None:
    charge(rig)
    rig.evse.fault("weld_relay")
    rig.evse.ev_pause()
    rig.until(lambda: rig.controller.state == STUCK)
    assert rig.controller.vflags & HARD_FAULT
    rig.evse.clear_fault("weld_relay")
    rig.evse.plug_out(force=True)
    rig.live(60)
    assert rig.controller.state == STUCK
    asked(rig, "FR")
    rig.live(BOOT_S + 0.1)
    assert rig.controller.state == STARTING


@pytest.mark.parametrize("quirk, state", [("no_diode", DIODE), ("ventilation", VENT)])
def test_vehicles_that_may_not_charge_are_refused(rig: Rig[OpenEvse], quirk: str, state: int) -> None:
    rig.evse.plug_in(quirks=(quirk,))
    rig.evse.ev_ready()
    rig.until(lambda: rig.controller.state == state)
    assert not rig.closed()


def test_a_self_test_that_fails_keeps_it_open(rig: Rig[OpenEvse]) -> None:
    rig.evse.fault("rcd_test_fails")
    rig.evse.plug_in()
    rig.evse.ev_ready()
    rig.until(lambda: rig.controller.state == SELF_TEST)
    assert not rig.closed()


def test_heat_and_too_much_current_end_the_charge(rig: Rig[OpenEvse]) -> None:
    charge(rig, 10, "ignores_limit")
    assert 5.0 < rig.until(lambda: rig.controller.state == TOO_MUCH, 20.0) < 12.0
    rig.evse.plug_out(force=True)
    rig.until(lambda: rig.controller.state == A)
    rig.evse.fault("over_temperature")
    rig.until(lambda: rig.controller.state == TOO_HOT)


def test_a_check_can_be_switched_off_and_is_then_in_its_settings(rig: Rig[OpenEvse]) -> None:
    assert asked(rig, "FF D 0") == "$OK"
    assert asked(rig, "GE") == "$OK 32 0023"
    assert asked(rig, "FF D 1") == "$OK"
    assert asked(rig, "GE") == "$OK 32 0021"


def test_a_reset_forgets_all_but_its_eeprom(rig: Rig[OpenEvse]) -> None:
    asked(rig, f"SY {HEARTBEAT_S} 8")
    asked(rig, "FF G 0")
    charge(rig, 10)
    asked(rig, "FR")
    rig.live(0.1)
    assert not rig.closed()
    rig.live(BOOT_S)
    assert (rig.controller.amps, rig.controller.vflags) == (32, BOOT_LOCK)
    assert (rig.controller.heartbeat_s, rig.controller.fallback_amps) == (HEARTBEAT_S, 8)
    assert asked(rig, "GE").endswith("0029")


def test_a_sequence_number_is_repeated(rig: Rig[OpenEvse]) -> None:
    assert asked(rig, "GV :7F") == "$OK 8.2.3 5.2.1 :7F"


def test_other_questions_are_answered(rig: Rig[OpenEvse]) -> None:
    assert asked(rig, "GC") == "$OK 6 32 32 32"
    assert asked(rig, "GG") == "$OK 0 240000"
    assert asked(rig, "GP") == "$OK 220 -2560 -2560"
    assert asked(rig, "G9") == "$NK"
    assert asked(rig, "SC x V") == "$NK"
    assert asked(rig, "S3 x") == "$NK"


def test_what_has_a_wrong_checksum_is_refused_and_what_is_too_long_is_not_heard(rig: Rig[OpenEvse]) -> None:
    assert rig.say(b"$FE^00\r") == [framed("$NK")]
    assert rig.say(b"$" + b"x" * 40 + b"\r") == []
    assert rig.say(b"noise\r") == []
    assert rig.say(framed("$GV"))[0].startswith(b"$OK 8.2.3")
