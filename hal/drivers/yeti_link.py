"""The conversation with one Yeti board: it tells each change at once and every second that it lives; so do we.

The board does the fast part by itself: it closes only with our permission and for a vehicle that asks, and opens when
the vehicle leaves C. What is wanted is said when it changes and again every second, so a lost message heals. When the
control loop has not called for a second, the permission ends and our own signs of life stop; the board's dead-man does
the rest (docs/adr/0051-co-processors-and-their-dead-men.md).
"""

import math
from collections.abc import Callable

import msgspec

from hal.drivers import yeti
from hal.drivers.serial_link import Port, SerialLink
from hal.drivers.yeti import (
    CpState,
    ErrorFlags,
    KeepAlive,
    LockState,
    Message,
    Packets,
    PowerMeter,
    PpState,
    RelaysClosed,
    Restarted,
    YetiGarbled,
)
from hal.types import DeviceGarbled, DeviceSilent, EvseFacts, HalError, PilotMode

KEEP_ALIVE_S = 1.0
LISTEN_S = 0.05

VOUCHED_S = 1.25
"""A sign of life vouches for what was told until the next is due: in this protocol silence means no change."""

PILOT_STALE_S = 1.25
"""So a pilot is believed for 2.5 s after the last sign of life, half of the board's own dead-man."""

LOST_S = 5.0
"""Without a sign of life for so long the board is gone, and is made to start anew."""

LOOP_ALIVE_S = 1.0
RESYNC_S = 1.5
"""After a damaged message nothing is known for certain; a board that does not tell it again in time is restarted."""

RESET_S = 2.0
SETTLE_S = 0.4
GREETING_S = 3.0
START_BOUND_S = 8.0
METER_STALE_S = 3.0


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the board told since it started. `heard_mono`: its last sign of life.

    `state`, `closed`, None: a message was damaged, so this may have changed. A board that has just started has not
    told its state yet: it begins without a vehicle and with open contacts.
    """

    heard_mono: float
    state: CpState | None = CpState.A
    closed: bool | None = False
    flags: ErrorFlags = ErrorFlags()
    cable: PpState = PpState.NO_CABLE
    lock: LockState = LockState.UNDEFINED
    meter: PowerMeter | None = None
    meter_mono: float = -math.inf
    keep_alive: KeepAlive | None = None


class YetiLink:
    """Shared by the devices of one board. Its methods are for the control loop and return at once."""

    def __init__(self, device: str, port: str, facts: EvseFacts, monotonic: Callable[[], float]) -> None:
        self.link = SerialLink(device, port, yeti.BAUD, self)
        self.device = device
        self._facts = facts
        self._monotonic = monotonic
        # Written by the control loop only, read by the thread.
        self.mode = PilotMode.STEADY_HIGH
        self._hundredths = yeti.STEADY_HIGH
        self._permit_until_mono = -math.inf
        self._locked: bool | None = None
        self._three_phases: bool | None = None
        self._loop_mono = -math.inf
        # Written by the thread only.
        self._told = Told(heard_mono=-math.inf, state=None, closed=None)
        self._bytes_mono = -math.inf
        # The thread's own.
        self._packets = Packets()
        self._restarted = False
        self._unsure_mono: float | None = None
        self._said: dict[str, tuple[int, float]] = {}
        self._alive_said_mono = -math.inf

    # ---- for the control loop ----

    def touch(self) -> None:
        """The control loop goes round. Not for what has a thread of its own: that goes on when the loop hangs."""
        self._loop_mono = self._monotonic()

    def show(self, mode: PilotMode, hundredths: int) -> None:
        """Drive the pilot. Raises what stands between us and the board."""
        self.touch()
        if (mode, hundredths) != (self.mode, self._hundredths):
            self.mode, self._hundredths = mode, hundredths
            self.link.wake()
        self.link.check()

    def permit(self, until_mono: float) -> None:
        """The contactor may be closed until then. Does not tell of a lost link, as the readings do."""
        self.touch()
        now_mono = self._monotonic()
        changes = (self._permit_until_mono > now_mono) is not (until_mono > now_mono)
        self._permit_until_mono = until_mono
        if changes:
            self.link.wake()

    def lock(self, locked: bool) -> None:
        """Drive the lock."""
        self.touch()
        self._locked = locked
        self.link.check()

    def connect_phases(self, three: bool) -> None:
        """Three phases from the next closing on; False: one."""
        self.touch()
        self._three_phases = three
        self.link.check()

    def told(self) -> tuple[Told, float]:
        """What the board told, and up to when it vouches for it. HalError when that is too long ago."""
        now_mono = self._monotonic()
        self.link.check()
        told = self._told
        at_mono = min(now_mono, told.heard_mono + VOUCHED_S)
        if now_mono - at_mono > PILOT_STALE_S:
            raise self._lost(now_mono)
        if told.state is None or told.closed is None:
            raise DeviceGarbled(self.device, "a message was damaged; what the board told before may have changed")
        return told, at_mono

    # ---- the conversation, in the link's thread ----

    def begin(self, port: Port) -> None:
        """Make the board start anew, unless it just has: only then is its state known without having been told."""
        self._said.clear()
        if not self._restarted:
            self._packets.clear()
            self._unsure_mono = None
            self._told = Told(heard_mono=-math.inf, state=None, closed=None)
            port.read(0.001)
            port.write(b"\0" + yeti.frame(yeti.reset()))  # the zero ends whatever half a frame the board has
            self._await(port, RESET_S, lambda: self._restarted, "does not start anew when told to")
            # A board that was starting anyway says so, then hears us and starts once more.
            settled_mono = self._monotonic() + SETTLE_S
            while self._monotonic() < settled_mono:
                self._listen(port, LISTEN_S)
        self._restarted = False
        for _ in range(3):
            port.write(yeti.frame(yeti.keep_alive()))
        self._say_rest(port)
        self._await(port, GREETING_S, lambda: self._told.keep_alive is not None, "gives no sign of life")
        assert self._told.keep_alive is not None, "can't happen because it was awaited"
        self._check_hardware(self._told.keep_alive)

    def turn(self, port: Port) -> None:
        """Say what has changed or is due, and listen."""
        now_mono = self._monotonic()
        if now_mono - self._told.heard_mono > LOST_S:
            raise self._lost(now_mono)
        if self._unsure_mono is not None and now_mono - self._unsure_mono > RESYNC_S:
            raise DeviceGarbled(self.device, "a message was damaged, and the board did not tell its state again")
        if now_mono - self._loop_mono < LOOP_ALIVE_S:
            self._say_wishes(port, now_mono)
            if now_mono - self._alive_said_mono >= KEEP_ALIVE_S:
                self._alive_said_mono = now_mono
                port.write(yeti.frame(yeti.keep_alive()))
        else:
            self._say_rest(port)
        self._listen(port, LISTEN_S)
        if self._restarted:
            raise DeviceSilent(self.device, "the board has restarted")

    def end(self, port: Port) -> None:
        """Contactor open, +12 V."""
        self._said.clear()
        self._say_rest(port)

    def _say_wishes(self, port: Port, now_mono: float) -> None:
        permitted = now_mono < self._permit_until_mono
        if not permitted:
            self._say(port, "permit", False, yeti.allow_power_on(False))
        self._say(port, "duty", self._hundredths, yeti.duty(self._hundredths))
        if permitted:
            self._say(port, "permit", True, yeti.allow_power_on(True))
        if self._locked is not None:
            self._say(port, "lock", self._locked, yeti.connector_lock(self._locked))
        if self._three_phases is not None:
            self._say(port, "phases", self._three_phases, yeti.three_phases(self._three_phases))

    def _say_rest(self, port: Port) -> None:
        self._say(port, "permit", False, yeti.allow_power_on(False))
        self._say(port, "duty", yeti.STEADY_HIGH, yeti.duty(yeti.STEADY_HIGH))

    def _say(self, port: Port, what: str, value: int, message: bytes) -> None:
        said, said_mono = self._said.get(what, (-1, -math.inf))
        now_mono = self._monotonic()
        if value != said or now_mono - said_mono >= KEEP_ALIVE_S:
            port.write(yeti.frame(message))
            self._said[what] = (value, now_mono)

    def _check_hardware(self, board: KeepAlive) -> None:
        """HalError when the board file wants more than the hardware can do."""
        facts = self._facts
        if board.max_amps < facts.max_amps:
            raise HalError(
                self.device,
                f"the board carries at most {board.max_amps:g} A, the board file says {facts.max_amps:g} A; lower it",
            )
        if board.max_phases < facts.phases:
            raise HalError(self.device, f"the board has {board.max_phases} phases, the board file says {facts.phases}")
        if facts.has_phase_switch and board.min_phases != 1:
            raise HalError(self.device, "the board cannot switch phases; remove [evse.phase_switch]")

    # ---- listening ----

    def _await(self, port: Port, for_s: float, so: Callable[[], bool], otherwise: str) -> None:
        until_mono = self._monotonic() + for_s
        while not so():
            if self._monotonic() > until_mono:
                kind = DeviceSilent if self._unsure_mono is None else DeviceGarbled
                raise kind(self.device, f"the board {otherwise}")
            self._listen(port, LISTEN_S)

    def _lost(self, now_mono: float) -> HalError:
        told = self._told
        if self._bytes_mono > told.heard_mono:
            return DeviceGarbled(self.device, "what the board sends makes no messages")
        return DeviceSilent(self.device, f"no sign of life for {now_mono - told.heard_mono:.1f} s")

    def _listen(self, port: Port, for_s: float) -> None:
        data = port.read(for_s)
        if data:
            self._bytes_mono = self._monotonic()
        for packet in self._packets.feed(data):
            try:
                self._take(yeti.decode(yeti.unframe(packet)))
            except YetiGarbled:
                self._told = msgspec.structs.replace(self._told, state=None, closed=None)
                self._unsure_mono = self._unsure_mono or self._monotonic()

    def _take(self, message: Message) -> None:
        now_mono = self._monotonic()
        told = msgspec.structs.replace(self._told, heard_mono=now_mono)
        match message:
            case Restarted():
                self._restarted = True
                self._unsure_mono = None
                told = Told(heard_mono=now_mono)
            case KeepAlive():
                told = msgspec.structs.replace(told, keep_alive=message)
            case CpState():
                told = msgspec.structs.replace(told, state=message)
            case RelaysClosed():
                told = msgspec.structs.replace(told, closed=message.closed)
            case ErrorFlags():
                told = msgspec.structs.replace(told, flags=message)
            case PpState():
                told = msgspec.structs.replace(told, cable=message)
            case LockState():
                told = msgspec.structs.replace(told, lock=message)
            case PowerMeter():
                told = msgspec.structs.replace(told, meter=message, meter_mono=now_mono)
            case _:
                pass
        if told.state is not None and told.closed is not None:
            self._unsure_mono = None
        self._told = told
