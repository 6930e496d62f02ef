"""A simulated controller on virtual time, without a port: what it says is collected."""

from collections.abc import Callable
from typing import Generic, TypeVar

from hal.sim.serial_peer import PERIOD_S, Controller
from tests.hal.plants import World

C = TypeVar("C", bound=Controller)


class Rig(Generic[C]):
    """`said`: everything the controller sent, one message each."""

    def __init__(self, make: Callable[[World, Callable[[bytes], None]], C]) -> None:
        self.world = World()
        self.evse = self.world.evse
        self.said: list[bytes] = []
        self.controller = make(self.world, self.said.append)
        self.controller.power_on(self.world.mono)

    def live(self, seconds: float) -> None:
        """Time passes for plant and controller."""
        for _ in range(round(seconds / PERIOD_S)):
            self.world.wait(PERIOD_S)
            self.controller.tick(self.evse.catch_up())

    def until(self, condition: Callable[[], bool], bound_s: float = 10.0) -> float:
        """Time passes until something is so; the seconds it took."""
        began_mono = self.world.mono
        while not condition():
            assert self.world.mono < began_mono + bound_s, f"not within {bound_s} s"
            self.live(PERIOD_S)
        return self.world.mono - began_mono

    def say(self, data: bytes) -> list[bytes]:
        """Tell it something; what it says at once."""
        before = len(self.said)
        self.controller.hear(data, self.evse.catch_up())
        return self.said[before:]

    def closed(self) -> bool:
        self.evse.catch_up()
        return self.evse.contacts_closed
