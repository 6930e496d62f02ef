"""A controller of the plant behind a real port, the drivers that talk to it, and who plays the control loop."""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

from hal.drivers import pilot_rapi, pilot_yeti
from hal.interfaces import Pilot, Relays
from hal.sim.rapi import OpenEvse, RapiPeer
from hal.sim.serial_peer import SerialPeer
from hal.sim.settings import PlantPeer
from hal.sim.yeti import YetiBoard, YetiPeer
from hal.slot import DeviceSlot
from hal.types import EvseFacts, HalError, PilotMode
from tests.hal.plants import RealWorld, World

TICK_S = 0.02

C = TypeVar("C")


class Charger(Generic[C]):
    """`controller`: the simulated one. `errors`: what the devices raised while `play` ran, the same in a row once."""

    def __init__(self, world: World, controller: C, peer: SerialPeer, port: Path, facts: EvseFacts) -> None:
        self.world = world
        self._peer = peer
        self.evse = world.evse
        self.controller = controller
        self.port = port
        self.facts = facts
        self.errors: list[HalError] = []
        self.amps = 16.0
        self.pilot: Pilot
        self.relays: Relays
        self._shared: dict[str, object] = {}
        self._opened: list[Any] = []

    def slot(self, role: str, device: str = "evse[0]") -> DeviceSlot:
        return DeviceSlot(f"{device}.{role}", self.facts, self.world.monotonic, self._shared)

    def open(self, driver: Callable[[Any, DeviceSlot], Any], settings: Any, role: str) -> Any:
        device = driver(settings, self.slot(role))
        self._opened.append(device)
        return device

    def close(self) -> None:
        for device in reversed(self._opened):
            device.close()
        self._opened.clear()

    def say(self, noise: bytes) -> None:
        """Put bytes on the wire towards the driver, as if the controller had sent them."""
        with self.world.plant.lock:
            self._peer.say(noise)

    @property
    def energised(self) -> bool:
        """Whether the contacts are closed."""
        with self.world.plant.lock:
            self.evse.catch_up()
            return self.evse.contacts_closed

    def tick(self) -> None:
        """Once round: offer, look, permit while the vehicle asks and nothing is wrong; after an error offer nothing."""
        wants = False
        try:
            if self.amps:
                self.pilot.set(PilotMode.PWM, self.amps / 0.6)
            else:
                self.pilot.set(PilotMode.STEADY_HIGH, 100.0)
            reading = self.pilot.read()
            self.relays.read()
            wants = self.amps > 0 and reading.high_volts == 6.0 and not reading.alarms
        except HalError as error:
            if not self.errors or str(error) != str(self.errors[-1]):
                self.errors.append(error)
            with contextlib.suppress(HalError):
                self.pilot.set(PilotMode.STEADY_HIGH, 100.0)
        self.relays.hold(wants, 1.0)

    def play(self, until: Callable[[], bool], bound_s: float = 10.0) -> float:
        """The control loop until something is so; the seconds it took."""
        began_mono = time.monotonic()
        while not until():
            assert time.monotonic() < began_mono + bound_s, f"not within {bound_s} s; errors: {self.errors}"
            self.tick()
            time.sleep(TICK_S)
        return time.monotonic() - began_mono

    def charge(self) -> None:
        """A vehicle comes and takes energy."""
        self.evse.plug_in()
        self.evse.ev_ready()
        self.play(lambda: self.energised and self.relays.read().closed is True)
        self.errors.clear()


def wait_until(condition: Callable[[], bool], bound_s: float = 10.0) -> float:
    """Nobody plays the control loop meanwhile; the seconds it took."""
    began_mono = time.monotonic()
    while not condition():
        assert time.monotonic() < began_mono + bound_s, f"not within {bound_s} s"
        time.sleep(0.005)
    return time.monotonic() - began_mono


def rapi_settings(port: Path, **settings: Any) -> pilot_rapi.Settings:
    return pilot_rapi.Settings(**{"port": str(port), "fallback_amps": 6, "heartbeat_s": 3, **settings})


@contextlib.contextmanager
def rapi_charger(
    prepare: Callable[[OpenEvse], None] = lambda _: None,
    opened: bool = True,
    world: World | None = None,
    **facts: Any,
) -> Iterator[Charger[OpenEvse]]:
    """`prepare`: changes the controller before the driver meets it. `opened`: with its pilot and relays.

    Its self-test before each closing is short here, for the time of those who wait for the tests.
    """
    world = world or RealWorld(EvseFacts(**{"max_amps": 32, "phases": 3, **facts}))
    with tempfile.TemporaryDirectory() as run:
        port = Path(run) / "rapi"
        peer = RapiPeer(world.evse, PlantPeer(evse=1, kind="rapi", port=str(port)), port)
        peer.controller.self_test_s = 0.1
        prepare(peer.controller)
        settings = rapi_settings(port)
        charger = Charger(world, peer.controller, peer, port, settings.amend(world.evse.facts))
        try:
            if opened:
                charger.pilot = charger.open(pilot_rapi.RapiPilot, settings, "pilot")
                charger.relays = charger.open(pilot_rapi.RapiRelays, pilot_rapi.PortSettings(port=str(port)), "relays")
            yield charger
        finally:
            charger.close()
            peer.close()


@contextlib.contextmanager
def yeti_charger(
    prepare: Callable[[YetiBoard], None] = lambda _: None,
    opened: bool = True,
    world: World | None = None,
    **facts: Any,
) -> Iterator[Charger[YetiBoard]]:
    """As `rapi_charger`, with a Yeti board."""
    world = world or RealWorld(EvseFacts(**{"max_amps": 32, "phases": 3, **facts}))
    with tempfile.TemporaryDirectory() as run:
        port = Path(run) / "yeti"
        peer = YetiPeer(world.evse, PlantPeer(evse=1, kind="yeti", port=str(port)), port)
        prepare(peer.controller)
        settings = pilot_yeti.PilotSettings(port=str(port))
        charger = Charger(world, peer.controller, peer, port, settings.amend(world.evse.facts))
        try:
            if opened:
                charger.pilot = charger.open(pilot_yeti.YetiPilot, settings, "pilot")
                charger.relays = charger.open(pilot_yeti.YetiRelays, pilot_yeti.Settings(port=str(port)), "relays")
            yield charger
        finally:
            charger.close()
            peer.close()
