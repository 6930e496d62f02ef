"""Controllers with safety functions of their own under contract: in real time, on a pseudo-terminal with the plant
behind.
"""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from hal.drivers import pilot_rapi, pilot_yeti
from hal.types import HalError, PilotMode
from tests.hal.drivers.controllers import Charger, rapi_charger, yeti_charger
from tests.hal.plants import World

SIXTEEN_AMPS = 26.66

Charging = Callable[[World], AbstractContextManager[Charger[Any]]]

ROLES: dict[str, tuple[Callable[..., AbstractContextManager[Charger[Any]]], dict[str, Any]]] = {
    "pilot_rapi": (
        rapi_charger,
        {"residual": pilot_rapi.RapiResidual, "thermometer": pilot_rapi.RapiThermometer},
    ),
    "pilot_yeti": (
        yeti_charger,
        {
            "meter": pilot_yeti.YetiMeter,
            "proximity": pilot_yeti.YetiProximity,
            "lock": pilot_yeti.YetiLock,
            "residual": pilot_yeti.YetiResidual,
            "thermometer": pilot_yeti.YetiThermometer,
            "phase_switch": pilot_yeti.YetiPhaseSwitch,
        },
    ),
}
"""Driver -> a charger with its pilot and relays, and what else it can open."""


def controller_stands(role: str) -> dict[str, Callable[[World], AbstractContextManager[object]]]:
    """The drivers that have this role."""

    def stand(driver: str) -> Callable[[World], AbstractContextManager[object]]:
        @contextlib.contextmanager
        def make(world: World) -> Iterator[object]:
            world.go_real()
            open_charger, others = ROLES[driver]
            with open_charger(world=world) as charger:
                world.evse.facts = charger.facts

                def offer() -> None:
                    """A vehicle that asks, and current for it, until the controller has seen that it asks."""
                    world.evse.plug_in()
                    world.evse.ev_ready()
                    charger.pilot.set(PilotMode.PWM, SIXTEEN_AMPS)
                    world.until(lambda: charger.pilot.read().high_volts == 6.0)

                world.offer = offer
                if role in others:
                    settings = pilot_rapi.PortSettings if driver == "pilot_rapi" else pilot_yeti.Settings
                    yield charger.open(others[role], settings(port=str(charger.port)), role)
                else:
                    yield getattr(charger, role)
                with contextlib.suppress(HalError):
                    charger.pilot.set(PilotMode.STEADY_HIGH, 100.0)

        return make

    return {driver: stand(driver) for driver, (_, others) in ROLES.items() if role in {"pilot", "relays", *others}}
