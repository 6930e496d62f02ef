"""Composition root and main loop of the control process: read -> step -> write -> publish, every 20 ms, or every 40
while no vehicle is there.

Safe state comes first (before anything else can fail or take time) and last (whatever ended the loop). In between a
device error is a value: the reading is missing, and the core says no. Only a contactor that cannot be written ends it.
"""

import argparse
import faulthandler
import gc
import logging
import os
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from chargerd import hardening, service
from chargerd.channel import ChannelBusy, ChannelError, ControlChannel, ControlEnd
from chargerd.devices import EvseUnit, OutputFailed
from chargerd.dropin import board_dropin
from chargerd.evse.controller import Controller
from chargerd.evse.types import EvseStatus, LoopHealth, Orders, PilotState, Status
from chargerd.pace import Histogram, Pacer, Wake
from chargerd.poll import JOIN_BOUND_S, Poller
from chargerd.service import EXIT_CONFIG, EXIT_FAILED, EXIT_TRY_AGAIN
from hal.board import Board, BoardConfig, load_board, open_board
from hal.board_file import REQUIRED_ROLES
from hal.types import BoardError, BoardFacts, HalError, PilotMode

PERIOD_S = 0.02
"""Well inside the shortest reaction asked for: open within 100 ms of losing state C (IEC 61851-1 table A.6)."""

IDLE_PERIOD_S = 0.04
"""With every contactor open and nothing plugged in there is nothing to open: so a charger stands most of its life, and
half the work is saved. A card is still answered within 0.3 s."""

PUBLISH_PERIOD_S = 1.0
"""A Status goes out on every change and this often without one."""

OFFER_PERIOD_S = 0.1
"""A Status that nobody took (the station is still starting) is offered again this soon, for its start waits for one."""

STOP_BOUND_S = 7.0
"""A stop waits this long for the soft stop (6 s, evse/controller.py) before it opens under load."""

COLLECT_PERIOD_S = 60.0
"""Garbage is collected at this pace, right after a tick: never in the middle of one, and never by surprise."""

SWITCH_INTERVAL_S = 0.0005
"""How long a poller may keep the interpreter while the loop is due; the default, 5 ms, is a quarter of the period."""

log = logging.getLogger("control")


class ControlLoop:
    """All EVSEs, stepped together from the latest Orders; publishes what came of it."""

    def __init__(self, facts: BoardFacts, units: tuple[EvseUnit, ...], channel: ControlChannel) -> None:
        self.progress = service.Progress("loop", "pilot")
        self._facts = facts
        self._units = units
        self._controllers = tuple(Controller(unit.evse_id, facts.evses[unit.evse_id - 1]) for unit in units)
        self._channel = channel
        self._watchdog = service.Watchdog(self.progress)
        self._orders: Orders | None = None
        self._run_id = os.urandom(4).hex()
        self._seq = 0
        self._published: tuple[EvseStatus, ...] = ()
        self._publish_due_mono = float("-inf")
        self._pilots_at_mono = float("-inf")
        self._refused = 0
        self._lateness = Histogram()
        self._ticks = 0
        self._missed = 0
        self._work = Histogram()

    def tick(self, now_mono: float, stopping: bool = False) -> None:
        """Read, step, write and publish once. `stopping`: as if nobody gave orders. Raises OutputFailed."""
        self._orders = self._channel.latest_orders() or self._orders
        orders = None if stopping else self._orders
        for unit, controller in zip(self._units, self._controllers, strict=True):
            was_closed = unit.relay_closed
            outputs = controller.step(unit.read(now_mono), orders, now_mono)
            unit.write(outputs, now_mono)
            if was_closed and not unit.relay_closed:
                why = ", ".join(controller.status(now_mono).why_not) or "the pilot does not do as it is told"
                log.info("EVSE %d: contactor opens (%s)", unit.evse_id, why)
            for poller in unit.pollers:
                if poller.crash is not None:
                    raise RuntimeError(f"{poller.name}: the poller ended: {poller.crash!r}") from poller.crash
        self._ticks += 1
        self._publish(now_mono)
        self._feed_watchdog(now_mono)

    def account(self, wake: Wake, work_s: float) -> None:
        """Remember how late a tick began and how long it took."""
        self._lateness.add(wake.late_s)
        self._missed += wake.missed
        self._work.add(work_s)

    def is_open(self) -> bool:
        """Whether every contactor has been told to open, and no feedback says otherwise."""
        return not any(unit.relay_closed or unit.contacts_closed for unit in self._units)

    def period_s(self) -> float:
        """How long until the next tick is due, as of the last one."""
        return IDLE_PERIOD_S if all(map(_is_idle, self._published)) else PERIOD_S

    def health(self) -> LoopHealth:
        """How the loop has kept time so far."""
        return LoopHealth(
            ticks=self._ticks,
            missed=self._missed,
            late_p50_ms=self._lateness.percentile_s(50.0) * 1e3,
            late_p999_ms=self._lateness.percentile_s(99.9) * 1e3,
            late_max_ms=self._lateness.max_s * 1e3,
            work_p99_ms=self._work.percentile_s(99.0) * 1e3,
            work_max_ms=self._work.max_s * 1e3,
        )

    def _publish(self, now_mono: float) -> None:
        evses = tuple(controller.status(now_mono) for controller in self._controllers)
        if evses == self._published and now_mono < self._publish_due_mono:
            return
        if now_mono >= self._publish_due_mono:
            self._publish_due_mono = now_mono + PUBLISH_PERIOD_S
            self._tell_refused()
        self._published = evses
        self._seq += 1
        status = Status(
            run_id=self._run_id,
            seq=self._seq,
            at_mono=now_mono,
            board=self._facts,
            evses=evses,
            loop=self.health(),
        )
        if not self._channel.publish(status):
            self._publish_due_mono = min(self._publish_due_mono, now_mono + OFFER_PERIOD_S)

    def _tell_refused(self) -> None:
        refused = self._channel.health().refused
        if refused != self._refused:
            log.warning("%d datagrams refused (stranger, too big or garbage), ignoring", refused - self._refused)
            self._refused = refused

    def _feed_watchdog(self, now_mono: float) -> None:
        """The loop turned, and at least one pilot was really measured anew."""
        self.progress.moved("loop")
        newest = max(unit.pilot_at_mono for unit in self._units)
        if newest > self._pilots_at_mono:
            self._pilots_at_mono = newest
            self.progress.moved("pilot")
        self._watchdog.feed(now_mono)


class StopSignal:
    """SIGTERM, SIGINT or SIGHUP: the first asks for a soft stop, a second one for the end of patience."""

    def __init__(self) -> None:
        self.count = 0
        self.name = ""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.count += 1
        self.name = signal.Signals(number).name


def run_loop(loop: ControlLoop, stop: StopSignal) -> None:
    """Tick until stopped; then go on until every contactor opened softly, STOP_BOUND_S at most."""
    pacer = Pacer(PERIOD_S)
    collect_due_mono = time.monotonic() + COLLECT_PERIOD_S
    stop_by_mono: float | None = None
    while True:
        wake = pacer.wait()
        loop.tick(wake.at_mono, stopping=stop.count > 0)
        done_mono = time.monotonic()
        loop.account(wake, done_mono - wake.at_mono)
        pacer.period_s = PERIOD_S if stop.count else loop.period_s()
        if stop.count:
            if stop_by_mono is None:
                stop_by_mono = done_mono + STOP_BOUND_S
                service.stopping(stop.name)
                log.info("stopping (%s)", stop.name)
            if loop.is_open() or done_mono >= stop_by_mono or stop.count > 1:
                return
        if done_mono >= collect_due_mono:
            collect_due_mono = done_mono + COLLECT_PERIOD_S
            gc.collect()


def assert_safe_state(config: BoardConfig) -> list[HalError]:
    """Open every contactor, put every pilot to x1, try each EVSE whatever the others do. Returns what went wrong."""
    problems: list[HalError] = []
    for index, alone in enumerate(essentials(config)):
        try:
            board = open_board(alone)
            try:
                problems += board.safe_state()
            finally:
                board.close()
        except HalError as error:
            problems.append(HalError(error.device.replace("evse[0]", f"evse[{index}]"), error.why))
    return problems


def essentials(config: BoardConfig) -> tuple[BoardConfig, ...]:
    """One board for each EVSE, with nothing on it but what can energise something.

    A meter, a file with the serial number or an EVSE that is not there must not keep a contactor closed.
    """
    return tuple(_essentials_of(config, index) for index in range(len(config.evses)))


def _essentials_of(config: BoardConfig, index: int) -> BoardConfig:
    evse, plant = config.evses[index], config.plant
    if plant is not None:
        peers = (msgspec.structs.replace(peer, evse=1) for peer in plant.peer if peer.evse == index + 1)
        plant = msgspec.structs.replace(plant, meter=(), peer=tuple(peers))
    devices = tuple(device for device in evse.devices if device.role in REQUIRED_ROLES)
    alone = (msgspec.structs.replace(evse, devices=devices),)
    return msgspec.structs.replace(config, evses=alone, plant=plant, serial="safe-state", serial_file=None)


def main_control(options: argparse.Namespace) -> int:
    """`chargerd control`: the exit code. `options`: board, run, desk (paths; desk may be None)."""
    hardening.begin_privately()
    stop = StopSignal()
    try:
        config = load_board(options.board)
    except BoardError as error:
        sys.stderr.write(f"chargerd control: {error}\n")
        return EXIT_CONFIG
    return run_control(config, options.run, options.desk, stop)


def run_control(config: BoardConfig, run_dir: Path, desk: Path | None, stop: StopSignal) -> int:
    """Everything from the safe state at the start to the one at the end; the exit code."""
    with ExitStack() as resources:
        channel = open_channel(run_dir, resources)
        if isinstance(channel, ChannelBusy):  # the board is in other hands, which are not disturbed
            sys.stderr.write(f"chargerd control: {channel}\n")
            return EXIT_TRY_AGAIN
        problems = assert_safe_state(config)
        safe_mono = time.monotonic()
        faulthandler.enable()
        service.set_up_logging("chargerd-control")
        for problem in problems:
            log.error("no safe state: %s", problem)
        if not problems:
            log.info("safe state asserted %.0f ms after exec", (safe_mono - exec_mono()) * 1e3)
        if isinstance(channel, ChannelError):
            log.error("%s", channel)
            return EXIT_TRY_AGAIN
        try:
            board = open_board(config, desk=desk, run_dir=run_dir)
            resources.callback(board.close)
            control_board(board, channel, stop)
        except BoardError as error:
            log.error("%s", error)
            return EXIT_CONFIG
        except (HalError, OutputFailed) as error:
            log.error("%s; ending for a fresh start", error)
            return EXIT_FAILED
        except Exception:
            log.exception("the loop failed; ending for a fresh start")
            return EXIT_FAILED
    return 0


def open_channel(run_dir: Path, resources: ExitStack) -> ControlEnd | ChannelError:
    """Our end of the channel, or why it cannot be had: the safe state comes before anybody minds."""
    try:
        channel = ControlEnd(run_dir)
    except ChannelError as error:
        return error
    resources.callback(channel.close)
    return channel


def control_board(board: Board, channel: ControlChannel, stop: StopSignal) -> None:
    """Run an open board until stopped; whatever ends it, it ends in the safe state. Raises OutputFailed."""
    units = tuple(EvseUnit(evse_id, devices) for evse_id, devices in enumerate(board.evses, 1))
    loop = ControlLoop(board.facts, units, channel)
    try:
        board.safe_state()
        for poller in _pollers(units):
            poller.start()
        loop.tick(time.monotonic())
        hardening.give_up_programs_and_listeners()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        gc.collect()
        gc.freeze()  # what lives now lives for ever and need not be looked at again
        gc.disable()
        service.ready(f"{board.facts.model} {board.facts.serial}, {len(units)} EVSE")
        run_loop(loop, stop)
    finally:
        problems = board.safe_state()
        for problem in problems:
            log.error("no safe state: %s", problem)
        if not problems:
            log.info("contactors told to open, pilots steady (%s)", _in_words(loop.health()))
        stop_pollers(units)


def stop_pollers(units: tuple[EvseUnit, ...]) -> None:
    """End all of them within JOIN_BOUND_S together; one that hangs in its device is left behind."""
    for poller in _pollers(units):
        poller.ask_to_stop()
    stop_by_mono = time.monotonic() + JOIN_BOUND_S
    for poller in _pollers(units):
        if not poller.stop(max(0.0, stop_by_mono - time.monotonic())):
            log.warning("%s: hangs in its device, leaving it behind", poller.name)


def main_safe_state(options: argparse.Namespace) -> int:
    """`chargerd safe-state`: contactors open, pilots x1. 0: all took it, 1: one did not, 78: wrong board file."""
    try:
        problems = assert_safe_state(load_board(options.board))
    except BoardError as error:
        sys.stderr.write(f"chargerd safe-state: {error}\n")
        return EXIT_CONFIG
    for problem in problems:
        sys.stderr.write(f"chargerd safe-state: {problem}\n")
    if not problems:
        sys.stdout.write("chargerd safe-state: contactors open, pilots steady\n")
    return EXIT_FAILED if problems else 0


def main_board_dropin(options: argparse.Namespace) -> int:
    """`chargerd board-dropin`: print the drop-in that opens the unit to exactly this board. 78: wrong board file."""
    try:
        sys.stdout.write(board_dropin(load_board(options.board)))
    except BoardError as error:
        sys.stderr.write(f"chargerd board-dropin: {error}\n")
        return EXIT_CONFIG
    return 0


def exec_mono() -> float:
    """The monotonic second at which this process was started (proc(5), stat field 22, to 10 ms)."""
    started_ticks = int(Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()[19])
    boot_offset_s = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
    return started_ticks / os.sysconf("SC_CLK_TCK") - boot_offset_s


def _is_idle(evse: EvseStatus) -> bool:
    """Whether nothing can come of this EVSE that would not bear to be seen a little later."""
    resting = evse.pilot_state is PilotState.A and evse.pilot_mode is PilotMode.STEADY_HIGH
    return resting and not evse.relay_commanded and evse.relay_closed is not True


def _in_words(health: LoopHealth) -> str:
    late = f"late p50 {health.late_p50_ms:.2f}, p99.9 {health.late_p999_ms:.2f}, max {health.late_max_ms:.2f} ms"
    work = f"work p99 {health.work_p99_ms:.2f}, max {health.work_max_ms:.2f} ms"
    return f"{health.ticks} ticks, {health.missed} periods missed, {late}, {work}"


def _pollers(units: tuple[EvseUnit, ...]) -> list[Poller[Any]]:
    return [poller for unit in units for poller in unit.pollers]
