from collections.abc import Iterator
from pathlib import Path

import pytest

from hal.drivers.thermo_hwmon import HwmonThermometer, Settings
from hal.types import DeviceGarbled, DeviceMissing
from tests.hal.drivers.kernel import kernel_of
from tests.hal.drivers.ports import descriptors
from tests.hal.plants import RealWorld


@pytest.fixture
def world() -> RealWorld:
    return RealWorld()


@pytest.fixture
def root(world: RealWorld, tmp_path: Path) -> Iterator[Path]:
    with kernel_of(world, tmp_path / "sys-1") as root:
        yield root


def thermometer(world: RealWorld, root: Path, chip: str = "lm75", number: int = 1) -> HwmonThermometer:
    return HwmonThermometer(Settings(chip=chip, input=number, root=str(root)), world.slot("thermometer"))


@pytest.mark.parametrize("chip", ["lm75", "1-0048"])
@pytest.mark.parametrize("celsius", [-12.5, 61.25])
def test_it_reads_the_enclosure_by_name_and_by_seat(world: RealWorld, root: Path, chip: str, celsius: float) -> None:
    sensor = thermometer(world, root, chip)
    world.evse.fault("over_temperature", celsius)
    world.until(lambda: sensor.read().celsius == celsius)
    before = world.monotonic()
    assert before <= sensor.read().at_mono <= world.monotonic()
    sensor.close()


def test_a_sensor_that_is_not_there_ends_the_opening_and_is_named(world: RealWorld, root: Path) -> None:
    before = descriptors()
    with pytest.raises(DeviceMissing, match=r"no 'tmp102' in .* \(there: lm75 on 1-0048\)"):
        thermometer(world, root, "tmp102")
    with pytest.raises(DeviceMissing, match="temp2_input: No such file"):
        thermometer(world, root, number=2)
    assert descriptors() == before


@pytest.mark.parametrize("text", ["", "hot\n", "250000\n", "-99000\n"])
def test_what_no_enclosure_is_warm_as_is_garbage(world: RealWorld, root: Path, text: str) -> None:
    path = root / "class/hwmon/hwmon1/temp1_input"
    path.unlink()
    path.write_text(text)
    with pytest.raises(DeviceGarbled):
        thermometer(world, root)


def test_a_sensor_that_is_pulled_out_is_missing_and_works_again(world: RealWorld, root: Path) -> None:
    sensor = thermometer(world, root)
    sensor.close()  # as after a failed reading
    link = root / "class/hwmon/hwmon1"
    target = link.readlink()
    link.unlink()
    for _ in range(2):
        with pytest.raises(DeviceMissing):
            sensor.read()
    link.with_name("hwmon4").symlink_to(target)
    assert 20 < sensor.read().celsius < 25
    sensor.close()
