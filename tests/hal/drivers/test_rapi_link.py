"""The conversation with a simulated OpenEVSE over a real port, in real time."""

import time

import pytest

from hal.drivers.rapi import CHECK_NAMES, Check
from hal.drivers.rapi_link import LOOP_ALIVE_S, WITHHELD_S
from hal.sim.rapi import BOOT_LOCK, MISSED, SELF_TEST_S, SLEEPING, TIME_LIMIT, C, OpenEvse
from hal.types import Alarm, DeviceMissing, PilotMode
from tests.hal.drivers.controllers import RAPI, wait_until
from tests.hal.drivers.ports import descriptors

# ---- getting to know it ----


@pytest.mark.parametrize("check", CHECK_NAMES)
def test_a_controller_with_a_safety_check_switched_off_is_refused_by_name_and_stays_locked(check: Check) -> None:
    def switch_off(controller: OpenEvse) -> None:
        controller.flags |= check

    error, controller = RAPI.refused(switch_off)
    assert f"safety checks are switched off: {CHECK_NAMES[check]};" in error.why
    assert controller.vflags & BOOT_LOCK


def test_a_ventilated_place_does_not_need_the_refusal_of_state_d() -> None:
    def switch_off(controller: OpenEvse) -> None:
        controller.flags |= Check.VENTILATION

    with RAPI.charger(switch_off, ventilated=True) as charger:
        assert charger.pilot.read().high_volts == 12.0


def test_a_firmware_without_heartbeat_supervision_is_refused() -> None:
    def build_without(controller: OpenEvse) -> None:
        controller.lacks = frozenset({"SY", "GY"})

    error, controller = RAPI.refused(build_without)
    assert "needs HEARTBEAT_SUPERVISION" in error.why
    assert controller.vflags & BOOT_LOCK


def test_a_firmware_without_time_limit_is_refused() -> None:
    def build_without(controller: OpenEvse) -> None:
        controller.lacks = frozenset({"S3", "G3"})

    error, controller = RAPI.refused(build_without)
    assert "needs TIME_LIMIT" in error.why
    assert controller.vflags & BOOT_LOCK


def test_a_firmware_that_speaks_an_older_protocol_is_refused() -> None:
    def older(controller: OpenEvse) -> None:
        controller.protocol = "4.0.1"

    assert "speaks protocol 4.0.1; expected 5.1 or later" in RAPI.refused(older)[0].why


def test_a_controller_that_is_set_to_less_than_the_board_file_says_is_refused() -> None:
    def weaker(controller: OpenEvse) -> None:
        controller.most_amps = 24

    assert "at most 24 A, the board file to 32 A" in RAPI.refused(weaker)[0].why


def test_it_is_unlocked_asleep_and_supervised_when_the_driver_is_ready() -> None:
    with RAPI.charger() as charger:
        assert not charger.controller.vflags & BOOT_LOCK
        assert charger.controller.state == SLEEPING
        assert (charger.controller.heartbeat_s, charger.controller.fallback_amps) == (3, 6)


def test_a_check_that_is_switched_off_at_the_controllers_own_menu_ends_the_charge() -> None:
    with RAPI.charger() as charger:
        charger.charge()
        charger.controller.flags |= Check.GROUND
        charger.play(lambda: bool(charger.errors) and not charger.energised, bound_s=15)
        assert "ground check" in charger.errors[0].why


# ---- offers ----


def test_a_contactor_told_to_open_opens_under_load_at_once() -> None:
    with RAPI.charger() as charger:
        charger.charge()
        charger.pilot.set(PilotMode.STEADY_HIGH, 100.0)
        charger.relays.hold(False, 0.0)
        assert wait_until(lambda: not charger.energised, 2.0) < 0.5


def test_whole_amperes_are_offered_and_never_more_than_granted() -> None:
    with RAPI.charger() as charger:
        charger.charge()
        assert charger.evse.offer_amps == pytest.approx(16.0)
        charger.amps = 10.9
        took_s = charger.play(lambda: charger.evse.offer_amps < 16)
        assert charger.evse.offer_amps == pytest.approx(10.0)
        assert took_s < 0.5
        assert charger.energised


def test_the_silence_of_the_self_test_before_each_closing_is_no_failure() -> None:
    def as_it_is(controller: OpenEvse) -> None:
        controller.self_test_s = SELF_TEST_S

    with RAPI.charger(as_it_is) as charger:
        charger.evse.plug_in()
        charger.evse.ev_ready()
        took_s = charger.play(lambda: charger.energised)
        assert charger.errors == []
        assert took_s > SELF_TEST_S


def test_a_current_that_the_controller_does_not_take_is_an_error_and_nothing_is_offered() -> None:
    with RAPI.charger() as charger:
        charger.controller.most_amps = 13  # as in over-temperature, which refuses to raise the current
        charger.evse.plug_in()
        charger.evse.ev_ready()
        charger.play(lambda: bool(charger.errors))
        assert "refuses 16 A; it is set to 13" in charger.errors[0].why
        assert charger.controller.state == SLEEPING
        charger.amps = 13
        charger.play(lambda: charger.energised)


def test_a_lower_current_set_at_the_controllers_own_menu_is_put_right() -> None:
    with RAPI.charger() as charger:
        charger.charge()
        charger.controller.amps = 30
        charger.play(lambda: charger.controller.amps == 16, bound_s=3)


def test_a_charge_always_has_an_end_that_needs_nobody() -> None:
    with RAPI.charger() as charger:
        charger.charge()
        assert charger.controller.vflags & TIME_LIMIT
        assert charger.controller.limit_s == 900


def test_a_time_limit_that_is_not_taken_is_an_error_and_nothing_is_offered() -> None:
    with RAPI.charger() as charger:
        charger.controller.lacks = frozenset({"S3"})
        charger.evse.plug_in()
        charger.evse.ev_ready()
        charger.play(lambda: bool(charger.errors))
        assert "takes no time limit" in charger.errors[0].why
        charger.play(lambda: charger.controller.state == SLEEPING)
        assert not charger.energised


# ---- what ends by itself ----


def test_an_offer_withdrawn_by_a_soft_stop_lets_the_vehicle_stop_first() -> None:
    with RAPI.charger() as charger:
        charger.charge()
        amps_at_opening: list[float] = []

        def opened() -> bool:
            with charger.world.plant.lock:
                charger.evse.catch_up()
                if charger.evse.contacts_closed:
                    amps_at_opening[:] = [charger.evse.state().vehicle_amps]
            charger.pilot.set(PilotMode.STEADY_HIGH, 100.0)
            charger.relays.hold(True, 1.0)
            return not charger.energised

        wait_until(opened, 4.0)
        assert amps_at_opening[0] <= 2.0


def test_a_contactor_that_closed_before_we_permitted_it_opens_at_once_when_the_offer_ends() -> None:
    """The controller is quicker than our own judgement: an emergency in between must not wait for the vehicle."""
    with RAPI.charger() as charger:
        charger.evse.plug_in(quirks=("never_stops",))
        charger.evse.ev_ready()

        def closed_by_itself() -> bool:
            charger.pilot.set(PilotMode.PWM, 26.67)
            charger.relays.hold(False, 0.0)
            return charger.energised

        wait_until(closed_by_itself)
        wait_until(lambda: charger.relays.read().closed is True, 1.0)
        charger.pilot.set(PilotMode.STEADY_HIGH, 100.0)
        charger.relays.hold(False, 0.0)
        assert wait_until(lambda: not charger.energised, 2.0) < 0.5


def test_a_lease_that_is_not_renewed_opens_and_the_offer_waits_for_its_next_beginning() -> None:
    with RAPI.charger() as charger:
        charger.charge()
        charger.relays.hold(True, 0.2)

        def opened() -> bool:
            charger.pilot.set(PilotMode.PWM, 26.67)
            return not charger.energised

        assert 0.1 < wait_until(opened, 2.0) < 0.8
        began_mono = time.monotonic()
        charger.play(lambda: charger.energised, bound_s=12)
        assert time.monotonic() - began_mono > WITHHELD_S


def test_a_control_loop_that_hangs_stops_the_charge_and_the_heartbeat_and_one_that_returns_is_told() -> None:
    with RAPI.charger() as charger:
        charger.charge()
        assert wait_until(lambda: not charger.energised, LOOP_ALIVE_S + 2.0) > LOOP_ALIVE_S - 0.3
        wait_until(lambda: charger.controller.beat_missed == MISSED, 6.0)
        alarms: set[Alarm] = set()

        def charges_again() -> bool:
            alarms.update(charger.pilot.read().alarms)
            return charger.energised

        charger.play(charges_again, bound_s=15)
        assert alarms == {Alarm.HEARTBEAT_MISSED}
        assert charger.controller.beat_missed != MISSED
        assert charger.evse.offer_amps == pytest.approx(16.0)  # not the controller's own maximum


# ---- what breaks, and comes back ----


def test_a_controller_that_started_anew_is_unlocked_and_supervised_again() -> None:
    with RAPI.charger() as charger:
        charger.charge()
        charger.evse.fault("controller_reset")
        charger.play(lambda: bool(charger.errors) and not charger.energised)
        charger.play(lambda: charger.energised, bound_s=20)
        assert not charger.controller.vflags & BOOT_LOCK
        assert charger.controller.heartbeat_s == 3
        assert charger.evse.offer_amps == pytest.approx(16.0)


def test_an_adapter_pulled_out_leaves_the_fallback_current_and_put_back_everything_begins_anew() -> None:
    with RAPI.charger() as charger:
        charger.charge()
        charger.evse.fault("controller_unplugged")
        charger.play(lambda: any(isinstance(error, DeviceMissing) for error in charger.errors))
        charger.play(lambda: charger.controller.beat_missed == MISSED)
        assert charger.evse.offer_amps == pytest.approx(6.0)  # what nobody can prevent from here
        charger.evse.clear_fault("controller_unplugged")
        charger.play(lambda: not charger.energised, bound_s=5)
        charger.play(lambda: charger.energised, bound_s=20)
        assert charger.evse.offer_amps == pytest.approx(16.0)


def test_noise_and_strange_news_on_the_line_do_no_harm() -> None:
    with RAPI.charger() as charger:
        charger.charge()
        burst = (b"\xff\x00garbage\r", b"$AN 1^36\r", b"$WF 02^70\r", b"$$$$OK\r", b"$OK 01 0 01 0000 :01^00\r")
        for noise in burst:
            charger.say(noise)
        began_mono = time.monotonic()
        charger.play(lambda: time.monotonic() - began_mono > 1.0)
        assert charger.errors == []
        assert charger.energised


def test_a_disturbance_that_damages_many_lines_while_an_answer_is_waited_for_counts_once() -> None:
    with RAPI.charger() as charger:
        charger.charge()
        with charger.world.plant.lock:  # the controller is busy, and says nothing in between
            for _ in range(20):
                charger.say(b"$$$$OK\r")
                time.sleep(0.005)
        began_mono = time.monotonic()
        charger.play(lambda: time.monotonic() - began_mono > 1.0)
        assert charger.errors == []
        assert charger.energised


def test_the_news_of_a_state_is_believed_before_it_is_asked_for() -> None:
    with RAPI.charger() as charger:
        charger.charge()
        charger.evse.plug_out(force=True)
        assert wait_until(lambda: charger.pilot.read().high_volts == 12.0, 1.0) < 0.4
        assert charger.controller.state != C
        wait_until(lambda: not charger.energised, 0.5)


def test_closing_puts_the_controller_to_rest_and_gives_the_port_back() -> None:
    with RAPI.charger() as charger:
        charger.charge()
        before = descriptors()
        charger.close()
        wait_until(lambda: not charger.energised, 0.5)
        assert charger.controller.state == SLEEPING
        assert descriptors() < before


def test_flags_that_are_not_known_do_no_harm() -> None:
    with RAPI.charger() as charger:
        charger.controller.vflags |= 0x0001 | 0x0400
        began_mono = time.monotonic()
        charger.play(lambda: time.monotonic() - began_mono > 0.3)
        assert charger.errors == []
