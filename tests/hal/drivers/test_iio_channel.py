from pathlib import Path

import pytest

from hal.drivers.iio_channel import Divider, iio_channel
from hal.iec61851 import NO_CABLE_OHMS
from hal.types import DeviceGarbled, DeviceMissing

DEVICE = "evse[0].proximity"


def converter(root: Path, raw: float) -> Path:
    """A converter of one channel; gives the file of its raw value."""
    folder = root / "devices/platform/spi0/spi0.0/iio:device0"
    folder.mkdir(parents=True)
    (folder / "name").write_text("mcp3208\n")
    (folder / "in_voltage2_raw").write_text(f"{raw}\n")
    (root / "bus/iio/devices").mkdir(parents=True)
    (root / "bus/iio/devices/iio:device0").symlink_to(folder)
    return folder / "in_voltage2_raw"


def divider(root: Path, raw: float) -> Divider:
    converter(root, raw)
    return Divider(DEVICE, iio_channel(DEVICE, str(root), "mcp3208", 2), 330.0, 4095.0)


def test_a_channel_is_found_by_the_converter_and_its_number(tmp_path: Path) -> None:
    path = converter(tmp_path, 1234)
    assert iio_channel(DEVICE, str(tmp_path), "mcp3208", 2).read() == 1234
    path.write_text("1235\n")
    assert iio_channel(DEVICE, str(tmp_path), "spi0.0", 2).read() == 1235


def test_a_channel_that_the_converter_has_not_is_missing(tmp_path: Path) -> None:
    converter(tmp_path, 1234)
    with pytest.raises(DeviceMissing, match="in_voltage3_raw: No such file"):
        iio_channel(DEVICE, str(tmp_path), "mcp3208", 3).read()


@pytest.mark.parametrize("ohms", [0.0, 100.0, 220.0, 680.0, 1500.0, 2700.0])
def test_a_divider_tells_its_resistor(tmp_path: Path, ohms: float) -> None:
    raw = round(4095 * ohms / (ohms + 330))
    assert divider(tmp_path, raw).read_ohms() == pytest.approx(ohms, rel=0.005, abs=0.1)


@pytest.mark.parametrize("raw", [4055, 4095, 4200])
def test_nothing_connected_is_a_finite_number(tmp_path: Path, raw: float) -> None:
    assert divider(tmp_path, raw).read_ohms() == NO_CABLE_OHMS


def test_a_little_below_zero_is_zero(tmp_path: Path) -> None:
    assert divider(tmp_path, -20).read_ohms() == 0.0


@pytest.mark.parametrize("raw", [-300, 4400, 65535])
def test_what_the_converter_cannot_read_is_garbage(tmp_path: Path, raw: float) -> None:
    with pytest.raises(DeviceGarbled, match="possible are 0 to 4095"):
        divider(tmp_path, raw).read_ohms()


def test_a_divider_gives_its_channel_back(tmp_path: Path) -> None:
    from tests.hal.drivers.ports import descriptors

    one = divider(tmp_path, 1234)
    before = descriptors()
    one.read_ohms()
    one.close()
    assert descriptors() == before
