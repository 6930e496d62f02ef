"""The residual current monitor: tested before each session, and after a trip not tried again at once."""

from typing import Any

import pytest

from chargerd.evse.residual import (
    ANSWER_S,
    DC_RETRIES,
    DC_RETRY_S,
    IDLE_TEST_S,
    RETEST_S,
    SETTLE_S,
    ResidualWatch,
)
from chargerd.evse.types import SelfTest
from hal.types import Alarm, ResidualReading


class Watched:
    """A residual watch on its own clock, with knobs for what it is shown."""

    def __init__(self, fitted: bool = True) -> None:
        self.watch = ResidualWatch(fitted)
        self.mono = 100_000.0
        self.connected = False
        self.idle = True
        self.speaks = True
        self.ac = self.dc = False
        self.alarms: tuple[Alarm, ...] = ()
        self.answer: SelfTest | None = None

    def after(self, seconds: float = 0.02, **knobs: Any) -> ResidualWatch:
        """The watch after one step so many seconds later, with these knobs turned."""
        for name, value in knobs.items():
            setattr(self, name, value)
        self.mono += seconds
        reading = ResidualReading(self.ac, self.dc, self.mono) if self.speaks else None
        self.watch.update(reading, self.alarms, self.connected, self.mono)
        self.watch.test(self.answer, self.connected, self.idle, self.mono)
        return self.watch

    def passes(self, seconds: float = 0.02, passed: bool = True) -> ResidualWatch:
        """As `after`, with the answer to the test that was asked for last."""
        return self.after(seconds, answer=SelfTest(self.watch.test_seq, passed, self.mono + seconds))

    def tested(self) -> "Watched":
        """Started, tested and settled, nobody there."""
        self.after()
        self.passes()
        self.after(SETTLE_S)
        return self

    def ready(self) -> bool:
        return self.watch.ready

    def failed(self) -> bool:
        return self.watch.failed


# ---- Tests -----------------------------------------------------------------------------------------------------------


def test_at_the_start_the_monitor_is_tested() -> None:
    watched = Watched()
    assert not watched.ready()
    assert watched.after().test_seq == 1
    assert watched.passes().ready
    assert watched.watch.tested_mono == watched.mono


def test_after_plugging_in_it_is_not_relied_upon_before_it_has_passed_again() -> None:
    watched = Watched().tested()
    assert watched.ready()
    assert not watched.after(connected=True).ready
    assert watched.watch.test_seq == 2
    assert not watched.after().ready
    assert watched.passes().ready
    assert watched.after(3600.0).ready
    assert watched.watch.test_seq == 2
    assert not watched.after(connected=False).ready


def test_each_session_has_a_test_of_its_own() -> None:
    watched = Watched().tested()
    for count in range(1, 4):
        watched.after(10.0, connected=True)
        assert watched.watch.test_seq == 1 + count
        watched.passes()
        watched.after(10.0, connected=False)
        assert watched.watch.test_seq == 1 + count


@pytest.mark.parametrize("knobs", [{"idle": False}, {"speaks": False}, {"ac": True}, {"dc": True}])
def test_it_is_tested_only_while_the_contactor_is_open_and_the_monitor_speaks_and_rests(knobs: dict[str, Any]) -> None:
    watched = Watched().tested()
    watched.after(connected=True, **knobs)
    assert watched.after(100.0).test_seq == 1
    assert not watched.ready()
    watched.after(400.0, idle=True, speaks=True, ac=False, dc=False)
    assert watched.watch.test_seq == 2


def test_without_a_session_it_is_tested_once_a_day() -> None:
    watched = Watched().tested()
    assert watched.after(IDLE_TEST_S - SETTLE_S - 1.0).test_seq == 1
    assert watched.after(1.0).test_seq == 2
    assert not watched.ready()
    assert watched.passes().ready
    assert watched.after(IDLE_TEST_S).test_seq == 3
    assert IDLE_TEST_S == 24 * 3600


def test_a_test_that_is_not_passed_fails_and_is_repeated_each_minute_until_it_is() -> None:
    watched = Watched()
    watched.after()
    assert watched.passes(passed=False).failed
    assert not watched.ready()
    assert watched.after(RETEST_S - 0.01).test_seq == 1
    assert watched.after(0.02).test_seq == 2
    assert watched.failed()
    assert watched.passes(passed=False).failed
    watched.after(RETEST_S)
    watched.passes()
    assert not watched.failed()
    assert watched.ready()


def test_a_failed_test_is_not_repeated_while_the_contactor_may_be_closed() -> None:
    watched = Watched()
    watched.after()
    watched.passes(passed=False)
    assert watched.after(10 * RETEST_S, idle=False).test_seq == 1


def test_a_test_that_is_not_answered_within_5_seconds_has_failed_and_a_late_answer_counts_for_nothing() -> None:
    watched = Watched()
    watched.after()
    assert not watched.after(ANSWER_S - 0.01).failed
    assert watched.after(0.02).failed
    assert not watched.passes().ready
    assert watched.failed()


def test_after_the_loop_stood_still_a_test_under_way_has_its_time_again() -> None:
    watched = Watched()
    watched.after()
    watched.mono += 60.0
    watched.watch.resume(watched.mono)
    assert not watched.after(ANSWER_S - 0.01).failed
    assert watched.after(0.02).failed
    watched.watch.resume(watched.mono)
    assert watched.after(RETEST_S).test_seq == 2


def test_the_answer_to_another_test_is_no_answer() -> None:
    watched = Watched()
    watched.after(answer=SelfTest(7, True, 0.0))
    assert not watched.after().ready
    assert not watched.after(answer=SelfTest(0, True, 0.0)).ready


@pytest.mark.parametrize("line", ["ac", "dc"])
def test_while_a_test_runs_and_settles_its_trip_lines_are_expected(line: str) -> None:
    watched = Watched()
    watched.after()
    watch = watched.after(**{line: True})
    assert (watch.tripped, watch.ac, watch.dc) == (True, False, False)
    watched.passes()
    watch = watched.after(SETTLE_S - 0.1)
    assert (watch.tripped, watch.ac, watch.dc) == (True, False, False)
    watch = watched.after(0.2)
    assert (watch.ac, watch.dc) == (line == "ac", line == "dc")


def test_without_a_monitor_nothing_is_tested_and_nothing_waits_for_it() -> None:
    watched = Watched(fitted=False)
    watch = watched.after(connected=True)
    assert (watch.ready, watch.failed, watch.test_seq) == (True, False, 0)


# ---- Trips -----------------------------------------------------------------------------------------------------------


def test_a_monitor_that_was_not_read_lately_is_silent() -> None:
    watched = Watched()
    assert watched.after(speaks=False).silent
    assert not watched.after(speaks=True).silent


def test_an_ac_trip_is_told_while_it_is_seen() -> None:
    watched = Watched().tested()
    watch = watched.after(ac=True)
    assert (watch.tripped, watch.ac, watch.dc, watch.dc_again) == (True, True, False, False)
    watch = watched.after(ac=False)
    assert (watch.tripped, watch.ac) == (False, False)


def test_an_alarm_of_the_controller_is_a_trip_without_a_monitor_too() -> None:
    watched = Watched(fitted=False)
    assert watched.after(alarms=(Alarm.RESIDUAL_AC,)).ac
    watch = watched.after(alarms=(Alarm.RESIDUAL_DC,))
    assert (watch.tripped, watch.ac, watch.dc) == (True, False, True)


def test_a_dc_trip_is_tried_again_after_5_minutes() -> None:
    watched = Watched().tested()
    watched.after(connected=True)
    watched.passes()
    watched.after(SETTLE_S)
    assert watched.after(dc=True).dc
    assert watched.after(DC_RETRY_S - 1.0, dc=False).dc
    assert not watched.watch.tripped
    assert not watched.after(1.0).dc
    assert DC_RETRY_S == 300.0


def test_the_fourth_dc_trip_of_a_session_stands_until_the_vehicle_has_gone() -> None:
    watched = Watched().tested()
    watched.after(connected=True)
    watched.passes()
    for _ in range(DC_RETRIES):
        watch = watched.after(SETTLE_S, dc=True)
        assert (watch.dc, watch.dc_again) == (True, False)
        assert not watched.after(DC_RETRY_S, dc=False).dc
    watch = watched.after(dc=True)
    assert (watch.dc, watch.dc_again) == (False, True)
    assert watched.after(100_000.0, dc=False).dc_again
    watch = watched.after(connected=False)
    assert (watch.dc, watch.dc_again) == (False, False)
    watched.after(connected=True)
    watched.passes()
    assert watched.after(SETTLE_S, dc=True).dc


def test_a_line_that_chatters_is_one_trip() -> None:
    watched = Watched().tested()
    watched.after(connected=True)
    watched.passes()
    for count in range(100):
        watch = watched.after(SETTLE_S, dc=count % 2 == 0)
        assert watch.dc
        assert not watch.dc_again


def test_without_a_vehicle_a_dc_trip_lasts_as_long_as_it_is_seen() -> None:
    watched = Watched().tested()
    assert watched.after(dc=True).dc
    assert not watched.after(dc=False).dc


# ---- Figures ---------------------------------------------------------------------------------------------------------


def test_before_anything_was_read_the_monitor_is_silent_untested_and_has_not_tripped() -> None:
    watch = ResidualWatch(fitted=True)
    assert (watch.silent, watch.ready, watch.failed, watch.tested_mono, watch.test_seq) == (True, False, False, None, 0)
    assert (watch.tripped, watch.ac, watch.dc, watch.dc_again) == (False, False, False, False)
    assert ResidualWatch(fitted=False).ready


def test_the_figures_are_those_that_the_rules_name() -> None:
    assert (ANSWER_S, SETTLE_S, RETEST_S, IDLE_TEST_S) == (5.0, 1.0, 60.0, 86_400.0)
    assert (DC_RETRY_S, DC_RETRIES) == (300.0, 3)


def test_a_vehicle_that_is_there_at_the_start_gets_a_test_of_its_own() -> None:
    watched = Watched()
    assert watched.after(connected=True).test_seq == 1
    assert watched.passes().ready


def test_a_test_has_failed_from_the_very_moment_its_time_is_over() -> None:
    watch = ResidualWatch(fitted=True)
    for mono in (0.0, ANSWER_S):
        watch.update(ResidualReading(False, False, mono), (), False, mono)
        watch.test(None, False, True, mono)
    assert watch.failed


def test_its_word_is_believed_for_as_long_as_the_board_is_said_to_be_silent() -> None:
    reading = ResidualReading(False, False, 0.0)
    patient, usual = ResidualWatch(True, 2.0), ResidualWatch(True)
    for watch in (patient, usual):
        watch.update(reading, (), False, 2.0)
    assert not patient.silent
    assert usual.silent
    patient.update(reading, (), False, 2.01)
    assert patient.silent
