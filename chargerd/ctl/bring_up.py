"""`chargerctl board bring-up`: lead a person through every device of a board and write down what came of it.

The board is in its safe state before the first step, after each one, and at every end: the last step, q, Ctrl-C, the
terminal closed, an error. No control process runs meanwhile, and none can start.
"""

import contextlib
import ctypes
import hashlib
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import msgspec

from chargerd.control import assert_safe_state
from chargerd.ctl import bring_up_panel, bring_up_power, bring_up_sensors
from chargerd.ctl.board_picture import ROLE_NAMES, picture_of
from chargerd.ctl.bring_up_acts import (
    Act,
    Ask,
    Hang,
    Look,
    Outcome,
    Place,
    Say,
    Script,
    Step,
    Wait,
    failed,
    ok,
    skipped,
)
from chargerd.ctl.bring_up_report import INKS, Entry, Report
from chargerd.ctl.screen import Ink
from chargerd.ctl.terminal import Ended, Reply, Terminal
from chargerd.version import VERSION
from hal.board import Board, BoardConfig, DeviceConfig, open_board
from hal.board_file import REQUIRED_ROLES
from hal.types import HalError

STEPS: dict[str, tuple[Step, ...]] = {
    "pilot": (
        Step("level", bring_up_power.pilot_level),
        Step("state F and open", bring_up_power.pilot_modes),
        Step("duty", bring_up_power.pilot_duty),
        Step("vehicle states", bring_up_power.pilot_states),
    ),
    "inputs": (Step("one by one", bring_up_sensors.inputs),),
    "residual": (Step("self-test", bring_up_sensors.residual),),
    "thermometer": (Step("reading", bring_up_sensors.thermometer),),
    "plug_thermometer": (Step("reading", bring_up_sensors.plug_thermometer),),
    "proximity": (Step("cable", bring_up_sensors.proximity),),
    "lock": (Step("movement", bring_up_panel.lock),),
    "phase_switch": (Step("movement", bring_up_power.phases),),
    "meter": (Step("readings", bring_up_sensors.meter),),
    "relays": (Step("close and open", bring_up_power.contactor), Step("dead-man", bring_up_power.dead_man)),
    "external_limit": (Step("signal", bring_up_sensors.external_limit),),
    "indicator": (Step("patterns", bring_up_panel.indicator),),
    "display": (Step("text", bring_up_panel.display),),
    "reader": (Step("card", bring_up_panel.reader),),
}
"""Role -> what to try, in the order to try it: what protects comes before what energises."""

IDLE_PERIOD_S = 0.1
"""While a person thinks, pilot and contactor are read this often: a controller behind them must not think we hang."""

VALUES_IN_A_LINE = 4

INTRODUCTION = (
    "Each device is tried in turn. Locks move, and contactors close after a question of their own.",
    "y right, n wrong, s leave it out, q end. Whatever ends this, the board goes to its safe state.",
)


class BringUp:
    """One walk through an open board. `wait`: how time passes between two calls to a device; `hang`: how it passes
    while nothing of this process runs; `steps`: see STEPS.
    """

    def __init__(
        self,
        board: Board,
        terminal: Terminal,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
        hang: Callable[[float], None] = time.sleep,
        steps: Mapping[str, tuple[Step, ...]] = STEPS,
    ) -> None:
        self.entries: list[Entry] = []
        self._board = board
        self._terminal = terminal
        self._monotonic = monotonic
        self._wait = wait
        self._hang = hang
        self._steps = steps
        self._idle_due_mono = 0.0

    def walk(self, config: BoardConfig, roles: frozenset[str]) -> None:
        """Every step of the devices that are open and of these roles. Raises Ended."""
        self.reach_safe_state("safe state at the start")
        for evse_id, (evse, devices) in enumerate(zip(config.evses, self._board.evses, strict=True), 1):
            place = Place(evse_id, evse.facts, devices, self._monotonic)
            drivers = {device.role: device.driver for device in evse.devices}
            todo = [role for role in self._steps if role in roles and getattr(devices, role) is not None]
            if todo:
                self._terminal.say("")
                self._terminal.say(f"EVSE {evse_id}: unplug everything from it", Ink.HEAD)
            for role in todo:
                for step in self._steps[role]:
                    self._try(place, role, drivers[role], step)

    def reach_safe_state(self, name: str) -> None:
        """Put the board there, and note how it went."""
        begin_mono = self._monotonic()
        problems = self._board.safe_state()
        outcome = failed("; ".join(str(problem) for problem in problems)) if problems else ok()
        self._note(
            Entry(evse_id=0, role="board", driver="", step=name, outcome=outcome, took_s=self._since(begin_mono))
        )

    def _try(self, place: Place, role: str, driver: str, step: Step) -> None:
        begin_mono = self._monotonic()
        self._terminal.say("")
        self._terminal.say(f"{ROLE_NAMES.get(role, role)}, {step.name}", Ink.HEAD)
        outcome, end = skipped("not finished"), None
        try:
            outcome = self.play(step.run(place))
        except Ended as ended:
            end = ended
        problems = self._board.safe_state()
        if problems:
            worse = "; ".join([*filter(None, [outcome.note]), *(f"no safe state: {problem}" for problem in problems)])
            outcome = failed(worse, *outcome.values)
        took_s = self._since(begin_mono)
        self._note(
            Entry(evse_id=place.evse_id, role=role, driver=driver, step=step.name, outcome=outcome, took_s=took_s)
        )
        if end is not None:
            raise end

    def play(self, script: Script) -> Outcome:
        """Run a step: perform what it yields, give it the replies. However it ends, it puts its own things back."""
        try:
            act = next(script)
            while True:
                act = script.send(self._perform(act))
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
        except HalError as error:
            return failed(str(error))
        finally:
            with contextlib.suppress(HalError):  # the safe state comes next, and tells what is not to be had
                script.close()

    def _perform(self, act: Act) -> Reply:
        match act:
            case Say():
                self._terminal.say(act.text)
            case Wait():
                self._wait(act.for_s)
            case Hang():
                self._hang(act.for_s)
            case Look():
                self._terminal.show(act.text)
                self._idle()
                return Reply.DONE if self._terminal.pressed(act.for_s) else Reply.NOTHING
            case Ask():
                return self._terminal.ask(act.question, lambda: self._meanwhile(act))
        return Reply.NOTHING

    def _meanwhile(self, ask: Ask) -> None:
        if ask.meanwhile is not None:
            with contextlib.suppress(HalError):  # a light that fails is seen, and judged by the answer
                ask.meanwhile()
        self._idle()

    def _idle(self) -> None:
        now_mono = self._monotonic()
        if now_mono < self._idle_due_mono:
            return
        self._idle_due_mono = now_mono + IDLE_PERIOD_S
        for evse in self._board.evses:
            for read in (evse.pilot.read, evse.relays.read):
                with contextlib.suppress(HalError):  # the step that uses it tells
                    read()

    def _since(self, begin_mono: float) -> float:
        return round(self._monotonic() - begin_mono, 3)

    def _note(self, entry: Entry) -> None:
        self.entries.append(entry)
        tell(entry, self._terminal)


def keep_still(for_s: float) -> None:
    """Nothing of this process runs for so long, or until a signal: a C call that does not let go of the interpreter."""
    ctypes.PyDLL(None).poll(None, 0, round(for_s * 1000))


def tell(entry: Entry, terminal: Terminal) -> None:
    """Say how a step ended."""
    outcome = entry.outcome
    what = "" if entry.evse_id else f"{entry.step} "
    terminal.say(f"  {what}{outcome.result}{f': {outcome.note}' if outcome.note else ''}", INKS[outcome.result])
    values = [str(value) for value in outcome.values]
    for text in values if len(values) > VALUES_IN_A_LINE else filter(None, [", ".join(values)]):
        terminal.say(f"    {text}")


def bring_up(config: BoardConfig, roles: frozenset[str], terminal: Terminal, desk: Path | None = None) -> Report:
    """Open the board, walk through it, leave it safe; the report. Raises BoardError when it cannot be this board."""
    at_utc = datetime.now(UTC)
    sha256 = hashlib.sha256(config.path.read_bytes()).hexdigest()
    config = _with_roles(config, roles)
    terminal.say(picture_of(config).title + ("  SIMULATED" if config.simulated else ""), Ink.HEAD)
    for line in INTRODUCTION:
        terminal.say(line)
    serial, entries, ended = _open_and_walk(config, roles, terminal, desk)
    return Report(
        at_utc=f"{at_utc:%Y-%m-%dT%H:%M:%SZ}",
        board_file=str(config.path),
        board_sha256=sha256,
        vendor=config.vendor,
        model=config.model,
        serial=serial,
        simulated=config.simulated,
        chargerd=VERSION,
        ended=ended,
        entries=tuple(entries),
    )


def _open_and_walk(
    config: BoardConfig, roles: frozenset[str], terminal: Terminal, desk: Path | None
) -> tuple[str, list[Entry], str]:
    """Serial number, entries, and why it ended early (empty: it did not)."""
    serial = config.serial or "unknown"
    with _end_by_signal():
        try:
            board, entries = open_what_is_there(config, desk)
        except Ended as end:
            return serial, [], str(end)
        for entry in entries:
            tell(entry, terminal)
        if board is None:
            for problem in assert_safe_state(config):
                terminal.say(f"no safe state: {problem}", Ink.BAD)
            return serial, entries, "ended before it began: pilot and contactor must be there"
        # What is simulated lives in this process and has to go on.
        walk, ended = BringUp(board, terminal, hang=time.sleep if config.simulated else keep_still), ""
        try:
            walk.walk(config, roles)
        except Ended as end:
            ended = str(end)
        finally:
            try:
                walk.reach_safe_state("safe state at the end")
            finally:
                board.close()
        return board.facts.serial, [*entries, *walk.entries], ended


def open_what_is_there(config: BoardConfig, desk: Path | None) -> tuple[Board | None, list[Entry]]:
    """The board without the devices that cannot be opened, and an entry for each of those.

    None: a pilot or contactor is among them, and without it nothing on the board may be tried.
    """
    missing: list[Entry] = []
    while True:
        begin_mono = time.monotonic()
        try:
            return open_board(config, desk=desk), missing
        except HalError as error:
            evse_id, device = _device_named(config, error.device)
            role, driver = (device.role, device.driver) if device else (error.device, "")
            took_s = round(time.monotonic() - begin_mono, 3)
            outcome = failed(str(error))
            missing.append(
                Entry(evse_id=evse_id, role=role, driver=driver, step="opening", outcome=outcome, took_s=took_s)
            )
            if device is None or role in REQUIRED_ROLES:
                return None, missing
            config = _without(config, evse_id, device)


def _device_named(config: BoardConfig, name: str) -> tuple[int, DeviceConfig | None]:
    for index, evse in enumerate(config.evses):
        for device in evse.devices:
            if name == f"evse[{index}].{device.role}":
                return index + 1, device
    return 0, None


def _without(config: BoardConfig, evse_id: int, device: DeviceConfig) -> BoardConfig:
    evses = list(config.evses)
    evse = evses[evse_id - 1]
    evses[evse_id - 1] = msgspec.structs.replace(evse, devices=tuple(d for d in evse.devices if d is not device))
    return msgspec.structs.replace(config, evses=tuple(evses))


def _with_roles(config: BoardConfig, roles: frozenset[str]) -> BoardConfig:
    """The board with the devices of these roles, and with what can energise something, which must be safe."""
    needed = roles | set(REQUIRED_ROLES)
    evses = (
        msgspec.structs.replace(evse, devices=tuple(device for device in evse.devices if device.role in needed))
        for evse in config.evses
    )
    return msgspec.structs.replace(config, evses=tuple(evses))


@contextmanager
def _end_by_signal() -> Iterator[None]:
    """The first of Ctrl-C, SIGTERM and SIGHUP ends the walk; more of them do not disturb the way to the safe state."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end(number: int, _frame: FrameType | None) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise Ended(f"ended by {signal.Signals(number).name}")

    before = [signal.signal(each, end) for each in signals]
    try:
        yield
    finally:
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)
