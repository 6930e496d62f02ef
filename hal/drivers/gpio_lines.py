"""GPIO lines as a board file names them, and as drivers use them, whichever library moves them.

A driver's settings hold a table for each line, `coil = { chip = "/dev/gpiochip0", line = "RELAY" }` (libgpiod, any
board) or `coil = { pi = 17 }` (gpiozero, Raspberry Pi), and its code asks for an `OutputLine` or an `InputLine`.
"Active" is what the table says it is, so a driver never thinks of volts.

An output is inactive from the moment it is opened until it is set, and again when it is closed; inactive must therefore
be the safe state of whatever hangs on it. A line that failed is opened anew by the next call, so an adapter that was
pulled out works again when it is back.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Annotated, Literal, Protocol, Self

import msgspec

from hal.slot import DeviceSlot, DriverSettings
from hal.types import BoardError, EvseFacts

ANY_CHIP = "char-gpiochip"
"""What systemd calls all GPIO chips, in DeviceAllow=; a chip named by its label may be any of them."""


class LineTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line. `chip`: path or label of its chip; `line`: its name or number there. Or `pi`: BCM number on a Pi.

    `active`: the level at which it means what its key says.
    """

    chip: str | None = None
    line: int | str | None = None
    pi: Annotated[int, msgspec.Meta(ge=0, le=27)] | None = None
    active: Literal["high", "low"] = "high"

    @property
    def name(self) -> str:
        """The line in messages."""
        return f"GPIO{self.pi}" if self.pi is not None else f"line {self.line} of {self.chip}"

    @property
    def claim(self) -> str:
        """What nobody else may use."""
        return f"gpio pi {self.pi}" if self.pi is not None else f"gpio {self.chip} {self.line}"

    @property
    def node(self) -> str | None:
        """The device node of its chip; one that is named by its label may be any."""
        return self.chip if self.chip is not None and self.chip.startswith("/dev/") else ANY_CHIP

    def check(self, key: str) -> None:
        """BoardError unless it names one line by one of the two ways."""
        by_chip = self.chip is not None and self.line is not None
        if by_chip == (self.pi is not None) or (self.chip is None) != (self.line is None):
            raise BoardError(key, "names no line or two", "give chip and line, or pi on a Raspberry Pi")
        if isinstance(self.line, int) and self.line < 0:
            raise BoardError(f"{key}.line", f"found {self.line}", "expected a name, or a number of at least 0")


class OutputTable(LineTable, frozen=True, kw_only=True):
    """A line that drives something."""


class InputTable(LineTable, frozen=True, kw_only=True):
    """A line that is read. `pull`: the chip's own resistor. `debounce_ms`: how long a level must stand (libgpiod)."""

    pull: Literal["up", "down", "none"] = "none"
    debounce_ms: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0

    @property
    def broken_is_active(self) -> bool | None:
        """What a broken wire reads as; None: nothing here pulls it, so it may be either."""
        return None if self.pull == "none" else (self.pull == "up") == (self.active == "high")

    def check(self, key: str) -> None:
        """BoardError for a debounce where there is none."""
        super().check(key)
        if self.pi is not None and self.debounce_ms:
            raise BoardError(f"{key}.debounce_ms", "gpiozero has no debounce for levels", "name the line by chip")


class FeedbackTable(InputTable, frozen=True, kw_only=True):
    """An auxiliary contact, active while that contact is closed. `contact`: when it is closed."""

    contact: Literal["normally_open", "normally_closed"] = "normally_open"


class GpioSettings(DriverSettings, frozen=True, kw_only=True):
    """Settings some of which are lines: those are checked and claimed."""

    def lines(self) -> Iterator[tuple[str, LineTable]]:
        """Every line with its key."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, LineTable):
                yield name, value
            elif isinstance(value, tuple):
                yield from ((f"{name}[{i}]", line) for i, line in enumerate(value) if isinstance(line, LineTable))

    def check(self, evse: EvseFacts) -> None:
        """Each line names one line."""
        for key, line in self.lines():
            line.check(key)

    def claims(self) -> tuple[str, ...]:
        """The lines are this device's alone."""
        return tuple(line.claim for _, line in self.lines())

    def nodes(self) -> tuple[str, ...]:
        """The chips of the lines."""
        nodes = {node for _, line in self.lines() if (node := line.node) is not None}
        return tuple(sorted(nodes))


class OutputLine(Protocol):
    """A line that drives something. Every call may raise HalError."""

    def set(self, active: bool) -> None:
        """Drive it now; a line that was lost is opened anew."""
        ...

    def close(self) -> None:
        """Drive it inactive and give it back; never fails."""
        ...


class InputLine(Protocol):
    """A line that is read. Every call may raise HalError."""

    def is_active(self) -> bool:
        """Its level now; of a line opened with `pulses`, whether it is active or was since the last call."""
        ...

    def close(self) -> None:
        """Give it back; never fails."""
        ...


class Lines:
    """Opens the lines of one device and gives them all back, also when one of them is not there.

    Used in a driver's constructor: `with Lines(slot) as lines: ...; self._lines = lines.keep()`.
    """

    def __init__(self, slot: DeviceSlot) -> None:
        self._slot = slot
        self._opened = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def output(self, table: OutputTable) -> OutputLine:
        """The line, inactive. DeviceMissing when it is not there."""
        line: OutputLine
        if table.pi is not None:
            from hal.drivers.gpiozero_lines import ZeroOutput, zero_pins  # noqa: PLC0415  a board pays for its own only

            line = ZeroOutput(zero_pins(self._slot), table, self._slot.device)
        else:
            from hal.drivers.gpiod_lines import GpiodOutput, gpiod_chips  # noqa: PLC0415

            line = GpiodOutput(gpiod_chips(self._slot), table, self._slot.device)
        self._opened.callback(line.close)
        return line

    def input(self, table: InputTable, pulses: bool = False) -> InputLine:
        """The line. `pulses`: remember activity between two looks (needs an interrupt). DeviceMissing."""
        line: InputLine
        if table.pi is not None:
            from hal.drivers.gpiozero_lines import ZeroInput, zero_pins  # noqa: PLC0415

            line = ZeroInput(zero_pins(self._slot), table, self._slot.device, pulses)
        else:
            from hal.drivers.gpiod_lines import GpiodInput, gpiod_chips  # noqa: PLC0415

            line = GpiodInput(gpiod_chips(self._slot), table, self._slot.device, pulses)
        self._opened.callback(line.close)
        return line

    def feedback(self, table: FeedbackTable | None) -> "Feedback | None":
        """The auxiliary contact, None where there is none."""
        return Feedback(self.input(table), table) if table is not None else None

    def adopt(self, close: Callable[[], None]) -> None:
        """Something else to be closed with them."""
        self._opened.callback(close)

    def keep(self) -> "Lines":
        """The lines opened so far, which outlive the `with`."""
        kept = Lines(self._slot)
        kept._opened = self._opened.pop_all()
        return kept

    def close(self) -> None:
        """Give all of them back, the last first; outputs are inactive then."""
        self._opened.close()


class Feedback:
    """The main contacts as an auxiliary contact tells of them."""

    def __init__(self, line: InputLine, table: FeedbackTable) -> None:
        self._line = line
        self._inverted = table.contact == "normally_closed"

    def is_closed(self) -> bool:
        """Whether the main contacts are closed. Raises HalError."""
        return self._line.is_active() != self._inverted
