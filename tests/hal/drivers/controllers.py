"""A controller of the plant behind a real port, the drivers that talk to it, and who plays the control loop."""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import pytest

from hal.drivers import pilot_rapi, pilot_yeti
from hal.interfaces import Pilot, Relays
from hal.sim.plant import PlantEvse
from hal.sim.rapi import OpenEvse, RapiPeer
from hal.sim.settings import PlantPeer
from hal.sim.yeti import YetiBoard, YetiPeer
from hal.slot import DeviceSlot, DriverSettings
from hal.types import EvseFacts, HalError, PilotMode
from tests.hal.plants import RealWorld, World

TICK_S = 0.02

C = TypeVar("C")


class Charger(Generic[C]):
    """`controller`: the simulated one. `errors`: what the devices raised while `play` ran, the same in a row once."""

    def __init__(self, kind: "Kind[C]", world: World, peer: Any, port: Path) -> None:
        self.kind = kind
        self.world = world
        self._peer = peer
        self.evse = world.evse
        self.controller: C = peer.controller
        self.port = port
        self.facts = kind.pilot_settings(port).amend(world.evse.facts)
        self.errors: list[HalError] = []
        self.amps = 16.0
        self.pilot: Pilot
        self.relays: Relays
        self._shared: dict[str, object] = {}
        self._opened: list[Any] = []

    def slot(self, role: str, device: str = "evse[0]") -> DeviceSlot:
        return DeviceSlot(f"{device}.{role}", self.facts, self.world.monotonic, self._shared)

    def open(self, role: str, device: str = "evse[0]") -> Any:
        """The controller's device of that role, closed with the others."""
        settings = self.kind.pilot_settings(self.port) if role == "pilot" else self.kind.settings(port=str(self.port))
        opened = self.kind.roles[role](settings, self.slot(role, device))
        self._opened.append(opened)
        return opened

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


@dataclass(frozen=True)
class Kind(Generic[C]):
    """A kind of controller: its `driver`, the `peer` that plays it, its settings (of the pilot and of the other roles)
    and its devices by role.
    """

    driver: str
    peer: Callable[[PlantEvse, PlantPeer, Path], Any]
    pilot_settings: Callable[[Path], DriverSettings]
    settings: Callable[..., DriverSettings]
    roles: Mapping[str, Callable[[Any, DeviceSlot], Any]]

    @contextlib.contextmanager
    def charger(
        self,
        prepare: Callable[[C], None] = lambda _: None,
        opened: bool = True,
        world: World | None = None,
        **facts: Any,
    ) -> Iterator[Charger[C]]:
        """`prepare`: changes the controller before the driver meets it. `opened`: with its pilot and relays."""
        world = world or RealWorld(EvseFacts(**{"max_amps": 32, "phases": 3, **facts}))
        with tempfile.TemporaryDirectory() as run:
            port = Path(run) / "controller"
            peer = self.peer(world.evse, PlantPeer(evse=1, kind=self.driver, port=str(port)), port)
            prepare(peer.controller)
            charger = Charger(self, world, peer, port)
            try:
                if opened:
                    charger.pilot = charger.open("pilot")
                    charger.relays = charger.open("relays")
                yield charger
            finally:
                charger.close()
                peer.close()

    def refused(self, prepare: Callable[[C], None], **facts: Any) -> tuple[HalError, C]:
        """How a controller prepared like this is refused, and the controller afterwards."""
        with self.charger(prepare, opened=False, **facts) as charger:
            with pytest.raises(HalError) as caught:
                charger.open("pilot")
            return caught.value, charger.controller


def _quick_rapi(evse: PlantEvse, peer: PlantPeer, port: Path) -> RapiPeer:
    """Its self-test before each closing is short here, for the time of those who wait for the tests."""
    made = RapiPeer(evse, peer, port)
    made.controller.self_test_s = 0.1
    return made


RAPI = Kind[OpenEvse](
    "pilot_rapi",
    _quick_rapi,
    lambda port: pilot_rapi.Settings(port=str(port), fallback_amps=6, heartbeat_s=3),
    pilot_rapi.PortSettings,
    {
        "pilot": pilot_rapi.RapiPilot,
        "relays": pilot_rapi.RapiRelays,
        "residual": pilot_rapi.RapiResidual,
        "thermometer": pilot_rapi.RapiThermometer,
    },
)
YETI = Kind[YetiBoard](
    "pilot_yeti",
    YetiPeer,
    lambda port: pilot_yeti.PilotSettings(port=str(port)),
    pilot_yeti.Settings,
    {
        "pilot": pilot_yeti.YetiPilot,
        "relays": pilot_yeti.YetiRelays,
        "meter": pilot_yeti.YetiMeter,
        "proximity": pilot_yeti.YetiProximity,
        "lock": pilot_yeti.YetiLock,
        "residual": pilot_yeti.YetiResidual,
        "thermometer": pilot_yeti.YetiThermometer,
        "phase_switch": pilot_yeti.YetiPhaseSwitch,
    },
)
