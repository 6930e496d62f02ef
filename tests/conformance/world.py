"""The first way: the whole charger on virtual time. Waiting is stepping the world; what a person does is a verb of the
plant.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from chargerd.certificates import read_chain
from chargerd.config import IdentitySettings
from chargerd.conformance.authority import CSMS_ROOT, authority
from chargerd.conformance.case import Case
from chargerd.conformance.door import SCHEMES, Door, Shown, door
from chargerd.conformance.files import Files
from chargerd.conformance.peer import Peer
from chargerd.conformance.schemas import check
from chargerd.conformance.station import Offer
from chargerd.keys import Keys
from chargerd.ocpp.effects import OpenLink
from chargerd.ocpp.settings import PROFILE_CLIENT_CERTIFICATE, PROFILE_PLAIN, NetworkSlot
from chargerd.tls import context_for
from chargerd.vehicle_port import VehiclePort
from hal.sim.desk import obey
from tests.conformance.makers import put_up
from tests.sim.firmware import FIRMWARE_URL, Bay
from tests.sim.uploads import FILE_URL
from tests.sim.world import PASSWORD, Given, World

TICK_S = 0.05
RESTART_AFTER_S = 0.5
FIRST, OTHER = "csms.test", "other.test"


class PeersOnWire:
    """Every CSMS there is at the other end of the world's wire, by its host."""

    def __init__(self, first: Peer, now_mono: Callable[[], float]) -> None:
        self.peers = {FIRST: first}
        self.now = first
        self._tried = first
        self._now_mono = now_mono
        self._number = 0

    def door(self, order: OpenLink) -> Door | None:
        host = order.url.partition("//")[2].partition("/")[0]
        peer = self.peers.get(host)
        if peer is None:
            return None
        peer.attempts.append(self._now_mono())
        if not peer.open:
            return None
        self._tried = peer
        peer.shown.append(shown(order))
        return peer.door

    def connected(self) -> None:
        self.now = self._tried
        self._number = self.now.opened()

    def disconnected(self) -> None:
        self.now.closed(self._number)

    def receive(self, text: str, mono: float, _utc: datetime) -> None:
        self.now.receive(text, mono)

    def due(self, _mono: float) -> list[str]:
        return self.now.due()


def shown(order: OpenLink) -> Shown:
    """What a CSMS gets to see at an attempt, if it comes as far."""
    leaf = "" if order.client is None else read_chain(order.client.chain_pem)[0].pem
    return Shown(
        security_profile=order.security_profile,
        identity=order.url.rpartition("/")[2],
        user=order.identity if order.password is not None else "",
        password=order.password or "",
        client_pem=leaf,
        tls="TLSv1.3" if order.url.startswith("wss:") else "",
        suites=offered(order) if order.url.startswith("wss:") else (),
    )


def offered(order: OpenLink) -> tuple[str, ...]:
    """The cipher suites that the station's real context has."""
    context = context_for(msgspec.structs.replace(order, client=None), Keys(IdentitySettings(), Path("no keys")))
    return tuple(suite["name"] for suite in context.get_ciphers())


class VirtualSurroundings:
    """Surroundings of a charger whose time passes only when a case waits."""

    evses = 2

    def __init__(self, case: Case, settings: Mapping[str, str]) -> None:
        security_profile = case.security_profile or PROFILE_PLAIN
        self.peer = self._new_peer(security_profile, CSMS_ROOT)
        self._wire = PeersOnWire(self.peer, self.now_mono)
        self._settings = {**settings, **case.settings}
        self._given = Given(
            network=NetworkSlot(url=f"{SCHEMES[security_profile]}://{FIRST}/ocpp", security_profile=security_profile),
            csms=(authority(CSMS_ROOT),) if security_profile > PROFILE_PLAIN else (),
            client=authority(CSMS_ROOT) if security_profile == PROFILE_CLIENT_CERTIFICATE else None,
            bay=Bay() if case.updates else None,
        )
        self._world: World | None = None

    @property
    def world(self) -> World:
        assert self._world is not None, "the case has not switched the station on"
        return self._world

    def power_on(self) -> None:
        self._world = World(1, overrides=self._settings, tick_s=TICK_S, wire=self._wire, given=self._given)

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
        if verb in (port := self._vehicle_port().verbs()):
            port[verb](arguments)
            return None
        reply = obey(self.world.plant, json.dumps({"verb": verb} | dict(arguments)).encode())
        return None if reply.ok else reply.error

    def _vehicle_port(self) -> VehiclePort:
        return VehiclePort(self.world.feed, self.world.station.vehicle_stack.report)

    def power_cycle(self, off_s: float) -> None:
        self.world.power_cut()
        end_mono = self.now_mono() + off_s
        while self.now_mono() < end_mono:
            self.world.step()
        self.world.revive()

    def another_csms(self, security_profile: int, root: str) -> tuple[str, Peer]:
        self._wire.peers[OTHER] = self._new_peer(security_profile, root)
        return f"{SCHEMES[security_profile]}://{OTHER}/ocpp", self._wire.peers[OTHER]

    def file_server(self) -> tuple[str, Files]:
        return FILE_URL, self.world.uploads.files

    def firmware(self, kind: str) -> tuple[Offer, Files]:
        bay = self._given.bay
        assert bay is not None, "the case has not said that it is about updates"
        return put_up(bay.machine, bay.files, FIRMWARE_URL, kind), bay.files

    def close(self) -> None:
        if self._world is not None:
            self._world.close()
        if self._given.bay is not None:
            self._given.bay.close()

    def _new_peer(self, security_profile: int, root: str) -> Peer:
        peer = Peer(lambda: self.world.clock.now().utc, check)
        peer.door = door(security_profile, PASSWORD, root)
        return peer

    def _keep_running(self) -> None:
        """As systemd does: a process that ended is started again."""
        both = self.world.station_alive and self.world.control_alive
        if not both and self.world.dead_for(RESTART_AFTER_S):
            self.world.revive()
