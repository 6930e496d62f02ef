"""Pollers: the latest value, errors as values, back-off, numbered tokens, and threads that end in bounded time."""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from chargerd.clock import ManualClock
from chargerd.evse.types import MeterSession, SelfTest, SignFor
from chargerd.poll import (
    MAX_BACK_OFF_S,
    MISSES_TO_STALE,
    WRITE_AGAIN_S,
    MeterSessions,
    Poller,
    Presentations,
    SelfTester,
    Writer,
    back_off_s,
)
from hal.interfaces import SigningMeter
from hal.sim.faults import Fault
from hal.types import (
    DeviceGarbled,
    DeviceSilent,
    DeviceSwapped,
    HalError,
    ResidualReading,
    SigningPhase,
    Token,
    TokenKind,
)
from tests.hal.drivers.signing_bench import bench_of, verified
from tests.hal.plants import World

SILENT = DeviceSilent("meter", "no answer in 0.5 s")


def reader_of(*answers: int | HalError | None) -> Callable[[], int | None]:
    """A device that gives these answers one after another."""
    rest = list(answers)

    def read() -> int | None:
        answer = rest.pop(0)
        if isinstance(answer, HalError):
            raise answer
        return answer

    return read


def poller_of(*answers: int | HalError | None, period_s: float = 1.0) -> Poller[int]:
    return Poller("meter", reader_of(*answers), period_s, ManualClock(mono=7.0).monotonic)


def wait_until(condition: Callable[[], bool], bound_s: float = 10.0) -> None:
    end = time.monotonic() + bound_s
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.001)


def test_a_reading_replaces_the_latest_and_is_due_again_after_the_period() -> None:
    poller = poller_of(1, 2)
    assert poller.poll_once() == 1.0
    assert poller.latest == 1
    poller.poll_once()
    assert poller.latest == 2
    assert poller.polled.reads == 2


def test_nothing_new_keeps_the_latest() -> None:
    poller = poller_of(1, None)
    poller.poll_once()
    poller.poll_once()
    assert poller.latest == 1


def test_an_error_is_a_value_with_its_text_count_and_beginning() -> None:
    poller = poller_of(1, SILENT, SILENT)
    for _ in range(3):
        poller.poll_once()
    polled = poller.polled
    assert (polled.error, polled.misses, polled.failing_since_mono) == ("meter: no answer in 0.5 s", 2, 7.0)
    assert poller.latest == 1


def test_a_device_in_the_place_of_another_is_told_apart_from_one_that_fails() -> None:
    poller = poller_of(1, DeviceSwapped("meter", "2 answers where 1 was"), SILENT, 1)
    told = []
    for _ in range(4):
        poller.poll_once()
        told.append(poller.polled.swapped)
    assert told == ["", "2 answers where 1 was", "", ""]


def test_three_failures_in_a_row_withdraw_the_value_and_one_success_restores_it() -> None:
    poller = poller_of(1, *[SILENT] * MISSES_TO_STALE, 9)
    for _ in range(1 + MISSES_TO_STALE):
        poller.poll_once()
    withdrawn = poller.latest
    poller.poll_once()
    assert (withdrawn, poller.latest) == (None, 9)
    assert (poller.polled.error, poller.polled.misses) == ("", 0)


def test_a_failure_is_logged_when_it_begins_changes_and_ends_but_not_each_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    poller = poller_of(SILENT, SILENT, SILENT, DeviceGarbled("meter", "CRC wrong"), 1)
    for _ in range(5):
        poller.poll_once()
    assert [record.getMessage() for record in caplog.records] == [
        "meter: no answer in 0.5 s (failure 1 in a row)",
        "meter: CRC wrong (failure 4 in a row)",
        "meter: works again after 4 failures",
    ]


def test_back_off_begins_short_and_doubles_up_to_its_bound() -> None:
    assert [back_off_s(misses, 1.0) for misses in range(1, 8)] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 4.0])
    assert back_off_s(10_000, 1.0) == MAX_BACK_OFF_S
    assert back_off_s(10_000, 10.0) == 10.0


def test_a_failing_device_is_asked_again_after_the_back_off() -> None:
    poller = poller_of(SILENT, SILENT, SILENT)
    assert [poller.poll_once() for _ in range(3)] == pytest.approx([0.1, 0.2, 0.4])


class Panel:
    """A slow device that notes what it is given; `broken`: it fails."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.broken = False

    def show(self, text: str) -> None:
        if self.broken:
            raise SILENT
        self.shown.append(text)


def test_a_writer_passes_on_the_latest_wish_once() -> None:
    panel = Panel()
    writer = Writer("panel", panel.show, "")
    for wish in ("a", "b", "b"):
        writer.want(wish)
    for _ in range(3):
        writer.poller.poll_once()
    assert panel.shown == ["b"]


def test_a_writer_shows_the_first_wish_again_after_another() -> None:
    panel = Panel()
    writer = Writer("panel", panel.show, "")
    for wish in ("a", "b", "a"):
        writer.want(wish)
        writer.poller.poll_once()
    assert panel.shown == ["a", "b", "a"]


def test_a_writer_shows_the_same_wish_again_after_a_minute() -> None:
    panel, clock = Panel(), ManualClock(mono=7.0)
    writer = Writer("panel", panel.show, "a", clock.monotonic)
    for _ in range(3):
        writer.poller.poll_once()
        clock.advance(WRITE_AGAIN_S - 1.0)
        writer.poller.poll_once()
        clock.advance(1.0)
    assert panel.shown == ["a", "a", "a"]


def test_a_writer_repeats_what_the_device_failed_to_take() -> None:
    panel = Panel()
    writer = Writer("panel", panel.show, "")
    writer.want("a")
    panel.broken = True
    writer.poller.poll_once()
    assert writer.poller.polled.misses == 1
    panel.broken = False
    writer.poller.poll_once()
    assert panel.shown == ["a"]


class Monitor:
    """A residual current monitor whose own test gives `answer`; `tests` counts how often it was run."""

    def __init__(self, answer: bool | HalError = True) -> None:
        self.answer = answer
        self.tests = 0

    def read(self) -> ResidualReading:
        return ResidualReading(False, False, 7.0)

    def self_test(self) -> bool:
        self.tests += 1
        if isinstance(self.answer, HalError):
            raise self.answer
        return self.answer


def self_tester(monitor: Monitor) -> SelfTester:
    return SelfTester(monitor, "residual self-test", ManualClock(mono=7.0).monotonic)


def test_no_self_test_runs_before_one_is_wanted() -> None:
    monitor = Monitor()
    tester = self_tester(monitor)
    tester.want(0)
    tester.poller.poll_once()
    assert (monitor.tests, tester.poller.latest) == (0, None)


@pytest.mark.parametrize("answer", [True, False])
def test_a_wanted_self_test_runs_once_and_its_result_stays(answer: bool) -> None:
    monitor = Monitor(answer)
    tester = self_tester(monitor)
    tester.want(1)
    for _ in range(3):
        tester.poller.poll_once()
    assert (monitor.tests, tester.poller.latest) == (1, SelfTest(1, answer, 7.0))
    tester.want(2)
    tester.poller.poll_once()
    assert (monitor.tests, tester.poller.latest) == (2, SelfTest(2, answer, 7.0))


def test_a_self_test_that_the_device_does_not_answer_has_failed() -> None:
    tester = self_tester(Monitor(SILENT))
    tester.want(1)
    tester.poller.poll_once()
    assert tester.poller.latest == SelfTest(1, False, 7.0)
    assert tester.poller.polled.misses == 1


class Cards:
    """A reader to which these cards are shown one after another."""

    def __init__(self, *uids: str | None) -> None:
        self._uids = list(uids)

    def read(self) -> Token | None:
        uid = self._uids.pop(0)
        return None if uid is None else Token(uid, TokenKind.ISO14443, 1.0)


def test_each_presentation_gets_the_next_number_even_of_the_same_card() -> None:
    presentations = Presentations(Cards("AA", None, "AA"))
    first, nothing, second = (presentations.read() for _ in range(3))
    assert first is not None
    assert second is not None
    assert nothing is None
    assert (first.seq, second.seq) == (1, 2)
    assert first.token == second.token


def test_the_thread_reads_by_itself_until_stopped() -> None:
    count = iter(range(10_000))
    poller = Poller("counter", lambda: next(count), 0.001)
    poller.start()
    wait_until(lambda: (poller.latest or 0) >= 5)
    assert poller.stop()
    stopped_at = poller.latest
    assert poller.stop()
    assert poller.latest == stopped_at


def test_a_thread_that_is_called_reads_at_once_and_then_in_its_period_again() -> None:
    count = iter(range(10_000))
    poller = Poller("counter", lambda: next(count), 30.0)
    poller.start()
    for read in range(5):
        wait_until(lambda: poller.latest == read)  # noqa: B023  it is called in here only
        poller.call()
    wait_until(lambda: poller.latest == 5)
    assert poller.stop()
    assert poller.latest == 5


def test_a_stop_at_whatever_moment_does_not_wait_for_the_period() -> None:
    for _ in range(300):
        poller = Poller("idle", lambda: 1, 30.0)
        poller.start()
        assert poller.stop(bound_s=10.0)


def test_who_writes_or_tests_is_called_only_when_there_is_something_new() -> None:
    writer, tester = Writer("panel", Panel().show, ""), self_tester(Monitor(True))
    called = []
    for wish, seq in (("", 0), ("a", 1), ("a", 1), ("b", 2)):
        writer.want(wish)
        tester.want(seq)
        called.append((writer.poller.called, tester.poller.called))
        for poller in (writer.poller, tester.poller):
            poller.poll_once()
            assert not poller.called
    assert called == [(False, False), (True, True), (False, False), (True, True)]


def test_a_stop_is_bounded_even_when_the_device_hangs() -> None:
    hanging, entered = threading.Event(), threading.Event()

    def read() -> int:
        entered.set()
        hanging.wait(30)
        return 1

    poller = Poller("hung", read, 1.0)
    poller.start()
    assert entered.wait(10)
    began = time.monotonic()
    assert not poller.stop(bound_s=0.05)
    assert time.monotonic() - began < 2.0
    hanging.set()
    assert poller.stop()


def test_a_stop_before_the_start_is_harmless() -> None:
    assert poller_of(1).stop()


def test_an_exception_that_no_driver_may_raise_is_kept_for_the_loop() -> None:
    def broken() -> int:
        raise TypeError("driver bug")

    poller = Poller("broken", broken, 1.0)
    poller.start()
    wait_until(lambda: poller.crash is not None)
    assert isinstance(poller.crash, TypeError)
    assert poller.stop()


# ---- sessions of signing meters ----

ONE, TWO = SignFor("tx-1", "04AABBCCDD"), SignFor("tx-2", "04AABBCCDD")
LOCAL = datetime(2026, 7, 1, 12, 0, 0, tzinfo=timezone(timedelta(hours=2)))


class Stand:
    """A signing meter whose sessions are driven, one reading each second."""

    def __init__(self, world: World, meter: SigningMeter) -> None:
        self.world = world
        self.sessions = MeterSessions(meter, world.monotonic, lambda: LOCAL)

    def read(self, seconds: int = 40, until: SigningPhase | None = None) -> MeterSession:
        for _ in range(seconds):
            self.sessions.read()
            self.world.wait(1.0)
            if self.sessions.session.phase is until:
                break
        return self.sessions.session


def simulated() -> Stand:
    world = World()
    return Stand(world, world.meter)


def test_a_session_is_opened_when_it_is_wanted_and_closed_when_it_is_not() -> None:
    stand = simulated()
    assert stand.read(3) == MeterSession()
    stand.sessions.want(ONE)
    assert stand.read(1).phase is SigningPhase.BEGINNING
    active = stand.read(until=SigningPhase.ACTIVE)
    assert (active.sign_for, active.phase, active.end) == (ONE, SigningPhase.ACTIVE, None)
    assert active.public_key == b"simulated key"
    assert stand.read(5) == active
    stand.sessions.want(None)
    assert stand.read(1).phase is SigningPhase.ENDING
    closed = stand.read(until=SigningPhase.IDLE)
    assert (closed.sign_for, closed.phase) == (ONE, SigningPhase.IDLE)
    assert closed.end is not None
    assert b"04AABBCCDD" in closed.end


def test_the_next_session_of_the_same_card_is_another_one() -> None:
    stand = simulated()
    stand.sessions.want(ONE)
    stand.read(until=SigningPhase.ACTIVE)
    stand.sessions.want(TWO)
    assert stand.read(1).phase is SigningPhase.ENDING
    stand.read(until=SigningPhase.BEGINNING)
    active = stand.read(until=SigningPhase.ACTIVE)
    assert (active.sign_for, active.end) == (TWO, None)


def test_a_session_from_before_a_restart_is_closed_before_the_next_one_opens() -> None:
    stand = simulated()
    stand.sessions.want(ONE)
    stand.read(until=SigningPhase.ACTIVE)
    restarted = Stand(stand.world, stand.world.meter)
    restarted.sessions.want(TWO)
    failed = restarted.read(until=SigningPhase.FAILED)
    assert "end it first" in failed.why
    assert restarted.read(until=SigningPhase.ACTIVE).sign_for == TWO


def test_a_meter_that_does_not_answer_fails_no_session_by_itself() -> None:
    stand = simulated()
    stand.sessions.want(ONE)
    stand.read(until=SigningPhase.ACTIVE)
    stand.world.evse.fault(Fault.STALL_METER)
    with pytest.raises(DeviceSilent):
        stand.sessions.read()
    assert stand.sessions.session.phase is SigningPhase.ACTIVE


@pytest.mark.parametrize("name", ["bauer_bsm_ws36a", "carlo_gavazzi_em580", "iskra_wm3m4"])
def test_the_sessions_of_real_meters_are_driven_to_a_document_that_verifies(name: str, tmp_path: Path) -> None:
    with bench_of(name, tmp_path) as bench:
        stand = Stand(bench.world, bench.meter)
        stand.sessions.want(ONE)
        assert stand.read(until=SigningPhase.ACTIVE).sign_for == ONE
        stand.read(3)
        stand.sessions.want(None)
        stand.read(until=SigningPhase.ENDING)
        closed = stand.read(until=SigningPhase.IDLE)
        assert closed.end is not None
        assert verified(closed.end, closed.public_key)["ID"] == ONE.text
        assert (closed.begin is not None) is (name == "bauer_bsm_ws36a")
