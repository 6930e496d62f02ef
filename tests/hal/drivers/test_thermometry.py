import math

import pytest

from hal.drivers.thermometry import ntc_celsius, platinum_celsius, sane_celsius, table_celsius
from hal.types import DeviceGarbled


@pytest.mark.parametrize("ohms, celsius", [(10_000.0, 25.0), (32_650.0, 0.0), (3_603.0, 50.0), (697.2, 100.0)])
def test_an_ntc_follows_its_beta(ohms: float, celsius: float) -> None:
    """Against a common 10 kOhm part of B25/85 3977 K; its own table differs from any beta by less than 2 K."""
    assert ntc_celsius(ohms, 10_000.0, 3977.0) == pytest.approx(celsius, abs=2.0)


def test_a_shorted_ntc_has_no_temperature() -> None:
    assert ntc_celsius(0.0, 10_000.0, 3950.0) == math.inf


@pytest.mark.parametrize(
    "ohms, celsius", [(1000.0, 0.0), (1385.06, 100.0), (1573.25, 150.0), (842.71, -40.0), (1194.0, 50.0)]
)
def test_platinum_follows_iec_60751(ohms: float, celsius: float) -> None:
    assert platinum_celsius(ohms, 1000.0) == pytest.approx(celsius, abs=0.06)
    assert platinum_celsius(ohms / 10, 100.0) == pytest.approx(celsius, abs=0.06)


def test_platinum_beyond_its_curve_has_no_temperature() -> None:
    assert platinum_celsius(1e6, 1000.0) == math.inf


@pytest.mark.parametrize(
    "ohms, celsius", [(800.0, 0.0), (900.0, 12.5), (1000.0, 25.0), (1500.0, 62.5), (2000.0, 100.0)]
)
def test_a_table_is_straight_between_its_corners(ohms: float, celsius: float) -> None:
    assert table_celsius(ohms, [(800.0, 0.0), (1000.0, 25.0), (2000.0, 100.0)]) == pytest.approx(celsius)


@pytest.mark.parametrize("ohms", [799.9, 2000.1, 0.0])
def test_outside_of_its_table_a_sensor_has_no_temperature(ohms: float) -> None:
    assert table_celsius(ohms, [(800.0, 0.0), (2000.0, 100.0)]) == math.inf


@pytest.mark.parametrize("celsius", [-50.0, 0.0, 150.0])
def test_what_can_be_is_believed(celsius: float) -> None:
    assert sane_celsius("evse[0].thermometer", celsius) == celsius


@pytest.mark.parametrize("celsius", [-50.1, 150.1, math.inf, -math.inf, math.nan])
def test_what_cannot_be_is_refused(celsius: float) -> None:
    with pytest.raises(DeviceGarbled, match=r"possible are -50 to 150 C; is the sensor connected\?"):
        sane_celsius("evse[0].thermometer", celsius)
