"""EVSE modules under contract: in real time, on a pseudo-terminal with the plant behind."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from hal.types import HalError, PilotMode
from tests.hal.drivers.modules import devices_on, module_at
from tests.hal.plants import World

SIXTEEN_AMPS = 26.66


def module_stands(role: str) -> dict[str, Callable[[World], AbstractContextManager[object]]]:
    """The driver in a role that it has, on each simulated module."""

    def stand(kind: str) -> Callable[[World], AbstractContextManager[object]]:
        @contextlib.contextmanager
        def make(world: World) -> Iterator[object]:
            world.go_real()
            with (
                tempfile.TemporaryDirectory() as run,
                module_at(world, Path(run) / "m", kind),
                devices_on(world, Path(run) / "m", kind) as devices,
            ):

                def offer() -> None:
                    """A vehicle that asks, and current for it, until the module has seen that it asks."""
                    world.evse.plug_in()
                    world.evse.ev_ready()
                    devices.pilot.set(PilotMode.PWM, SIXTEEN_AMPS)
                    world.until(lambda: devices.pilot.read().high_volts == 6.0)

                world.offer = offer
                world.evse.facts = devices.settings.amend(world.evse.facts)
                yield getattr(devices, role)
                with contextlib.suppress(HalError):
                    devices.pilot.set(PilotMode.STEADY_HIGH, 100.0)

        return make

    kinds = ("evse_wb", "phoenix_ser") if role in {"pilot", "relays", "proximity"} else ()
    return {f"pilot_evse_modbus on {kind}": stand(kind) for kind in kinds}
