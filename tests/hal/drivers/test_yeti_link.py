"""The conversation with a simulated Yeti board over a real port, in real time."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from hal.drivers.pilot_yeti import PilotSettings, Settings, YetiMeter, YetiPilot
from hal.drivers.yeti_link import LOOP_ALIVE_S, PILOT_STALE_S, VOUCHED_S
from hal.sim.yeti import DEAD_MAN_S, YetiBoard
from hal.types import DeviceGarbled, DeviceMissing, DeviceSilent, HalError, PilotMode
from tests.hal.drivers.controllers import wait_until, yeti_charger
from tests.hal.drivers.ports import descriptors


def refusal(prepare: Callable[[YetiBoard], None], **facts: Any) -> str:
    """Why a board prepared like this is refused."""
    with yeti_charger(prepare, opened=False, **facts) as charger:
        settings, slot = PilotSettings(port=str(charger.port)), charger.slot("pilot")
        with pytest.raises(HalError) as caught:
            YetiPilot(settings, slot)
        return caught.value.why


def test_a_board_that_carries_less_than_the_board_file_says_is_refused() -> None:
    def weaker(board: YetiBoard) -> None:
        board.most_amps = 16.0

    assert refusal(weaker) == "the board carries at most 16 A, the board file says 32 A; lower it"


def test_a_board_with_fewer_phases_is_refused() -> None:
    def single(board: YetiBoard) -> None:
        board.most_phases = 1

    assert refusal(single) == "the board has 1 phases, the board file says 3"


def test_a_phase_switch_that_the_board_does_not_have_is_refused() -> None:
    def fixed(board: YetiBoard) -> None:
        board.least_phases = 3

    assert refusal(fixed, has_phase_switch=True).startswith("the board cannot switch phases")
    with yeti_charger(fixed) as charger:
        assert charger.pilot.read().high_volts == 12.0


def test_a_vehicle_charges_at_the_duty_shown_and_follows_a_lower_limit() -> None:
    with yeti_charger() as charger:
        charger.charge()
        assert charger.evse.offer_amps == pytest.approx(16.0, abs=0.01)
        charger.amps = 10.0
        assert charger.play(lambda: charger.evse.offer_amps < 15) < 0.5
        assert charger.evse.offer_amps == pytest.approx(10.0, abs=0.01)
        assert charger.energised


def test_a_contactor_told_to_open_opens_at_once() -> None:
    with yeti_charger() as charger:
        charger.charge()
        charger.relays.hold(False, 0.0)
        assert wait_until(lambda: not charger.energised, 2.0) < 0.3


def test_a_lease_that_is_not_renewed_opens() -> None:
    with yeti_charger() as charger:
        charger.charge()
        charger.relays.hold(True, 0.2)

        def opened() -> bool:
            charger.pilot.set(PilotMode.PWM, 26.67)
            return not charger.energised

        assert 0.1 < wait_until(opened, 2.0) < 0.8


def test_a_control_loop_that_hangs_ends_the_charge_and_our_signs_of_life() -> None:
    with yeti_charger() as charger:
        charger.charge()
        assert wait_until(lambda: not charger.energised, LOOP_ALIVE_S + 1.0) > LOOP_ALIVE_S - 0.3
        time.sleep(0.5)
        silent_since_mono = charger.controller.host_mono
        time.sleep(1.5)
        assert charger.controller.host_mono == silent_since_mono
        charger.play(lambda: charger.energised)


def test_a_poller_that_goes_on_reading_does_not_keep_a_hung_loops_charge_alive() -> None:
    with yeti_charger() as charger:
        meter = charger.open(YetiMeter, Settings(port=str(charger.port)), "meter")
        charger.charge()
        wait_until(lambda: bool(meter.read()) and not charger.energised, LOOP_ALIVE_S + 1.0)


def test_a_board_that_hears_nobody_opens_by_itself() -> None:
    with yeti_charger() as charger:
        charger.charge()
        charger.evse.fault("controller_unplugged")
        took_s = charger.play(lambda: not charger.energised, DEAD_MAN_S + 2.0)
        assert took_s > DEAD_MAN_S - 2.0
        assert any(isinstance(error, DeviceMissing) for error in charger.errors)
        charger.evse.clear_fault("controller_unplugged")
        charger.play(lambda: charger.energised, bound_s=15)


def test_a_change_is_told_at_once_and_silence_means_no_change_until_a_sign_of_life_is_overdue() -> None:
    with yeti_charger() as charger:
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


@pytest.mark.parametrize(
    "fault, kind",
    [
        ("controller_reset", DeviceSilent),
        ("controller_stops", DeviceSilent),
        ("controller_half_lines", DeviceGarbled),
        ("controller_bad_crc", DeviceGarbled),
    ],
)
def test_a_board_that_fails_gives_no_energy_is_named_and_charges_again_when_it_is_whole(
    fault: str, kind: type[HalError]
) -> None:
    with yeti_charger() as charger:
        charger.charge()
        charger.evse.fault(fault)
        charger.play(lambda: bool(charger.errors) and not charger.energised)
        assert type(charger.errors[0]) is kind
        charger.evse.clear_fault(fault)
        charger.play(lambda: charger.energised, bound_s=20)
        assert charger.evse.offer_amps == pytest.approx(16.0, abs=0.01)


def test_one_damaged_message_is_not_believed_to_have_said_nothing() -> None:
    """It may have been the vehicle's going: nothing flows until the board has told its state again or started anew."""
    with yeti_charger() as charger:
        charger.charge()
        charger.say(b"\x05\x11\x22\x33\x44\x00")
        charger.play(lambda: bool(charger.errors) and not charger.energised)
        assert "a message was damaged" in charger.errors[0].why
        charger.play(lambda: charger.energised)


def test_a_contactor_can_be_told_to_open_while_the_adapter_is_out() -> None:
    with yeti_charger() as charger:
        charger.evse.fault("controller_unplugged")
        charger.play(lambda: bool(charger.errors))
        charger.relays.hold(False, 0.0)  # no error: it is the first thing said when the link is back
        with pytest.raises(DeviceMissing):
            charger.relays.read()


def test_closing_opens_the_contactor_and_gives_the_port_back() -> None:
    with yeti_charger() as charger:
        charger.charge()
        before = descriptors()
        charger.close()
        wait_until(lambda: not charger.energised, 1.0)
        assert charger.evse.state().pilot_mode is PilotMode.STEADY_HIGH
        assert descriptors() < before
