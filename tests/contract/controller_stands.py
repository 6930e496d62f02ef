"""Controllers with safety functions of their own under contract: in real time, on a pseudo-terminal with the plant
behind.
"""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from hal.types import HalError, PilotMode
from tests.hal.drivers.controllers import RAPI, YETI, Kind
from tests.hal.plants import World

SIXTEEN_AMPS = 26.66

KINDS: tuple[Kind[Any], ...] = (RAPI, YETI)


def controller_stands(role: str) -> dict[str, Callable[[World], AbstractContextManager[object]]]:
    """The drivers that have this role."""

    def stand(kind: Kind[Any]) -> Callable[[World], AbstractContextManager[object]]:
        @contextlib.contextmanager
        def make(world: World) -> Iterator[object]:
            world.go_real()
            with kind.charger(world=world) as charger:
                world.evse.facts = charger.facts

                def offer() -> None:
                    """A vehicle that asks, and current for it, until the controller has seen that it asks."""
                    world.evse.plug_in()
                    world.evse.ev_ready()
                    charger.pilot.set(PilotMode.PWM, SIXTEEN_AMPS)
                    world.until(lambda: charger.pilot.read().high_volts == 6.0)

                world.offer = offer
                yield getattr(charger, role) if role in {"pilot", "relays"} else charger.open(role)
                with contextlib.suppress(HalError):
                    charger.pilot.set(PilotMode.STEADY_HIGH, 100.0)

        return make

    return {kind.driver: stand(kind) for kind in KINDS if role in kind.roles}
