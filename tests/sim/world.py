"""The whole charger on virtual time from one seed: plant, control loop, station, store and a CSMS in memory.

The control loop, the device windows, the channel and the station are the real ones; the clock and the wire are not. A
seed is a story: what people, cars, cards, faults, the network and the CSMS do, and when. The same seed tells the same
story.
"""

import random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import msgspec

from chargerd.channel import memory_pair
from chargerd.clock import ManualClock
from chargerd.conformance.authority import Authority
from chargerd.conformance.door import Door
from chargerd.control import ControlLoop
from chargerd.devices import EvseUnit
from chargerd.evse.types import EvseStatus, Status
from chargerd.ocpp.effects import (
    CancelJob,
    ClientCertificate,
    CloseLink,
    Effect,
    KeepKeys,
    KeyUse,
    MakeKey,
    Note,
    OpenLink,
    Reboot,
    SendText,
    SetOrders,
    SetTime,
    StartJob,
)
from chargerd.ocpp.events import (
    KeyMade,
    LinkDown,
    LinkFailure,
    LinkUp,
    Received,
    StatusArrived,
    StatusLost,
    TimeStepped,
)
from chargerd.ocpp.jobs import UPLOAD
from chargerd.ocpp.settings import NetworkSlot, StationConfig
from chargerd.ocpp.station import Station
from chargerd.store import Store
from hal.board import load_board, open_board
from hal.sim.faults import PlantRefusal
from tests.sim.csms import Habits, SimCsms
from tests.sim.firmware import Bay
from tests.sim.tls import Keys, outcome
from tests.sim.uploads import Uploads

BOARD = Path(__file__).with_name("board.toml")
SILENT_S = 3.0
PASSWORD = "sixteen-or-more-characters"

CALM = {
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": "2",
    "OCPPCommCtrlr.RetryBackOffRandomRange": "1",
    "OCPPCommCtrlr.RetryBackOffRepeatTimes": "1",
    "OCPPCommCtrlr.MessageAttempts[TransactionEvent]": "1000",
    "OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]": "1",
    "SampledDataCtrlr.TxUpdatedInterval": "10",
    "TxCtrlr.EVConnectionTimeOut": "30",
}
"""Short waits, so that a story of minutes holds many of them; and no message is ever given up."""


class Wire(Protocol):
    """The CSMS's end of the wire."""

    def door(self, order: OpenLink) -> Door | None:
        """The station tries to connect: how it is let in there, None: nobody answers at this address."""

    def connected(self) -> None:
        """A new connection, to where the station tried last."""

    def disconnected(self) -> None:
        """It is gone, and what was on its way with it."""

    def receive(self, text: str, mono: float, utc: datetime) -> None:
        """A frame of the station."""

    def due(self, mono: float) -> list[str]:
        """Frames that arrive at the station now."""


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody set up on the spot: the site settings of the network, and the secrets. `client`: who signed the
    station's certificate, None: it has none. `csms`: the roots that a CSMS may have. `bay`: where firmware is updated.
    """

    network: NetworkSlot = NetworkSlot(url="ws://csms.test/ocpp", security_profile=1)
    password: str | None = PASSWORD
    csms: tuple[Authority, ...] = ()
    client: Authority | None = None
    bay: Bay | None = None


class World:
    """One charger and everything around it."""

    def __init__(
        self,
        seed: int,
        *,
        overrides: Mapping[str, str] | None = None,
        tick_s: float = 0.1,
        wire: Wire | None = None,
        board: Path = BOARD,
        given: Given | None = None,
    ) -> None:
        """`wire`: another CSMS than the one of stories, on a station that is set up by `overrides` alone. `given`: what
        was provisioned.
        """
        self.seed = seed
        self.rng = random.Random(seed)
        self.tick_s = tick_s
        self.clock = ManualClock(synced=False)
        self.csms = SimCsms(random.Random(seed + 1))
        self._wire: Wire = wire or self.csms
        self.store = Store(":memory:")
        self.given = given or Given()
        self.keys = Keys()
        self.client = None if self.given.client is None else self._provisioned(self.given.client)
        self.uploads = Uploads()
        self._works = (self.uploads,) if self.given.bay is None else (self.uploads, self.given.bay)
        self.status: Status | None = None
        self.link = "closed"
        self.link_allowed = True
        self.again = f"make sim SEED={seed} N=1"
        self.diary: list[str] = []
        self.notes: list[Note] = []
        self.messages_out: list[str] = []
        self._overrides = {**(CALM if wire is None else {}), **(overrides or {})}
        self._ids = 0
        self._opening: OpenLink | None = None
        self._keys_made: list[KeyMade] = []
        self._status_mono = 0.0
        self._died_mono = float("-inf")
        self.board = open_board(load_board(board), monotonic=self.clock.monotonic)
        assert self.board.plant is not None
        self.plant = self.board.plant
        self._start_control()
        self.station_alive = True
        self._start_station()

    # ------------------------------------------------------------------ the two processes

    def _start_control(self) -> None:
        """A new control process on the same hardware: safe state first; the channel's other end stays."""
        self.board.safe_state()
        self._control_end, self._station_end = memory_pair()
        self._units = tuple(EvseUnit(evse_id, devices) for evse_id, devices in enumerate(self.board.evses, 1))
        self.loop = ControlLoop(self.board.facts, self._units, self._control_end)
        self.control_alive = True
        self._poll_due = {poller.name: self.clock.monotonic() for unit in self._units for poller in unit.pollers}

    def _start_station(self) -> None:
        bay = self.given.bay
        config = StationConfig(
            identity="WORLD",
            board=self.board.facts,
            firmware_version="1" if bay is None else bay.version,
            network=self.given.network,
            password=self.given.password,
            csms_roots_pem=tuple(each.root_pem for each in self.given.csms),
            client=self.client,
            manufacturer_roots_pem=() if bay is None else (bay.machine.maker.root_pem,),
            firmware=None if bay is None else bay.config(),
            boot_reason="PowerUp",
            overrides=self._overrides,
            vehicle_stack=True,
        )
        self.station = Station(config, self.store, self.clock.now(), new_id=self._new_id, random=self.rng.random)
        self.station_alive = True
        self._perform()

    def _new_id(self) -> str:
        self._ids += 1
        return f"id-{self._ids}"

    def _provisioned(self, signer: Authority) -> ClientCertificate:
        """A key and a certificate, as they come from the factory."""
        made = self.keys.make(
            MakeKey(request_id="", use=KeyUse.STATION, common_name="WORLD-0001", organization="chargerd")
        )
        return ClientCertificate(made.key_id, signer.signed(made.csr_pem))

    def kill_station(self) -> None:
        """SIGKILL: what was committed stays, everything else is gone; the link dies with it."""
        self.diary.append(f"{self.clock.monotonic():8.1f} station killed")
        self.station_alive = False
        self._died_mono = self.clock.monotonic()
        if self.link == "open":
            self._wire.disconnected()
        self.link, self._opening = "closed", None
        self._keys_made.clear()
        for work in self._works:
            work.die()

    def kill_control(self) -> None:
        """SIGKILL: nobody renews the relays' lease any more."""
        self.diary.append(f"{self.clock.monotonic():8.1f} control killed")
        self.control_alive = False
        self._died_mono = self.clock.monotonic()

    def power_cut(self) -> None:
        """The machine is started anew: both processes are dead, and the launcher says what runs next."""
        if self.station_alive:
            self.kill_station()
        if self.control_alive:
            self.kill_control()
        if self.given.bay is not None:
            self.given.bay.boot()

    def revive(self) -> None:
        """What systemd does."""
        if not self.control_alive:
            self._start_control()
        if not self.station_alive:
            self._start_station()

    # ------------------------------------------------------------------ time

    def step(self) -> None:
        """One tick of the world."""
        self.clock.advance(self.tick_s)
        self.plant.catch_up()
        if self.control_alive:
            self._poll()
            self.loop.tick(self.clock.monotonic())
        arrived = self._station_end.latest_status()
        if arrived is not None:
            self.status, self._status_mono = arrived, self.clock.monotonic()
        if self.station_alive:
            self._station_step(arrived)

    def run(self, seconds: float, after_each: Callable[[], None] = lambda: None) -> None:
        """Let `seconds` pass."""
        end = self.clock.monotonic() + seconds
        while self.clock.monotonic() < end:
            self.step()
            after_each()

    def _poll(self) -> None:
        now_mono = self.clock.monotonic()
        for unit in self._units:
            for poller in unit.pollers:
                if poller.called or self._poll_due[poller.name] <= now_mono:
                    self._poll_due[poller.name] = now_mono + poller.poll_once()

    def _station_step(self, arrived: Status | None) -> None:
        now = self.clock.now()
        if arrived is not None:
            self.feed(StatusArrived(arrived))
        elif now.mono - self._status_mono > SILENT_S and self.station.ctx.status is not None:
            self.feed(StatusLost())
        self._move_link()
        while self._keys_made and self.station_alive:
            self.feed(self._keys_made.pop(0))
        for text in self._wire.due(now.mono) if self.link == "open" else ():
            self.feed(Received(text))
        for end in [end for work in self._works for end in work.due(now.mono)]:
            if self.station_alive:
                self.feed(end)
        deadline = self.station.next_deadline()
        if deadline is not None and deadline <= now.mono:
            self.station.on_time(now)
            self._perform()

    def feed(self, event: Any) -> None:
        """Give the station an event and perform what it wants."""
        self.station.feed(event, self.clock.now())
        self._perform()

    def _perform(self) -> None:
        for effect in self.station.effects():
            if self.station_alive:  # the dead do nothing more
                self._perform_one(effect)

    def _perform_one(self, effect: Effect) -> None:
        match effect:
            case SendText(text):
                self.messages_out.append(text)
                if self.link == "open":
                    self._wire.receive(text, self.clock.monotonic(), self.clock.now().utc)
            case SetOrders(orders):
                self._station_end.send(orders)
            case OpenLink():
                assert self._opening is None, "opened twice"
                assert self.link == "closed", "opened while open"
                self._opening = effect
            case CloseLink():
                self._close_link()
            case SetTime(utc):
                step_s = (utc - self.clock.now().utc).total_seconds()
                self.clock.set_utc(utc)
                if abs(step_s) > 1:
                    self.station.feed(TimeStepped(step_s), self.clock.now())
            case Reboot(machine=machine):
                self.kill_station()
                if machine:
                    self.power_cut()
            case Note():
                self.notes.append(effect)
            case _:
                self._begin_work(effect)

    def _begin_work(self, effect: Effect) -> None:
        match effect:
            case StartJob(kind=kind):
                bay = self.given.bay
                (self.uploads if bay is None or kind == UPLOAD else bay).start(effect, self.clock.monotonic())
            case CancelJob(job_id):
                for work in self._works:
                    work.cancel(job_id, self.clock.monotonic())
            case MakeKey():
                self._keys_made.append(self.keys.make(effect))
            case KeepKeys():
                untold = {made.key_id for made in self._keys_made}
                self.keys.keep(KeepKeys((*effect.key_ids, *untold)))

    # ------------------------------------------------------------------ the wire

    def _move_link(self) -> None:
        if self._opening is None or self.link == "open":
            return
        order, self._opening = self._opening, None
        door = self._wire.door(order) if self.link_allowed else None
        came = outcome(order, door, self.clock.now().utc, self.keys)
        if isinstance(came, LinkUp):
            self.link = "open"
            self._wire.connected()
            self._slot = order.slot
        self.feed(came)

    def _close_link(self) -> None:
        if self._opening is not None:
            order, self._opening = self._opening, None
            self.feed(LinkDown(order.slot, LinkFailure.CLOSED, "closed while it was opened"))
        self.link_lost()

    def link_lost(self) -> None:
        """The connection ends; frames on their way are lost."""
        if self.link == "open":
            self.link = "closed"
            self._wire.disconnected()
            self.feed(LinkDown(self._slot, LinkFailure.UNREACHABLE, "lost"))

    # ------------------------------------------------------------------ looking and doing

    def loop_status(self, evse_id: int) -> EvseStatus | None:
        """What the control process thinks of an EVSE right now (it publishes each change); None while it is dead."""
        return None if self.status is None or not self.control_alive else self.status.evses[evse_id - 1]

    def dead_for(self, seconds: float) -> bool:
        """Whether it is `seconds` since the last process died."""
        return self.clock.monotonic() - self._died_mono >= seconds

    def both_alive_for(self, seconds: float) -> bool:
        """Whether neither process died in the last `seconds`."""
        return self.control_alive and self.station_alive and self.clock.monotonic() - self._died_mono > seconds

    def close(self) -> None:
        """Give back what the store and the channel hold."""
        self.store.close()
        self._control_end.close()
        self._station_end.close()
        self.board.close()

    def limit(self, evse_id: int, amps: float | None, for_s: float | None) -> None:
        """A person on the spot limits an EVSE, as `chargerctl limit` does."""
        self.station.limit_by_user(evse_id, amps, for_s, self.clock.now())
        self._perform()

    def do(self, what: str, action: Callable[[], object]) -> None:
        """Something happens in the world; what the plant refuses (unplug a locked plug) simply does not happen."""
        try:
            action()
        except PlantRefusal as refusal:
            what = f"{what} (refused: {refusal})"
        self.diary.append(f"{self.clock.monotonic():8.1f} {what}")

    def set_wall_clock(self, by_s: float) -> None:
        """Somebody sets the clock."""
        self.clock.set_utc(self.clock.now().utc + timedelta(seconds=by_s))
        if self.station_alive:
            self.feed(TimeStepped(by_s))

    def calm(self) -> None:
        """From here on everybody behaves."""
        self.csms.habits = Habits()
        self.link_allowed = True
        self.revive()
