"""Devices that the kernel shows as files: found by what they belong to, read anew each time, failures in our words.

Numbers in their paths (pwmchip2, iio:device0) change with kernel and probe order, so nothing is found by its number:
the name of the device or of what it sits on (`1f00098000.pwm`, `spi0.0`, `1-0048`) stays.
"""

import contextlib
import errno
import math
import os
from collections.abc import Callable
from pathlib import Path

from hal.types import DeviceGarbled, DeviceMissing, DeviceSilent, HalError

LONGEST_TEXT_BYTES = 64
"""An attribute that holds one number is shorter."""

ROOT = "/sys"

_SILENT = frozenset({errno.EAGAIN, errno.EBUSY, errno.EIO, errno.ETIMEDOUT, errno.ENODATA})
_REFUSED = frozenset({errno.EINVAL, errno.ERANGE, errno.EOPNOTSUPP})


class SysfsNumber:
    """An attribute that holds a number, kept open. `find` gives its path, asked again after every failure: a device
    that comes back may have another number in its path.
    """

    def __init__(self, device: str, find: Callable[[], Path]) -> None:
        self._device = device
        self._find = find
        self._path = Path()
        self._fd: int | None = None

    def read(self) -> float:
        """The present value. DeviceMissing, DeviceSilent or DeviceGarbled when there is none."""
        if self._fd is None:
            self._path = self._find()
        try:
            if self._fd is None:
                self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            raw = os.pread(self._fd, LONGEST_TEXT_BYTES, 0)
        except OSError as error:
            self.close()
            raise failure(self._device, self._path, error) from error
        return number(self._device, self._path, raw)

    def close(self) -> None:
        """Give the file back; the next read opens it anew."""
        if self._fd is not None:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            self._fd = None


def number(device: str, path: Path, raw: bytes) -> float:
    """What an attribute holds as a finite number, or DeviceGarbled."""
    try:
        value = float(raw)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DeviceGarbled(device, f"{path} holds {raw.decode('ascii', 'replace').strip()!r}, expected a number")
    return value


def read_text(device: str, path: Path) -> str:
    """The text of an attribute without its newline. HalError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(fd, LONGEST_TEXT_BYTES).decode("ascii", "replace").strip()
        finally:
            os.close(fd)
    except OSError as error:
        raise failure(device, path, error) from error


def write_text(device: str, path: Path, text: str) -> None:
    """One value into an attribute, in one write as the kernel wants it. HalError."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        try:
            os.write(fd, f"{text}\n".encode())
        finally:
            os.close(fd)
    except OSError as error:
        raise failure(device, path, error, wanted=text) from error


def failure(device: str, path: Path, error: OSError, wanted: str | None = None) -> HalError:
    """What an error of the kernel means for a device. `wanted`: what was to be written."""
    what = f"{path}: {error.strerror}"
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return DeviceMissing(
            device, f"{what}; it takes the udev rules of chargerd, and the unit's drop-in of `chargerd board-dropin`"
        )
    if error.errno in _SILENT:
        return DeviceSilent(device, what)
    if wanted is not None and error.errno in _REFUSED:
        return HalError(device, f"{path} refuses {wanted!r} ({error.strerror})")
    return DeviceMissing(device, what)


def find_device(device: str, folder: Path, pattern: str, wanted: str, remedy: str) -> Path:
    """The one entry of `folder` (a class or bus of sysfs) that matches `pattern` and is called or sits on `wanted`.

    An entry is called what its attribute `name` says; it sits on the devices its real path leads through. DeviceMissing
    with `remedy` and what there is when none fits, or when several do.
    """
    entries = sorted(folder.glob(pattern)) if folder.is_dir() else []
    fitting = [entry for entry in entries if wanted in _names_of(entry)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        seats = ", ".join(_seat_of(entry) for entry in fitting)
        raise DeviceMissing(device, f"several in {folder} are called '{wanted}': say which of them: {seats}")
    there = ", ".join(f"{_own_name(entry) or entry.name} on {_seat_of(entry)}" for entry in entries) or "none"
    raise DeviceMissing(device, f"no '{wanted}' in {folder} (there: {there}); {remedy}")


def _names_of(entry: Path) -> set[str]:
    return {_own_name(entry), *_way_to(entry)}


def _own_name(entry: Path) -> str:
    try:
        return (entry / "name").read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _seat_of(entry: Path) -> str:
    """The device it sits on: the last part of its path that is no folder of a class."""
    way = _way_to(entry)
    return way[-1] if way else entry.name


def _way_to(entry: Path) -> list[str]:
    """The devices above it, outermost first."""
    parts = entry.resolve().parent.parts
    start = parts.index("devices") + 1 if "devices" in parts else len(parts)
    return [part for part in parts[start:] if part not in {"pwm", "iio", "hwmon"}]
