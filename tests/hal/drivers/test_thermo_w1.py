from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from hal.drivers.thermo_w1 import Settings, W1Thermometer
from hal.types import DeviceGarbled, DeviceMissing
from tests.hal.drivers.kernel import kernel_of
from tests.hal.drivers.ports import descriptors
from tests.hal.plants import RealWorld

SENSOR = "28-0316a2795aff"


@pytest.fixture
def world() -> RealWorld:
    return RealWorld()


@pytest.fixture
def root(world: RealWorld, tmp_path: Path) -> Iterator[Path]:
    with kernel_of(world, tmp_path / "sys-1") as root:
        yield root


def thermometer(world: RealWorld, root: Path, sensor: str = SENSOR) -> W1Thermometer:
    return W1Thermometer(Settings(sensor=sensor, root=str(root)), world.slot("thermometer"))


@pytest.mark.parametrize("celsius", [-12.5, 61.25, 84.938])
def test_it_reads_the_sensor_of_its_number(world: RealWorld, root: Path, celsius: float) -> None:
    sensor = thermometer(world, root)
    world.evse.fault("over_temperature", celsius)
    world.until(lambda: sensor.read().celsius == celsius)
    before = world.monotonic()
    assert before <= sensor.read().at_mono <= world.monotonic()
    sensor.close()


@pytest.mark.parametrize(
    "text, why",
    [
        ("85000\n", "shows 85 C, as after a loss of power; is its supply wire in order"),
        ("", "holds ''"),  # older kernels answer nothing when the CRC was wrong, newer ones EIO
        ("-127000\n", "possible are -50 to 150 C"),
        ("what\n", "expected a number"),
    ],
)
def test_a_measurement_that_is_none_is_garbage_until_there_is_one(
    world: RealWorld, root: Path, text: str, why: str
) -> None:
    sensor = thermometer(world, root)
    sensor.close()
    path = root / "bus/w1/devices" / SENSOR / "temperature"
    path.rename(path.with_suffix(".plant"))
    path.write_text(text)
    for _ in range(2):
        with pytest.raises(DeviceGarbled, match=why):
            sensor.read()
    path.write_text("23125\n")
    assert sensor.read().celsius == 23.125
    sensor.close()


def test_a_sensor_that_is_not_on_the_bus_is_missing_with_those_that_are(world: RealWorld, root: Path) -> None:
    before = descriptors()
    with pytest.raises(
        DeviceMissing, match=rf"no sensor 28-000000000000 in .* \(there: {SENSOR}\); is it wired, is 1-W"
    ):
        thermometer(world, root, "28-000000000000")
    assert descriptors() == before


def test_a_bus_that_is_not_there_has_no_sensors(world: RealWorld, tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing, match=r"\(there: none\)"):
        thermometer(world, tmp_path)


def test_a_sensor_that_is_pulled_out_is_missing_and_works_again(world: RealWorld, root: Path) -> None:
    sensor = thermometer(world, root)
    sensor.close()  # as after a failed reading
    link = root / "bus/w1/devices" / SENSOR
    target = link.readlink()
    link.unlink()
    with pytest.raises(DeviceMissing):
        sensor.read()
    link.symlink_to(target)
    assert 20 < sensor.read().celsius < 25
    sensor.close()


@pytest.mark.parametrize("sensor", ["28-0316", "../etc", "28-0316A2795AFF", ""])
def test_a_number_that_is_none_is_refused(sensor: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"sensor": sensor}, Settings)


def test_the_sensor_is_claimed() -> None:
    assert Settings(sensor=SENSOR).claims() == (f"/sys: 1-Wire sensor {SENSOR}",)
