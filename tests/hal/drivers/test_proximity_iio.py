from collections.abc import Iterator
from pathlib import Path

import pytest

from hal.drivers.proximity_iio import IioProximity
from hal.iec61851 import NO_CABLE_OHMS
from hal.types import DeviceGarbled, DeviceMissing
from tests.hal.drivers.kernel import ADC, kernel_of, proximity_settings
from tests.hal.drivers.ports import descriptors
from tests.hal.plants import RealWorld


@pytest.fixture
def world() -> RealWorld:
    return RealWorld()


@pytest.fixture
def root(world: RealWorld, tmp_path: Path) -> Iterator[Path]:
    with kernel_of(world, tmp_path / "sys-1") as root:
        yield root


@pytest.fixture
def proximity(world: RealWorld, root: Path) -> Iterator[IioProximity]:
    driver = IioProximity(proximity_settings(root), world.slot("proximity"))
    yield driver
    driver.close()


@pytest.mark.parametrize("amps, ohms", [(13.0, 1500.0), (20.0, 680.0), (32.0, 220.0), (63.0, 100.0)])
def test_each_cable_has_its_class(world: RealWorld, proximity: IioProximity, amps: float, ohms: float) -> None:
    world.evse.plug_in(amps)
    world.until(lambda: proximity.read().amps is not None)
    reading = proximity.read()
    assert reading.amps == amps
    assert reading.ohms == pytest.approx(ohms, rel=0.01)


def test_an_open_contact_is_no_cable(proximity: IioProximity) -> None:
    reading = proximity.read()
    assert (reading.amps, reading.ohms) == (None, NO_CABLE_OHMS)


@pytest.mark.parametrize("ohms", [0.0, 10.0, 4000.0])
def test_a_short_and_a_resistor_of_no_cable_have_no_class(
    world: RealWorld, proximity: IioProximity, ohms: float
) -> None:
    world.evse.fault("cable_resistor", ohms)
    world.until(lambda: proximity.read().ohms < NO_CABLE_OHMS)
    reading = proximity.read()
    assert reading.amps is None
    assert reading.ohms == pytest.approx(ohms, rel=0.02, abs=0.1)


def test_a_reading_is_stamped_when_it_was_complete(world: RealWorld, proximity: IioProximity) -> None:
    before = world.monotonic()
    assert before <= proximity.read().at_mono <= world.monotonic()


def test_a_converter_that_is_not_there_ends_the_opening(world: RealWorld, root: Path) -> None:
    (root / ADC / "in_voltage2_raw").unlink()
    before = descriptors()
    with pytest.raises(DeviceMissing):
        IioProximity(proximity_settings(root), world.slot("proximity"))
    assert descriptors() == before


def test_what_the_converter_cannot_read_is_garbage(world: RealWorld, root: Path) -> None:
    path = root / ADC / "in_voltage2_raw"
    path.unlink()
    path.write_text("70000\n")
    with pytest.raises(DeviceGarbled, match="possible are 0 to 4095"):
        IioProximity(proximity_settings(root), world.slot("proximity"))


def test_the_channel_is_claimed(tmp_path: Path) -> None:
    assert proximity_settings(tmp_path).claims() == (f"{tmp_path}: channel 2 of adc mcp3208",)
    assert proximity_settings(tmp_path).writes() == ()
