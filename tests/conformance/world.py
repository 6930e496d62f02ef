"""The first way: the whole charger on virtual time. Waiting is stepping the world; what a person does is a verb of the
plant.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from chargerd.conformance.case import Case
from chargerd.conformance.files import Files
from chargerd.conformance.peer import Peer
from chargerd.conformance.schemas import check
from hal.sim.desk import obey
from tests.sim.uploads import FILE_URL
from tests.sim.world import World

TICK_S = 0.05
RESTART_AFTER_S = 0.5
URL = "ws://csms.test/ocpp"
OTHER_URL = "ws://other.test/ocpp"


class PeersOnWire:
    """Every CSMS there is at the other end of the world's wire, by its address."""

    def __init__(self, first: Peer, now_mono: Callable[[], float]) -> None:
        self.peers = {URL: first}
        self.now = first
        self._now_mono = now_mono
        self._number = 0

    def lets_in(self, url: str) -> bool:
        peer = next((peer for start, peer in self.peers.items() if url.startswith(f"{start}/")), None)
        if peer is None:
            return False
        peer.attempts.append(self._now_mono())
        if not peer.open:
            return False
        self.now = peer
        return True

    def connected(self) -> None:
        self._number = self.now.opened()

    def disconnected(self) -> None:
        self.now.closed(self._number)

    def receive(self, text: str, mono: float, _utc: datetime) -> None:
        self.now.receive(text, mono)

    def due(self, _mono: float) -> list[str]:
        return self.now.due()


class VirtualSurroundings:
    """Surroundings of a charger whose time passes only when a case waits."""

    evses = 2

    def __init__(self, case: Case, settings: Mapping[str, str]) -> None:
        self.peer = self._new_peer()
        self._wire = PeersOnWire(self.peer, self.now_mono)
        self._settings = {**settings, **case.settings}
        self._world: World | None = None

    @property
    def world(self) -> World:
        assert self._world is not None, "the case has not switched the station on"
        return self._world

    def power_on(self) -> None:
        self._world = World(1, overrides=self._settings, tick_s=TICK_S, wire=self._wire)

    def now_mono(self) -> float:
        return self.world.clock.monotonic()

    def wait(self, seconds: float) -> None:
        end_mono = self.now_mono() + seconds - 1e-9
        while self.now_mono() < end_mono:
            if not self._wire.now.open:
                self.world.link_lost()
            self.world.step()
            self._keep_running()

    def act(self, verb: str, arguments: Mapping[str, Any]) -> str | None:
        reply = obey(self.world.plant, json.dumps({"verb": verb} | dict(arguments)).encode())
        return None if reply.ok else reply.error

    def power_cycle(self, off_s: float) -> None:
        self.world.kill_station()
        self.world.kill_control()
        end_mono = self.now_mono() + off_s
        while self.now_mono() < end_mono:
            self.world.step()
        self.world.revive()

    def another_csms(self) -> tuple[str, Peer]:
        return OTHER_URL, self._wire.peers.setdefault(OTHER_URL, self._new_peer())

    def file_server(self) -> tuple[str, Files]:
        return FILE_URL, self.world.uploads.files

    def close(self) -> None:
        if self._world is not None:
            self._world.close()

    def _new_peer(self) -> Peer:
        return Peer(lambda: self.world.clock.now().utc, check)

    def _keep_running(self) -> None:
        """As systemd does: a process that ended is started again."""
        both = self.world.station_alive and self.world.control_alive
        if not both and self.world.dead_for(RESTART_AFTER_S):
            self.world.revive()
