from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hal.drivers.thermo_iio import Corner, IioThermometer, Settings
from hal.sim.sysfs import NTC_BETA, NTC_OHMS, NTC_PULLUP_OHMS, PLATINUM_OHMS, PLATINUM_PULLUP_OHMS
from hal.types import BoardError, DeviceGarbled, DeviceMissing, EvseFacts
from tests.hal.drivers.kernel import ADC, kernel_of
from tests.hal.drivers.ports import descriptors
from tests.hal.plants import RealWorld

FACTS = EvseFacts(max_amps=32, phases=3)


@pytest.fixture
def world() -> RealWorld:
    return RealWorld()


@pytest.fixture
def root(world: RealWorld, tmp_path: Path) -> Iterator[Path]:
    with kernel_of(world, tmp_path / "sys-1") as root:
        yield root


def ntc(root: Path, **changes: Any) -> Settings:
    values = {"channel": 3, "pullup_ohms": NTC_PULLUP_OHMS, "r25_ohms": NTC_OHMS, "beta_kelvin": NTC_BETA}
    return Settings(adc="mcp3208", raw_at_reference=4095, root=str(root), **{**values, **changes})


def platinum(root: Path) -> Settings:
    changes = {"channel": 4, "pullup_ohms": PLATINUM_PULLUP_OHMS, "r0_ohms": PLATINUM_OHMS}
    return ntc(root, r25_ohms=None, beta_kelvin=None, **changes)


def table(root: Path) -> Settings:
    """The same NTC by four corners."""
    corners = (Corner(5302.0, 40.0), Corner(8036.0, 30.0), Corner(NTC_OHMS, 25.0), Corner(33_621.0, 0.0))
    return ntc(root, r25_ohms=None, beta_kelvin=None, table=corners)


@pytest.mark.parametrize(
    "settings, fault, seen",
    [
        (ntc, "over_temperature", (61.25, 0.1)),
        (ntc, "over_temperature", (-12.5, 0.1)),
        (platinum, "hot_plug", (78.0, 0.3)),
        (platinum, "hot_plug", (-12.5, 0.3)),
        (table, "over_temperature", (35.0, 1.0)),
    ],
)
def test_it_reads_the_temperature_by_its_resistor(
    root: Path, world: RealWorld, settings: Callable[[Path], Settings], fault: str, seen: tuple[float, float]
) -> None:
    celsius, off_by = seen
    sensor = IioThermometer(settings(root), world.slot("thermometer"))
    world.evse.fault(fault, celsius)
    world.until(lambda: abs(sensor.read().celsius - celsius) < off_by)
    before = world.monotonic()
    assert before <= sensor.read().at_mono <= world.monotonic()
    sensor.close()


@pytest.mark.parametrize(
    "raw, why", [("4095\n", "open wire"), ("0\n", "possible are -50 to 150 C"), ("9000\n", "0 to 4095")]
)
def test_a_broken_and_a_shorted_sensor_are_garbage(world: RealWorld, root: Path, raw: str, why: str) -> None:
    path = root / ADC / "in_voltage3_raw"
    path.unlink()
    path.write_text(raw)
    with pytest.raises(DeviceGarbled, match=why):
        IioThermometer(ntc(root), world.slot("thermometer"))


def test_a_converter_that_is_not_there_ends_the_opening(world: RealWorld, root: Path) -> None:
    (root / "bus/iio/devices/iio:device0").unlink()
    before = descriptors()
    with pytest.raises(DeviceMissing, match="no 'mcp3208'"):
        IioThermometer(ntc(root), world.slot("thermometer"))
    assert descriptors() == before


@pytest.mark.parametrize("settings", [ntc, platinum, table])
def test_a_sensor_described_once_is_taken(tmp_path: Path, settings: Callable[[Path], Settings]) -> None:
    settings(tmp_path).check(FACTS)


@pytest.mark.parametrize(
    "changes, key",
    [
        ({"r25_ohms": None, "beta_kelvin": None}, "r25_ohms"),
        ({"r0_ohms": 1000.0}, "r25_ohms"),
        ({"beta_kelvin": None}, "beta_kelvin"),
        ({"r25_ohms": None, "r0_ohms": 1000.0}, "beta_kelvin"),
        ({"r25_ohms": None, "beta_kelvin": None, "table": (Corner(1.0, 1.0),)}, "table"),
        ({"r25_ohms": None, "beta_kelvin": None, "table": (Corner(2.0, 1.0), Corner(1.0, 2.0))}, "table"),
    ],
)
def test_a_sensor_that_is_not_described_or_twice_is_refused(tmp_path: Path, changes: dict[str, Any], key: str) -> None:
    with pytest.raises(BoardError, match=f"^{key}: "):
        ntc(tmp_path, **changes).check(FACTS)


def test_the_channel_is_claimed(tmp_path: Path) -> None:
    assert ntc(tmp_path).claims() == (f"{tmp_path}: channel 3 of adc mcp3208",)
