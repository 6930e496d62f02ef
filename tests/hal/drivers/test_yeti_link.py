"""The conversation with a simulated Yeti board over a real port, in real time."""

import time

import pytest

from hal.drivers.yeti_link import LOOP_ALIVE_S, PILOT_STALE_S, VOUCHED_S
from hal.sim.yeti import DEAD_MAN_S, YetiBoard
from hal.types import DeviceMissing, DeviceSilent, PilotMode
from tests.hal.drivers.controllers import YETI, wait_until
from tests.hal.drivers.ports import descriptors


def test_a_board_that_carries_less_than_the_board_file_says_is_refused() -> None:
    def weaker(board: YetiBoard) -> None:
        board.most_amps = 16.0

    assert YETI.refused(weaker)[0].why == "the board carries at most 16 A, the board file says 32 A; lower it"


def test_a_board_with_fewer_phases_is_refused() -> None:
    def single(board: YetiBoard) -> None:
        board.most_phases = 1

    assert YETI.refused(single)[0].why == "the board has 1 phases, the board file says 3"


def test_a_phase_switch_that_the_board_does_not_have_is_refused() -> None:
    def fixed(board: YetiBoard) -> None:
        board.least_phases = 3

    assert YETI.refused(fixed, has_phase_switch=True)[0].why.startswith("the board cannot switch phases")
    with YETI.charger(fixed) as charger:
        assert charger.pilot.read().high_volts == 12.0


def test_a_contactor_told_to_open_opens_at_once() -> None:
    with YETI.charger() as charger:
        charger.charge()
        charger.relays.hold(False, 0.0)
        assert wait_until(lambda: not charger.energised, 2.0) < 0.3


def test_a_control_loop_that_hangs_ends_the_charge_and_our_signs_of_life() -> None:
    with YETI.charger() as charger:
        charger.charge()
        assert wait_until(lambda: not charger.energised, LOOP_ALIVE_S + 1.0) > LOOP_ALIVE_S - 0.3
        time.sleep(0.5)
        silent_since_mono = charger.controller.host_mono
        time.sleep(1.5)
        assert charger.controller.host_mono == silent_since_mono
        charger.play(lambda: charger.energised)


def test_a_board_that_hears_nobody_opens_by_itself() -> None:
    with YETI.charger() as charger:
        charger.charge()
        charger.evse.fault("controller_unplugged")
        took_s = charger.play(lambda: not charger.energised, DEAD_MAN_S + 2.0)
        assert took_s > DEAD_MAN_S - 2.0
        assert any(isinstance(error, DeviceMissing) for error in charger.errors)
        charger.evse.clear_fault("controller_unplugged")
        charger.play(lambda: charger.energised, bound_s=15)


def test_a_change_is_told_at_once_and_silence_means_no_change_until_a_sign_of_life_is_overdue() -> None:
    with YETI.charger() as charger:
        ages = []
        until_mono = time.monotonic() + 2.5
        while time.monotonic() < until_mono:
            before_mono = charger.world.monotonic()
            ages.append(before_mono - charger.pilot.read().at_mono)
            time.sleep(0.01)
        assert max(ages) < 0.1  # vouched for
        charger.evse.plug_in()
        assert wait_until(lambda: charger.pilot.read().high_volts == 9.0) < 0.3
        charger.evse.fault("controller_stops")
        began_mono = time.monotonic()
        with pytest.raises(DeviceSilent, match="no sign of life for"):
            wait_until(lambda: charger.pilot.read() is None, 5.0)
        assert time.monotonic() - began_mono < VOUCHED_S + PILOT_STALE_S + 0.3


def test_one_damaged_message_is_not_believed_to_have_said_nothing() -> None:
    """It may have been the vehicle's going: nothing flows until the board has told its state again or started anew."""
    with YETI.charger() as charger:
        charger.charge()
        charger.say(b"\x05\x11\x22\x33\x44\x00")
        charger.play(lambda: bool(charger.errors) and not charger.energised)
        assert "a message was damaged" in charger.errors[0].why
        charger.play(lambda: charger.energised)


def test_closing_opens_the_contactor_and_gives_the_port_back() -> None:
    with YETI.charger() as charger:
        charger.charge()
        before = descriptors()
        charger.close()
        wait_until(lambda: not charger.energised, 1.0)
        assert charger.evse.state().pilot_mode is PilotMode.STEADY_HIGH
        assert descriptors() < before
