"""RAPI, the line protocol of OpenEVSE controllers: lines to values and back, and what its numbers mean. No I/O.

A command is `$SC 16 V :2A^XX\\r`: words, a sequence number that the answer repeats, and a checksum over all before it.
The answer is `$OK ...` or `$NK ...`; between answers the controller tells news by itself (`$AT`, `$AB`, `$AN`, `$WF`).
"""

import re
from enum import IntEnum, IntFlag

import msgspec

from hal.types import Alarm

BAUD = 115200

LONGEST_COMMAND_BYTES = 31
"""The controller keeps 32 bytes with a closing zero; what is longer it drops without a word."""

LONGEST_LINE_BYTES = 80

NO_SENSOR = -2560
"""What a temperature reads as where no such sensor is fitted, in tenths of a degree."""


class RapiGarbled(ValueError):
    """A line that cannot be right; the text says why."""


class State(IntEnum):
    """`evsestate`: what the controller is doing."""

    STARTING = 0x00
    A = 0x01
    B = 0x02
    C = 0x03
    VENT_REQUIRED = 0x04
    DIODE_FAILED = 0x05
    GFCI_TRIPPED = 0x06
    NO_GROUND = 0x07
    STUCK_RELAY = 0x08
    GFI_TEST_FAILED = 0x09
    OVER_TEMPERATURE = 0x0A
    OVER_CURRENT = 0x0B
    RELAY_NO_CLOSE = 0x0E
    PROXIMITY_SHORT = 0x0F
    PROXIMITY_MISSING = 0x10
    MEMORY_FAULT = 0x11
    SLEEPING = 0xFE
    DISABLED = 0xFF


AWAKE = frozenset({State.STARTING, State.A, State.B, State.C})
"""In these states the controller offers current, and closes its contactor for a vehicle that asks."""

AT_REST = frozenset({State.SLEEPING, State.DISABLED})

ALARMS = {
    State.GFCI_TRIPPED: Alarm.RESIDUAL_AC,
    State.NO_GROUND: Alarm.NO_GROUND,
    State.STUCK_RELAY: Alarm.CONTACTOR_WELDED,
    State.GFI_TEST_FAILED: Alarm.RESIDUAL_TEST,
    State.OVER_TEMPERATURE: Alarm.OVER_TEMPERATURE,
    State.OVER_CURRENT: Alarm.OVER_CURRENT,
    State.RELAY_NO_CLOSE: Alarm.CONTACTOR_NO_CLOSE,
    State.PROXIMITY_SHORT: Alarm.PROXIMITY,
    State.PROXIMITY_MISSING: Alarm.PROXIMITY,
    State.MEMORY_FAULT: Alarm.INTERNAL,
}
"""What the controller found by itself."""

TOLD_BY_LEVEL = frozenset({State.VENT_REQUIRED, State.DIODE_FAILED})
"""The two that the pilot's levels tell."""


class Flag(IntFlag):
    """`vflags`: what is so at the moment."""

    HARD_FAULT = 0x0002
    LIMIT_SLEEP = 0x0004
    AUTH_LOCKED = 0x0008
    CHARGING = 0x0040
    EV_CONNECTED = 0x0100
    BOOT_LOCK = 0x4000


class Check(IntFlag):
    """Settings (`$GE`) that switch a safety check off when they are set."""

    DIODE = 0x0002
    VENTILATION = 0x0004
    GROUND = 0x0008
    STUCK_RELAY = 0x0010
    GFI_SELF_TEST = 0x0200
    TEMPERATURE = 0x0400


CHECK_NAMES = {
    Check.DIODE: "diode check",
    Check.VENTILATION: "refusal of vehicles that need ventilation",
    Check.GROUND: "ground check",
    Check.STUCK_RELAY: "stuck relay check",
    Check.GFI_SELF_TEST: "GFI self-test",
    Check.TEMPERATURE: "temperature monitoring",
}


class Reply(msgspec.Struct, frozen=True):
    """`$OK` or `$NK` with what follows. `sequence` None: the controller repeated none."""

    ok: bool
    words: tuple[str, ...]
    sequence: int | None


class News(msgspec.Struct, frozen=True):
    """A line that nobody asked for: AB (started), AT (state changed), AN (button), WF (wireless)."""

    kind: str
    words: tuple[str, ...]


class Condition(msgspec.Struct, frozen=True):
    """`$GS` or `$AT`. `elapsed_s`: charging time of the session, None where it is not told."""

    state: State
    flags: Flag
    elapsed_s: int | None = None

    @property
    def closed(self) -> bool:
        """The power path: the relay is driven, or the controller found it stuck."""
        return Flag.CHARGING in self.flags or self.state is State.STUCK_RELAY

    @property
    def connected(self) -> bool:
        """A vehicle is plugged in, as the controller sees it at +12 V or with the oscillator on."""
        return Flag.EV_CONNECTED in self.flags

    @property
    def faulted(self) -> bool:
        """The controller has opened because it found something; told to rest, it still says so by its flag."""
        return Flag.HARD_FAULT in self.flags or (self.state not in AWAKE and self.state not in AT_REST)

    def alarms(self) -> tuple[Alarm, ...]:
        """What it found by itself. INTERNAL: a fault that it keeps and no longer names."""
        if self.state in ALARMS:
            return (ALARMS[self.state],)
        return (Alarm.INTERNAL,) if self.faulted and self.state not in TOLD_BY_LEVEL else ()

    def peaks(self, offered: bool) -> tuple[float, float]:
        """Nominal volts of the pilot, positive and negative peak. `offered`: the oscillator runs, or is about to.

        Without a vehicle the controller stays at +12 V. Asleep, starting and after a fault it tells no more than
        whether a vehicle is there: the letter it would repeat is an old one. It measures the diode itself.
        """
        match self.state:
            case State.A:
                return 12.0, 12.0
            case State.C:
                high = 6.0
            case State.VENT_REQUIRED:
                high = 3.0
            case State.DIODE_FAILED:
                return 9.0, -9.0
            case State.DISABLED:
                return -12.0, -12.0
            case _ if not self.connected and self.state is not State.B:
                return 12.0, 12.0
            case _:
                high = 9.0
        return high, -12.0 if offered else high


def xor_of(text: str) -> int:
    """The checksum behind `^`: all bytes before it, exclusive-or."""
    value = 0
    for byte in text.encode("ascii"):
        value ^= byte
    return value


def sum_of(text: str) -> int:
    """The older checksum behind `*`: the sum of all bytes before it, lowest byte."""
    return sum(text.encode("ascii")) & 0xFF


def encode(command: str, sequence: int | None = None) -> bytes:
    """A command (`SC 16 V`) as a line. `sequence`: 1 to 255; 0 is reserved."""
    body = f"${command}" if sequence is None else f"${command} :{sequence:02X}"
    line = f"{body}^{xor_of(body):02X}\r".encode("ascii")
    assert len(line) <= LONGEST_COMMAND_BYTES, f"can't happen: {command} is longer than any command"
    return line


def decode(line: bytes) -> Reply | News:
    """A line without its carriage return. RapiGarbled when it has no checksum, a wrong one, or no known beginning."""
    try:
        text = line.decode("ascii")
    except UnicodeDecodeError as error:
        raise RapiGarbled(f"{line!r} is not ASCII") from error
    match = re.fullmatch(r"(\$[A-Z]{2}(?: [^^*]*)?)([\^*])([0-9A-Fa-f]{2})", text)
    if match is None:
        raise RapiGarbled(f"{text!r} is not a whole line")
    body, kind, digits = match.groups()
    if int(digits, 16) != (xor_of(body) if kind == "^" else sum_of(body)):
        raise RapiGarbled(f"{text!r} has a wrong checksum")
    head, *words = body[1:].split()
    if head not in {"OK", "NK"}:
        return News(head, tuple(words))
    sequence = None
    if words and words[-1].startswith(":"):
        sequence = hexadecimal(words.pop()[1:])
    return Reply(head == "OK", tuple(words), sequence)


def condition_of(words: tuple[str, ...]) -> Condition:
    """What `$GS` answers: state, elapsed seconds, pilot state, flags. RapiGarbled for anything else.

    Firmware older than protocol 5.1 leaves the flags out; without them nobody knows whether the contactor is closed.
    """
    if len(words) != 4:
        raise RapiGarbled(f"the state is told in {len(words)} words, expected 4 (protocol 5.1 or later)")
    return Condition(_state(words[0]), Flag(hexadecimal(words[3])), decimal(words[1]))


def condition_in(news: News) -> Condition:
    """What `$AT` tells: state, pilot state, amps, flags."""
    if len(news.words) != 4:
        raise RapiGarbled(f"news of the state in {len(news.words)} words, expected 4")
    return Condition(_state(news.words[0]), Flag(hexadecimal(news.words[3])))


def switched_off(settings_words: tuple[str, ...], ventilated: bool) -> list[str]:
    """Names of the safety checks that `$GE` (amps, flags) says are off. `ventilated`: state D may be served."""
    if len(settings_words) != 2:
        raise RapiGarbled(f"the settings are told in {len(settings_words)} words, expected 2")
    flags = hexadecimal(settings_words[1])
    return [
        name for check, name in CHECK_NAMES.items() if flags & check and not (ventilated and check is Check.VENTILATION)
    ]


def celsius_of(words: tuple[str, ...]) -> float | None:
    """The warmest of the sensors that `$GP` tells, None when none is fitted."""
    tenths = [value for value in map(decimal, words) if value != NO_SENSOR]
    return max(tenths) / 10 if tenths else None


def decimal(word: str) -> int:
    """A decimal number of at most ten digits, else RapiGarbled."""
    if re.fullmatch(r"-?\d{1,10}", word, re.ASCII) is None:
        raise RapiGarbled(f"found {word!r}, expected a number")
    return int(word)


def hexadecimal(word: str) -> int:
    """A hexadecimal number of at most four digits, else RapiGarbled."""
    if re.fullmatch(r"[0-9A-Fa-f]{1,4}", word, re.ASCII) is None:
        raise RapiGarbled(f"found {word!r}, expected hexadecimal digits")
    return int(word, 16)


def _state(word: str) -> State:
    try:
        return State(hexadecimal(word))
    except ValueError as error:
        raise RapiGarbled(f"{word!r} is no state that is known") from error


class Lines:
    """Cuts what arrives into lines; half a line that a new one interrupts is dropped."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are whole now, each from its `$` on, without the carriage return."""
        *whole, rest = (self._rest + data).split(b"\r")
        self._rest = rest[-LONGEST_LINE_BYTES:]
        return [line[line.rindex(b"$") :] for line in whole if b"$" in line]

    @property
    def half(self) -> bytes:
        """The line that has begun and not ended."""
        return self._rest

    def clear(self) -> None:
        """Forget half a line."""
        self._rest = b""
