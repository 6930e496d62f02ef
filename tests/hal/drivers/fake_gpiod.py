"""As much of libgpiod's Python face as the drivers use, in front of the bench instead of the kernel.

It fails as the kernel does: with the same errors for a chip that is missing, refused or gone, and for a held line.
"""

import errno
import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Self

import gpiod
from gpiod.line import Bias, Direction, Edge, Value

from hal.drivers.gpiod_lines import GpiodChips
from tests.hal.drivers.gpio_bench import Bench, Pin, Pull, Wiring, gpiozero_wiring

CHIP = "/dev/gpiochip0"
LABEL = "pinctrl-fake"
LINES = 32


class FakeKernel:
    """One chip at CHIP. Set what is wrong: `gone`, `denied`, `busy` (line -> its user), `no_interrupt`.

    `held`: lines that are requested. `pulsed`: inputs that were high for a moment since they were looked at.
    """

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.gone = False
        self.denied = False
        self.busy: dict[int, str] = {}
        self.no_interrupt: set[int] = set()
        self.held: dict[int, str] = {}
        self.pulsed: set[int] = set()
        self.settings: dict[int, gpiod.LineSettings] = {}

    def chips(self) -> GpiodChips:
        """For the drivers."""
        return GpiodChips(self._open, self._paths)

    def _open(self, path: str) -> Any:
        if self.gone or path != CHIP:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if self.denied:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return FakeChip(self)

    def _paths(self) -> Iterator[str]:
        return iter((CHIP,))

    def check_there(self) -> None:
        if self.gone:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))


class FakeChip:
    """gpiod.Chip."""

    path = CHIP

    def __init__(self, kernel: FakeKernel) -> None:
        self._kernel = kernel

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def get_info(self) -> Any:
        return SimpleNamespace(label=LABEL, num_lines=LINES)

    def line_offset_from_id(self, line: int | str) -> int:
        if isinstance(line, str):
            if line not in Pin.__members__:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            return int(Pin[line])
        if line >= LINES:
            raise ValueError("line offset of out range")
        return line

    def get_line_info(self, line: int) -> Any:
        return SimpleNamespace(consumer=self._kernel.busy.get(line) or self._kernel.held.get(line, ""))

    def request_lines(self, config: dict[int, gpiod.LineSettings], consumer: str) -> "FakeRequest":
        self._kernel.check_there()
        ((line, settings),) = config.items()
        if line in self._kernel.busy or line in self._kernel.held:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        watched = settings.edge_detection is not Edge.NONE or settings.debounce_period
        if watched and line in self._kernel.no_interrupt:
            raise OSError(errno.ENXIO, os.strerror(errno.ENXIO))
        self._kernel.held[line] = consumer
        self._kernel.settings[line] = settings
        return FakeRequest(self._kernel, line, settings)


class FakeRequest:
    """gpiod.LineRequest of one line. A released line keeps its level: the worst a chip may do."""

    def __init__(self, kernel: FakeKernel, line: int, settings: gpiod.LineSettings) -> None:
        self._kernel = kernel
        self._line = line
        self._settings = settings
        if settings.direction is Direction.OUTPUT:
            self.set_value(line, settings.output_value)

    def set_value(self, line: int, value: Value) -> None:
        self._check(line)
        assert self._settings.direction is Direction.OUTPUT
        self._kernel.bench.drive(line, (value is Value.ACTIVE) != self._settings.active_low)

    def get_value(self, line: int) -> Value:
        self._check(line)
        pulls: dict[Bias, Pull] = {Bias.PULL_UP: "up", Bias.PULL_DOWN: "down", Bias.AS_IS: "none"}
        high = self._kernel.bench.level(line, pulls[self._settings.bias])
        return Value.ACTIVE if high != self._settings.active_low else Value.INACTIVE

    def wait_edge_events(self, timeout: float) -> bool:
        self._check(self._line)
        assert self._settings.edge_detection is Edge.RISING
        return self._line in self._kernel.pulsed

    def read_edge_events(self, _: int) -> list[object]:
        self._check(self._line)
        self._kernel.pulsed.remove(self._line)
        return [object()]

    def release(self) -> None:
        del self._kernel.held[self._line]

    def _check(self, line: int) -> None:
        self._kernel.check_there()
        assert line == self._line
        assert line in self._kernel.held


def gpiod_wiring(bench: Bench, kernel: FakeKernel | None = None) -> Wiring:
    """Lines of the fake chip, by name."""
    kernel = kernel or FakeKernel(bench)
    return Wiring(bench, lambda pin: {"chip": CHIP, "line": pin.name}, {"gpiod": kernel.chips()})


WIRINGS = {"gpiod": gpiod_wiring, "gpiozero": gpiozero_wiring}
"""Every way to the bench, for tests that hold whichever it is."""
