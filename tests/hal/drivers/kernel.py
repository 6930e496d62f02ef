"""The kernel's files in tests: the simulated sysfs of the plant in a folder, and drivers on it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from hal.drivers import pilot_pwm_iio, proximity_iio
from hal.sim.settings import PlantPeer
from hal.sim.sysfs import RAW_AT_REFERENCE, RAW_AT_ZERO_VOLTS, RAW_PER_VOLT, SysfsPeer
from tests.hal.plants import World

CHIP = "devices/platform/1f00098000.pwm/pwm/pwmchip2"
ADC = "devices/platform/soc/spi0/spi0.0/iio:device0"

POINTS = (
    pilot_pwm_iio.Point(RAW_AT_ZERO_VOLTS, 0.0),
    pilot_pwm_iio.Point(RAW_AT_ZERO_VOLTS + 10 * RAW_PER_VOLT, 10.0),
)


@contextlib.contextmanager
def kernel_of(world: World, root: Path) -> Iterator[Path]:
    """The simulated sysfs at `root`, for as long as it is needed."""
    peer = SysfsPeer(world.evse, PlantPeer(evse=1, kind="sysfs", port=str(root)), root)
    try:
        yield root
    finally:
        peer.close()


def pilot_settings(
    root: Path, *, inverted: bool = False, state_f: bool = True, pwm: str = "1f00098000.pwm", high_channel: int = 0
) -> pilot_pwm_iio.Settings:
    return pilot_pwm_iio.Settings(
        pwm=pwm,
        inverted=inverted,
        state_f=state_f,
        adc="mcp3208",
        high_channel=high_channel,
        low_channel=1,
        high_points=POINTS,
        low_points=POINTS,
        root=str(root),
    )


def proximity_settings(root: Path) -> proximity_iio.Settings:
    return proximity_iio.Settings(
        adc="mcp3208", channel=2, pullup_ohms=330.0, raw_at_reference=RAW_AT_REFERENCE, root=str(root)
    )
