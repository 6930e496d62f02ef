"""GPIO lines through libgpiod: the kernel's character device, on any board.

Each line is a request of its own, which the kernel grants to one process only and takes back however that ends.
"""

import errno
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import gpiod
from gpiod.line import Bias, Direction, Edge, Value

from hal.drivers.gpio_lines import InputTable, LineTable, OutputTable
from hal.slot import DeviceSlot
from hal.types import DeviceMissing

CONSUMER_LENGTH = 31  # the kernel keeps so many characters of who holds a line
EVENTS_READ = 64  # more than the kernel keeps for one line

_BIAS = {"up": Bias.PULL_UP, "down": Bias.PULL_DOWN, "none": Bias.AS_IS}


class GpiodChips:
    """Where chips are opened. `chip`: makes one from its path; `paths`: those there are, to find one by its label."""

    def __init__(self, chip: Callable[[str], gpiod.Chip], paths: Callable[[], Iterator[str]]) -> None:
        self.chip = chip
        self.paths = paths


def gpiod_chips(slot: DeviceSlot) -> GpiodChips:
    """The chips of this machine, one object for the board."""
    return slot.share("gpiod", GpiodChips, lambda: GpiodChips(gpiod.Chip, _kernel_chips))


def _kernel_chips() -> Iterator[str]:
    return (str(path) for path in sorted(Path("/dev").glob("gpiochip*")))


class _GpiodLine:
    """A requested line that is requested anew after it was lost."""

    def __init__(self, chips: GpiodChips, table: LineTable, device: str, settings: gpiod.LineSettings) -> None:
        self._chips = chips
        self._table = table
        self._device = device
        self._settings = settings
        self._offset = 0
        self._request: gpiod.LineRequest | None = None
        self._open()

    def _open(self) -> gpiod.LineRequest:
        if self._request is None:
            with self._open_chip() as chip:
                self._offset = self._offset_in(chip)
                self._request = self._request_from(chip)
        return self._request

    def _open_chip(self) -> gpiod.Chip:
        assert self._table.chip is not None, "can't happen because the settings were checked"
        path = self._table.chip if self._table.chip.startswith("/") else self._find(self._table.chip)
        try:
            return self._chips.chip(path)
        except PermissionError as error:
            remedy = "let the user of this process open it (systemd/60-chargerd.rules)"
            raise DeviceMissing(self._device, f"may not open {path}; {remedy}") from error
        except OSError as error:
            remedy = "see `gpiodetect` for the chips there are, and mend 'chip' in the board file"
            raise DeviceMissing(self._device, f"{path} is no GPIO chip ({_reason(error)}); {remedy}") from error

    def _find(self, label: str) -> str:
        for path in self._chips.paths():
            try:
                with self._chips.chip(path) as chip:
                    if chip.get_info().label == label:
                        return path
            except OSError:
                continue  # one that vanishes or may not be opened is not the one that is looked for
        remedy = "see `gpiodetect`, and mend 'chip' in the board file (a path or a label)"
        raise DeviceMissing(self._device, f"no GPIO chip has the label {label}; {remedy}")

    def _offset_in(self, chip: gpiod.Chip) -> int:
        assert self._table.line is not None, "can't happen because the settings were checked"
        try:
            return chip.line_offset_from_id(self._table.line)
        except (OSError, ValueError) as error:
            remedy = f"see `gpioinfo -c {chip.path}`, and mend 'line' in the board file"
            raise DeviceMissing(self._device, f"there is no {self._table.name}; {remedy}") from error

    def _request_from(self, chip: gpiod.Chip) -> gpiod.LineRequest:
        consumer = f"chargerd {self._device}"[:CONSUMER_LENGTH]
        try:
            return chip.request_lines({self._offset: self._settings}, consumer=consumer)
        except OSError as error:
            raise DeviceMissing(self._device, self._why_refused(chip, error)) from error

    def _why_refused(self, chip: gpiod.Chip, error: OSError) -> str:
        if error.errno == errno.EBUSY:
            user = chip.get_line_info(self._offset).consumer or "the kernel"
            return f"{self._table.name} is in use by {user}; end that, or name another line"
        if error.errno == errno.ENXIO:
            return f"{self._table.name} has no interrupt, which debouncing and pulses need; take a line that has one"
        return f"{self._table.name} cannot be had ({_reason(error)}); see `gpioinfo` for what it can do"

    def _lost(self, error: OSError) -> DeviceMissing:
        self._release()
        return DeviceMissing(self._device, f"{self._table.name} is gone ({_reason(error)}); is its chip still there?")

    def _release(self) -> None:
        request, self._request = self._request, None
        if request is not None:
            request.release()


class GpiodOutput(_GpiodLine):
    """A line that drives something; the kernel makes it an output with its inactive level in one step."""

    def __init__(self, chips: GpiodChips, table: OutputTable, device: str) -> None:
        settings = gpiod.LineSettings(
            direction=Direction.OUTPUT, output_value=Value.INACTIVE, active_low=table.active == "low"
        )
        super().__init__(chips, table, device, settings)

    def set(self, active: bool) -> None:
        """Drive it now; DeviceMissing when its chip is gone."""
        request = self._open()
        try:
            request.set_value(self._offset, Value.ACTIVE if active else Value.INACTIVE)
        except OSError as error:
            raise self._lost(error) from error

    def close(self) -> None:
        """Inactive, then given back: a chip may keep the last level of a line that nobody holds."""
        if self._request is not None:
            try:
                self.set(False)
            except DeviceMissing:
                return  # its chip is gone and has taken the line along
        self._release()


class GpiodInput(_GpiodLine):
    """A line that is read; the kernel debounces it and remembers its edges."""

    def __init__(self, chips: GpiodChips, table: InputTable, device: str, pulses: bool) -> None:
        settings = gpiod.LineSettings(
            direction=Direction.INPUT,
            active_low=table.active == "low",
            bias=_BIAS[table.pull],
            edge_detection=Edge.RISING if pulses else Edge.NONE,
            debounce_period=timedelta(milliseconds=table.debounce_ms),
        )
        self._pulses = pulses
        super().__init__(chips, table, device, settings)

    def is_active(self) -> bool:
        """Its level, or an edge since the last call. Edges first: what happens in between is seen next time."""
        request = self._open()
        try:
            rose = self._pulses and request.wait_edge_events(0) and bool(request.read_edge_events(EVENTS_READ))
            return rose or request.get_value(self._offset) is Value.ACTIVE
        except OSError as error:
            raise self._lost(error) from error

    def close(self) -> None:
        """Given back."""
        self._release()


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
