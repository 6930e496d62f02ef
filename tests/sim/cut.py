"""The world whose power fails at a chosen effect, and an operator who sees to it that it comes back."""

from collections.abc import Callable
from typing import Any

from chargerd.conformance.authority import CSMS_ROOT
from chargerd.conformance.door import SCHEMES, door
from chargerd.conformance.peer import Asked, Payload, Peer
from chargerd.conformance.schemas import check
from chargerd.ocpp.effects import Effect, OpenLink
from chargerd.ocpp.settings import NetworkSlot
from tests.conformance.world import FIRST, OTHER, PeersOnWire
from tests.sim.world import PASSWORD, Given, World

TICK_S = 0.1
BACK_AFTER_S = 0.5
QUICK = {
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": "1",
    "OCPPCommCtrlr.RetryBackOffRandomRange": "0",
    "OCPPCommCtrlr.RetryBackOffRepeatTimes": "0",
    "OCPPCommCtrlr.NetworkProfileConnectionAttempts": "1",
}


class CutWorld(World):
    """The power goes before the effect number `cut_at`, when all that led to it is on disk; counted once it is set.
    `orders`: every attempt to connect.
    """

    def __init__(self, **changes: Any) -> None:
        self.cut_at: int | None = None
        self.performed = 0
        self.orders: list[OpenLink] = []
        given: dict[str, Any] = {"overrides": QUICK, "tick_s": TICK_S}
        super().__init__(1, **given | changes)

    def _perform_one(self, effect: Effect) -> None:
        if self.cut_at is not None:
            self.performed += 1
            if self.performed > self.cut_at:
                self.cut_at = None
                self.kill_station()
                return
        if isinstance(effect, OpenLink):
            self.orders.append(effect)
        super()._perform_one(effect)


class Operator:
    """Two CSMSs, and a station that is started again whenever it ends. What a CSMS does, it does only after it has the
    station's answer.
    """

    def __init__(self, security_profile: int = 1, **settings: Any) -> None:
        self.world: CutWorld
        self.first, self.other = self._peer(security_profile), self._peer(security_profile)
        wire = PeersOnWire(self.first, self._mono)
        wire.peers[OTHER] = self.other
        network = NetworkSlot(url=address(FIRST, security_profile), security_profile=security_profile)
        given = Given(network=network, **settings.pop("given", {}))
        self.world = CutWorld(wire=wire, given=given, **settings)
        self._then: list[tuple[Asked, Callable[[], object]]] = []

    def _mono(self) -> float:
        return self.world.clock.monotonic()

    def _peer(self, security_profile: int) -> Peer:
        peer = Peer(lambda: self.world.clock.now().utc, check)
        peer.door = door(security_profile, PASSWORD, CSMS_ROOT)
        return peer

    @property
    def connected(self) -> bool:
        """To one of the two, and accepted there."""
        return (self.first.connected or self.other.connected) and self.world.station.ctx.online

    def ask(self, action: str, payload: Payload, then: Callable[[], object] = lambda: None) -> Asked:
        """The first CSMS asks; `then` follows when the station has said yes."""
        asked = self.first.ask(action, payload)
        self._then.append((asked, then))
        return asked

    def set_variable(self, component: str, name: str, value: str, then: Callable[[], object] = lambda: None) -> Asked:
        """The first CSMS sets a variable."""
        element = {"component": {"name": component}, "variable": {"name": name}, "attributeValue": value}
        return self.ask("SetVariables", {"setVariableData": [element]}, then)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.world.run(seconds, self._look)

    def until_connected(self, within_s: float) -> float:
        """Let time pass until the station is there; how long that took."""
        began = self.world.clock.monotonic()
        while not (self.world.station_alive and self.connected):
            assert self.world.clock.monotonic() - began < within_s, "\n".join(
                [*map(repr, self.world.orders[-12:]), *(note.text for note in self.world.notes[-12:])]
            )
            self.run(TICK_S)
        return self.world.clock.monotonic() - began

    def _look(self) -> None:
        if not self.world.station_alive and self.world.dead_for(BACK_AFTER_S):
            self.world.revive()
        for asked, then in list(self._then):
            if asked.done:
                self._then.remove((asked, then))
                if asked.result is not None and said_yes(asked.result):
                    then()


def said_yes(result: Payload) -> bool:
    """Whether the station has accepted what it was asked."""
    results = result.get("setVariableResult")
    status = result["status"] if results is None else results[0]["attributeStatus"]
    return status in {"Accepted", "RebootRequired"}


def address(host: str, security_profile: int) -> str:
    """Where a CSMS is found."""
    return f"{SCHEMES[security_profile]}://{host}/ocpp"
