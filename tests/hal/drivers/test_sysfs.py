import errno
from pathlib import Path

import pytest

from hal.drivers.sysfs import SysfsNumber, failure, find_device, number, read_text, write_text
from hal.types import DeviceGarbled, DeviceMissing, DeviceSilent, HalError
from tests.hal.drivers.ports import descriptors

DEVICE = "evse[0].pilot"
PLACE = Path("/sys/class/pwm/pwmchip2/export")


def attribute(path: Path) -> SysfsNumber:
    return SysfsNumber(DEVICE, lambda: path)


def add(root: Path, seat: str, entry: str, name: str = "") -> Path:
    """A device of the kernel: its folder, and the link to it in bus/iio/devices."""
    folder = root / "devices" / seat / entry
    folder.mkdir(parents=True)
    if name:
        (folder / "name").write_text(f"{name}\n")
    link = root / "bus/iio/devices" / entry
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(folder)
    return link


def find(root: Path, wanted: str) -> Path:
    return find_device(DEVICE, root / "bus/iio/devices", "iio:device*", wanted, "enable it")


# ---- one number ----


@pytest.mark.parametrize(
    "text, value", [("3584\n", 3584), ("-12", -12), ("   512\n", 512), ("0.805664062\n", 0.805664062)]
)
def test_a_number_is_read_as_the_kernel_writes_it(tmp_path: Path, text: str, value: float) -> None:
    path = tmp_path / "in_voltage0_raw"
    path.write_text(text)
    assert attribute(path).read() == value


def test_each_reading_is_a_fresh_one_of_the_open_file(tmp_path: Path) -> None:
    path = tmp_path / "in_voltage0_raw"
    path.write_text("1\n")
    reading = attribute(path)
    assert reading.read() == 1
    before = descriptors()
    path.write_text("2\n")
    assert reading.read() == 2
    assert descriptors() == before


@pytest.mark.parametrize("text", ["", "\n", "nan\n", "inf\n", "-inf", "12 volts\n", "\xff", "<unsupported>"])
def test_what_is_no_number_is_garbage(tmp_path: Path, text: str) -> None:
    path = tmp_path / "in_voltage0_raw"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(DeviceGarbled, match=r"in_voltage0_raw holds .*, expected a number"):
        attribute(path).read()


def test_a_file_that_is_not_there_is_a_missing_device(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing, match="in_voltage0_raw: No such file or directory"):
        attribute(tmp_path / "in_voltage0_raw").read()


def test_a_device_that_comes_back_under_another_number_is_found_again(tmp_path: Path) -> None:
    add(tmp_path, "spi0.0", "iio:device0", "mcp3208").joinpath("raw").write_text("1\n")
    reading = SysfsNumber(DEVICE, lambda: find(tmp_path, "mcp3208") / "raw")
    assert reading.read() == 1
    reading.close()  # what a failed read does
    (tmp_path / "bus/iio/devices/iio:device0").unlink()
    with pytest.raises(DeviceMissing, match="no 'mcp3208' in"):
        reading.read()
    add(tmp_path, "spi0.1", "iio:device3", "mcp3208").joinpath("raw").write_text("2\n")
    assert reading.read() == 2


def test_a_reading_that_fails_gives_its_file_back(tmp_path: Path) -> None:
    before = descriptors()
    reading = SysfsNumber(DEVICE, lambda: tmp_path)  # a folder opens and cannot be read
    with pytest.raises(DeviceMissing, match="Is a directory"):
        reading.read()
    assert descriptors() == before


def test_closing_twice_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "raw"
    path.write_text("1")
    reading = attribute(path)
    reading.read()
    reading.close()
    reading.close()


def test_the_bytes_of_a_number_are_judged_the_same_everywhere() -> None:
    assert number(DEVICE, PLACE, b"7\n") == 7
    with pytest.raises(DeviceGarbled):
        number(DEVICE, PLACE, b"seven")


# ---- texts ----


def test_a_text_is_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "polarity"
    path.write_text("inversed and more\n")
    write_text(DEVICE, path, "normal")
    assert path.read_text() == "normal\n"
    assert read_text(DEVICE, path) == "normal"


def test_a_text_that_cannot_be_had_or_put_is_a_missing_device(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing):
        read_text(DEVICE, tmp_path / "polarity")
    with pytest.raises(DeviceMissing):
        write_text(DEVICE, tmp_path / "pwm0" / "enable", "1")


# ---- what the kernel's errors mean ----


@pytest.mark.parametrize(
    "number, wanted, kind",
    [
        (errno.ENOENT, None, DeviceMissing),
        (errno.ENODEV, None, DeviceMissing),
        (errno.EACCES, "0", DeviceMissing),
        (errno.EROFS, "0", DeviceMissing),
        (errno.EIO, None, DeviceSilent),
        (errno.ETIMEDOUT, None, DeviceSilent),
        (errno.EBUSY, "0", DeviceSilent),
        (errno.EINVAL, None, DeviceMissing),
    ],
)
def test_each_error_has_its_kind(number: int, wanted: str | None, kind: type[HalError]) -> None:
    assert type(failure(DEVICE, PLACE, OSError(number, "as the kernel says"), wanted)) is kind


def test_a_value_that_the_kernel_refuses_is_a_refusal() -> None:
    error = failure(DEVICE, PLACE, OSError(errno.EINVAL, "Invalid argument"), "7")
    assert type(error) is HalError
    assert str(error) == f"{DEVICE}: {PLACE} refuses '7' (Invalid argument)"


def test_a_denied_access_names_what_grants_it() -> None:
    error = failure(DEVICE, PLACE, OSError(errno.EACCES, "Permission denied"), "0")
    assert "Permission denied; it takes the udev rules of chargerd, and the unit's drop-in" in str(error)


# ---- finding ----


@pytest.mark.parametrize("wanted", ["ads1115", "1-0048"])
def test_a_device_is_found_by_its_name_and_by_its_seat(tmp_path: Path, wanted: str) -> None:
    add(tmp_path, "platform/soc/i2c-1/1-0048", "iio:device4", "ads1115")
    add(tmp_path, "platform/soc/spi0/spi0.0", "iio:device0", "mcp3208")
    assert find(tmp_path, wanted).name == "iio:device4"


def test_what_is_not_there_is_told_with_what_is(tmp_path: Path) -> None:
    add(tmp_path, "platform/soc/i2c-1/1-0048", "iio:device4", "ads1115")
    with pytest.raises(DeviceMissing, match=r"no 'mcp3208' in .* \(there: ads1115 on 1-0048\); enable it"):
        find(tmp_path, "mcp3208")


def test_where_there_is_nothing_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing, match=r"\(there: none\); enable it"):
        find(tmp_path, "mcp3208")


def test_a_name_that_several_have_is_refused_with_their_seats(tmp_path: Path) -> None:
    add(tmp_path, "platform/soc/i2c-1/1-0048", "iio:device0", "ads1115")
    add(tmp_path, "platform/soc/i2c-1/1-0049", "iio:device1", "ads1115")
    with pytest.raises(DeviceMissing, match=r"several .* are called 'ads1115': say which of them: 1-0048, 1-0049"):
        find(tmp_path, "ads1115")
    assert find(tmp_path, "1-0049").name == "iio:device1"
