"""The drivers on the kernel's files under contract: in real time, on the simulated sysfs of the plant."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from hal.drivers import pilot_pwm_iio, proximity_iio, thermo_hwmon, thermo_iio, thermo_w1
from hal.slot import DriverSettings
from tests.hal.drivers.kernel import kernel_of, pilot_settings, proximity_settings
from tests.hal.plants import World


def ntc_settings(root: Path) -> thermo_iio.Settings:
    return thermo_iio.Settings(
        adc="mcp3208",
        channel=3,
        pullup_ohms=10_000.0,
        raw_at_reference=4095.0,
        r25_ohms=10_000.0,
        beta_kelvin=3950.0,
        root=str(root),
    )


DRIVERS: dict[str, tuple[Callable[..., Any], Callable[[Path], DriverSettings]]] = {
    "pilot_pwm_iio": (pilot_pwm_iio.PwmIioPilot, pilot_settings),
    "proximity_iio": (proximity_iio.IioProximity, proximity_settings),
    "thermo_hwmon": (
        thermo_hwmon.HwmonThermometer,
        lambda root: thermo_hwmon.Settings(chip="lm75", root=str(root)),
    ),
    "thermo_iio": (thermo_iio.IioThermometer, ntc_settings),
    "thermo_w1": (
        thermo_w1.W1Thermometer,
        lambda root: thermo_w1.Settings(sensor="28-0316a2795aff", root=str(root)),
    ),
}


ROLES = {
    "pilot": ("pilot_pwm_iio",),
    "proximity": ("proximity_iio",),
    "thermometer": ("thermo_hwmon", "thermo_iio", "thermo_w1"),
    "plug_thermometer": ("thermo_hwmon", "thermo_iio", "thermo_w1"),
}


def sysfs_stands(role: str) -> dict[str, Callable[[World], AbstractContextManager[object]]]:
    """The drivers that have this role, each on a folder of its own."""

    def stand(driver: str) -> Callable[[World], AbstractContextManager[object]]:
        make_device, settings_for = DRIVERS[driver]

        @contextlib.contextmanager
        def make(world: World) -> Iterator[object]:
            world.go_real()
            with tempfile.TemporaryDirectory() as run, kernel_of(world, Path(run) / "sys-1") as root:
                settings = settings_for(root)
                device = make_device(settings, world.slot("device"))
                world.evse.facts = settings.amend(world.evse.facts)
                world.wait(0.02)  # the simulated kernel goes round every 4 ms
                yield device
                device.close()

        return make

    return {driver: stand(driver) for driver in ROLES.get(role, ())}
