"""Card reader with a Wiegand output, 26 or 34 bits, on two GPIO lines: a pulse on D0 is a 0, one on D1 a 1.

The kernel stamps and keeps the pulses, so they may be fetched late. Only 24 or 32 bits of a card survive this wire: 26
bits identify a badge within one site (kind Local), 34 bits hold the 4 bytes of a short UID but cut a longer one to
something that another card may have too. Fit another reader where strangers charge.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, Protocol

import gpiod
import msgspec
from gpiod.line import Bias, Clock, Edge

from hal.drivers.uids import ByteOrder, Presence, token_of
from hal.slot import DeviceSlot, DriverSettings
from hal.types import BoardError, DeviceGarbled, DeviceMissing, EvseFacts, Token, TokenKind

FRAME_END_S = 0.025
"""Pulses of one frame come each 1 to 2 ms, 20 ms at most; so long without one and the frame is over."""

CALL_S = 0.25
"""One call of `read` may take 0.5 s (hal/interfaces.py); a frame takes less than 0.1 s."""

EVENTS_KEPT = 256
"""The kernel's buffer, in pulses: more than can come between two readings."""

Line = Annotated[int, msgspec.Meta(ge=0, le=1023)]
Pulse = tuple[int, int]
"""Bit and time in nanoseconds."""


class Settings(DriverSettings, frozen=True, kw_only=True):
    """[evse.reader] with driver = "reader_wiegand": lines `d0` and `d1` of a GPIO `chip`, frames of `bits`."""

    chip: str
    d0: Line
    d1: Line
    bits: Literal[26, 34]
    bias: Literal["pull_up", "as_is"] = "as_is"
    byte_order: ByteOrder = "as_sent"
    kind: Literal["Local", "ISO14443"] = "Local"

    def check(self, evse: EvseFacts) -> None:
        """Two lines; three bytes are no UID."""
        if self.d0 == self.d1:
            raise BoardError("d1", f"line {self.d1} is d0 as well", "Wiegand has two lines")
        if self.kind == "ISO14443" and self.bits == 26:
            raise BoardError("kind", "26 bits hold 3 bytes, a UID has 4 or more", 'set kind = "Local", or use 34 bits')

    def claims(self) -> tuple[str, ...]:
        """The two lines."""
        return tuple(f"gpio {self.chip} {line}" for line in (self.d0, self.d1))


class Pulses(Protocol):
    """Where pulses come from; each call may raise OSError."""

    def wait(self, seconds: float) -> bool:
        """Whether a pulse came within that time."""
        ...

    def take(self) -> list[Pulse]:
        """The pulses that came."""
        ...

    def close(self) -> None:
        """Give the lines back."""
        ...


class GpiodPulses:
    """Falling edges of two lines, by gpiod."""

    def __init__(
        self, settings: Settings, request_lines: Callable[..., gpiod.LineRequest] = gpiod.request_lines
    ) -> None:
        edges = gpiod.LineSettings(
            edge_detection=Edge.FALLING,
            bias=Bias.PULL_UP if settings.bias == "pull_up" else Bias.AS_IS,
            event_clock=Clock.MONOTONIC,
        )
        self._ones = settings.d1
        self._request = request_lines(
            settings.chip,
            consumer="chargerd reader",
            config={(settings.d0, settings.d1): edges},
            event_buffer_size=EVENTS_KEPT,
        )

    def wait(self, seconds: float) -> bool:
        """Whether a pulse came within that time."""
        return self._request.wait_edge_events(seconds)

    def take(self) -> list[Pulse]:
        """The pulses that came."""
        events = self._request.read_edge_events(EVENTS_KEPT)
        return [(int(event.line_offset == self._ones), event.timestamp_ns) for event in events]

    def close(self) -> None:
        """Give the lines back."""
        self._request.release()


class WiegandReader:
    """The reader of one EVSE."""

    def __init__(
        self, settings: Settings, slot: DeviceSlot, open_pulses: Callable[[Settings], Pulses] = GpiodPulses
    ) -> None:
        self._settings = settings
        self._slot = slot
        self._open_pulses = open_pulses
        self._pulses: Pulses | None = None
        self._pending: list[Pulse] = []
        self._presence = Presence()
        if not Path(settings.chip).exists():
            raise DeviceMissing(slot.device, f"{settings.chip} is not there; mend 'chip' (gpioinfo lists them)")
        self._source()

    def read(self) -> Token | None:
        """The oldest card not told yet, or None; waits for the end of a frame. DeviceMissing or DeviceGarbled."""
        frame = self._next_frame()
        at_mono = self._slot.monotonic()
        token = None
        if frame:
            uid = self._checked(frame)
            token = token_of(self._slot.device, uid, self._settings.byte_order, TokenKind(self._settings.kind), at_mono)
        return token if self._presence.is_new(token.uid if token else None, at_mono) else None

    def close(self) -> None:
        """Give the lines back."""
        self._pending = []
        if self._pulses is not None:
            self._pulses.close()
            self._pulses = None

    def _next_frame(self) -> list[int]:
        """The bits of the oldest whole frame; empty: there is none."""
        try:
            is_quiet = self._gather(self._source())
        except OSError as error:
            self.close()
            raise DeviceMissing(
                self._slot.device, f"the lines of {self._settings.chip} are gone ({error.strerror})"
            ) from error
        if len(self._pending) > EVENTS_KEPT:
            self._pending = []
            raise DeviceGarbled(self._slot.device, "pulses without end; check D0, D1 and their common ground")
        frame, rest = split_frame(self._pending)
        if not rest and not is_quiet:
            return []
        self._pending = rest
        return frame

    def _gather(self, source: Pulses) -> bool:
        """Take the pulses there are, and those that follow closely; whether silence followed within the time."""
        until_s = time.monotonic() + CALL_S
        while source.wait(FRAME_END_S if self._pending else 0.0):
            self._pending += source.take()
            if time.monotonic() >= until_s:
                return False
        return True

    def _checked(self, frame: list[int]) -> bytes:
        bits = self._settings.bits
        if len(frame) != bits:
            raise DeviceGarbled(
                self._slot.device,
                f"read a frame of {len(frame)} bits, expected {bits}; check D0 and D1, or mend 'bits'",
            )
        if not has_parity(frame):
            raise DeviceGarbled(self._slot.device, f"read a frame of {bits} bits with wrong parity; check D0 and D1")
        return bytes_of(frame)

    def _source(self) -> Pulses:
        if self._pulses is None:
            try:
                self._pulses = self._open_pulses(self._settings)
            except (OSError, ValueError) as error:
                lines = f"lines {self._settings.d0} and {self._settings.d1} of {self._settings.chip}"
                raise DeviceMissing(self._slot.device, f"{lines} cannot be used ({error})") from error
        return self._pulses


def split_frame(pulses: list[Pulse]) -> tuple[list[int], list[Pulse]]:
    """The bits of the first frame, and the pulses of the next ones, by the silence between them."""
    end = 0
    while end < len(pulses) and (end == 0 or pulses[end][1] - pulses[end - 1][1] < FRAME_END_S * 1e9):
        end += 1
    return [bit for bit, _ in pulses[:end]], pulses[end:]


def has_parity(frame: list[int]) -> bool:
    """Even parity of the first half with its bit in front, odd parity of the second half with its bit behind."""
    half = len(frame) // 2
    return sum(frame[:half]) % 2 == 0 and sum(frame[half:]) % 2 == 1


def bytes_of(frame: list[int]) -> bytes:
    """The bits between the two of parity, as bytes."""
    bits = "".join(str(bit) for bit in frame[1:-1])
    return int(bits, 2).to_bytes(len(bits) // 8, "big")
