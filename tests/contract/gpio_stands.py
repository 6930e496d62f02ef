"""The GPIO drivers under contract: one set of devices, in front of it each way to reach a line."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from hal.drivers import (
    indicator_leds,
    inputs_gpio,
    limit_gpio,
    lock_gpio,
    phase_switch_gpio,
    relays_gpio,
    residual_gpio,
)
from hal.types import InputName
from tests.hal.drivers.fake_gpiod import WIRINGS
from tests.hal.drivers.gpio_bench import Bench, Pin, Wiring
from tests.hal.plants import World


def relays(wiring: Wiring) -> Any:
    settings = relays_gpio.Settings(
        coil=wiring.output(Pin.COIL),
        heartbeat=wiring.output(Pin.HEARTBEAT),
        feedback=wiring.feedback(Pin.MIRROR, contact="normally_closed"),
    )
    return relays_gpio.GpioRelays(settings, wiring.slot("relays"))


def phase_switch(wiring: Wiring) -> Any:
    settings = phase_switch_gpio.Settings(coil=wiring.output(Pin.PHASES), feedback=wiring.feedback(Pin.PHASES_FEEDBACK))
    return phase_switch_gpio.GpioPhaseSwitch(settings, wiring.slot("phase_switch"))


def lock(wiring: Wiring) -> Any:
    settings = lock_gpio.Settings(
        lock=wiring.output(Pin.LOCK), unlock=wiring.output(Pin.UNLOCK), feedback=wiring.input(Pin.LOCKED)
    )
    return lock_gpio.GpioLock(settings, wiring.slot("lock"))


def residual(wiring: Wiring) -> Any:
    settings = residual_gpio.Settings(
        test=wiring.output(Pin.TEST),
        trip_ac=wiring.input(Pin.TRIP_AC, pull="up"),
        trip_dc=wiring.input(Pin.TRIP_DC, pull="up"),
    )
    return residual_gpio.GpioResidual(settings, wiring.slot("residual"))


def inputs(wiring: Wiring) -> Any:
    lines = {name.value: wiring.input(Pin[name.name], pull="up") for name in InputName}
    return inputs_gpio.GpioInputs(inputs_gpio.Settings(**lines), wiring.slot("inputs"))


def external_limit(wiring: Wiring) -> Any:
    contacts = (wiring.contact(Pin.TEN_AMPS, 10.0), wiring.contact(Pin.SIX_AMPS, 6.0))
    return limit_gpio.GpioLimit(limit_gpio.Settings(contacts=contacts), wiring.slot("external_limit"))


def indicator(wiring: Wiring) -> Any:
    settings = indicator_leds.Settings(
        red=wiring.lamp(Pin.RED),
        green=wiring.lamp(Pin.GREEN),
        blue=wiring.lamp(Pin.BLUE),
        buzzer=wiring.output(Pin.BUZZER),
    )
    return indicator_leds.LedIndicator(settings, wiring.slot("indicator"))


DEVICES: dict[str, tuple[str, Callable[[Wiring], Any]]] = {
    "relays": ("relays_gpio", relays),
    "phase_switch": ("phase_switch_gpio", phase_switch),
    "lock": ("lock_gpio", lock),
    "residual": ("residual_gpio", residual),
    "inputs": ("inputs_gpio", inputs),
    "external_limit": ("limit_gpio", external_limit),
    "indicator": ("indicator_leds", indicator),
}
"""Role -> its driver's name, and the device with everything it can have."""


def gpio_stands(role: str) -> dict[str, Callable[[World], contextlib.AbstractContextManager[object]]]:
    """The driver of a role on each library."""

    def stand(library: str) -> Callable[[World], contextlib.AbstractContextManager[object]]:
        @contextlib.contextmanager
        def make(world: World) -> Iterator[object]:
            device = DEVICES[role][1](WIRINGS[library](Bench(world)))
            yield device
            device.close()

        return make

    return {f"{DEVICES[role][0]} on {library}": stand(library) for library in WIRINGS}
