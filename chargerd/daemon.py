"""Composition root of the station process: build, wire, pump. It reads like a table of contents and decides nothing.

    control process --Status--> channel --+                       +--> SendText --> link --> CSMS
                                          +--> Station.feed/effects
    CSMS --text--> link ------------------+                       +--> SetOrders --> channel --> control process

One timer is armed at `Station.next_deadline()`; every event and every tick of that timer drains the effects in order.
"""

import argparse
import asyncio
import contextlib
import logging
import random
import signal
import uuid
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from chargerd import beginnings, hardening, room, service
from chargerd.channel import ChannelError, StationEnd
from chargerd.clock import SystemClock
from chargerd.config import ConfigError, SiteSettings, check_password, load_site
from chargerd.console import Access, Console
from chargerd.diagnostics import RecentLines, diagnostics
from chargerd.evse.types import Status
from chargerd.extensions import load_vendors
from chargerd.identity_report import identity_answer
from chargerd.jobs import Jobs, Uploader
from chargerd.key_work import KeyWork
from chargerd.keys import Keys
from chargerd.link import Link
from chargerd.ocpp.effects import (
    CancelJob,
    CloseLink,
    Effect,
    KeepKeys,
    MakeKey,
    Note,
    OpenLink,
    Reboot,
    SendText,
    SetOrders,
    SetPing,
    SetTime,
    Severity,
    StartJob,
)
from chargerd.ocpp.events import (
    Event,
    Received,
    ShellSecurityEvent,
    SignalMeasured,
    StatusArrived,
    StatusLost,
    TimeStepped,
)
from chargerd.ocpp.jobs import UPLOAD
from chargerd.ocpp.settings import NetworkSlot, StationConfig
from chargerd.ocpp.station import Station
from chargerd.ocpp.variables import VariableError
from chargerd.ocpp.vehicle_stack import StackReport
from chargerd.provisioned import Provisioned
from chargerd.service import EXIT_CONFIG, EXIT_TRY_AGAIN
from chargerd.station_verbs import BenchHand, StationVerbs
from chargerd.store import Store, StoredValueError, StoreError
from chargerd.tls import CsmsContext, TrustError, context_for, file_server_context, read_roots
from chargerd.updates import Updates
from chargerd.vault import Vault, VaultError
from chargerd.vehicle_port import VehiclePort
from chargerd.version import RELEASED_UTC, VERSION
from chargerd.wireless import signal_dbm
from hal.types import BoardFacts

STATUS_SILENT_S = 3.0
"""No Status for this long (it comes each second) means that the control process is gone."""

FACTS_WITHIN_S = 5.0
"""How long the start waits for the first Status before it falls back to the board facts of the last run."""

CLOCK_STEP_S = 1.0
"""A wall clock that moved this much against the monotonic one has been set."""

SIGNAL_EVERY_S = 10.0
"""A radio link's level moves with the weather, the cars in between and the neighbours."""

ROOM_EVERY_S = 60.0
"""How often memory and disk are looked at."""

log = logging.getLogger("chargerd")

T = TypeVar("T")

_LEVELS = {Severity.INFO: logging.INFO, Severity.WARNING: logging.WARNING, Severity.ERROR: logging.ERROR}


class Daemon:
    """The station process, from its settings to its sockets."""

    def __init__(
        self,
        site: SiteSettings,
        *,
        password: str | None,
        vault: Vault | None = None,
        bench: bool = False,
        lock_down: Callable[[], object] = lambda: None,
    ) -> None:
        """`password`: initial Basic auth password. `vault`: seals what is kept of secrets; None: nothing does. `bench`:
        serve the verbs that only a bench may use. `lock_down`: called once all local sockets are there. Raises
        StoreError, TrustError for roots that cannot be used, and ConfigError for an extension that cannot be loaded.
        """
        self.site = site
        self.bench = bench
        self._password = password
        self._csms_roots_pem = read_roots(site.csms.ca_file) if site.csms.ca_file is not None else ()
        self._vault = vault or Vault(None)
        self._lock_down = lock_down
        self._vendors = load_vendors(site.vendors)
        self._clock = SystemClock()
        run_dir, self._state_dir = Path(site.station.run_dir), Path(site.station.state_dir)
        self._store = Store(str(self._state_dir / "station.sqlite"))
        self._channel = StationEnd(run_dir)
        self._provisioned = Provisioned(self._state_dir / "provisioned")
        self._keys = Keys(site.identity, self._state_dir / "keys", self._provisioned.key_ids)
        self._key_work = KeyWork(self._keys, self.feed, self._restart)
        self._link = Link(self.feed, self._context)
        self._lines = RecentLines(lambda: self._clock.now().utc)
        self._updates = Updates(site.firmware, self._state_dir, run_dir, _boot_id(), file_server_context)
        uploader = Uploader(file_server_context, self._diagnostics)
        self._jobs = Jobs(self.feed, {UPLOAD: uploader, **self._updates.kinds()})
        self.verbs = StationVerbs(
            lambda: self.station,
            self._guarded,
            self._link,
            self._clock,
            self._identity,
            progress=lambda: self._updates.progress,
        )
        self._hand = BenchHand(self.feed, self._link, self._clock, idle=not bench)
        verbs = self.verbs.table() | self._hand.table()
        if site.station.vehicle_stack:
            verbs |= VehiclePort(self.feed, self._vehicle_report).verbs()
        self._console = Console(run_dir / "station.console", verbs, on_access=None if bench else self._accessed)
        self._station: Station | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._status_mono = 0.0
        self._first_status: Status | None = None
        self._core_failed = False
        self._stop = asyncio.Event()
        self._exit_code = 0
        self._progress = service.Progress("pump", "time")

    @property
    def station(self) -> Station:
        """The core, once it has been built."""
        assert self._station is not None, "can't happen because nothing is fed before the core is built"
        return self._station

    async def run(self) -> int:
        """Live until told to stop; the exit code. Raises StoreError when nothing can be remembered any more, and
        ConfigError when the station has nothing to show who it is.
        """
        logging.getLogger().addHandler(self._lines)
        try:
            return await self._run()
        finally:
            logging.getLogger().removeHandler(self._lines)

    async def _run(self) -> int:
        for note in self._store.take_notes():
            log.warning("%s", note)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        facts = await self._board_facts()
        if facts is None:
            self._channel.close()
            self._store.close()
            return self._exit_code
        lost = beginnings.lost(self._store, self._state_dir, self._clock.now().utc)
        self._build(facts)
        if missing := self.station.network.missing:
            self._channel.close()
            self._store.close()
            raise ConfigError(
                f"csms: there is {missing} for security profile {self.site.csms.security_profile}; give the station one"
                " with chargerctl provision"
            )
        if lost is not None:
            self.feed(ShellSecurityEvent("SecurityLogWasCleared", lost))
        if self._first_status is not None:
            self._take_status(self._first_status)
        loop.add_reader(self._channel.fileno(), self._status_readable)
        async with asyncio.TaskGroup() as tasks:
            await self._console.start()
            self._lock_down()
            background = [tasks.create_task(task, name=name) for name, task in self._tasks()]
            self._guarded(lambda: None)
            service.ready(f"{facts.model} {facts.serial}")
            await self._stop.wait()
            service.stopping("restarting" if self._exit_code else "stopping")
            for task in background:
                task.cancel()
        loop.remove_reader(self._channel.fileno())
        await self._shut_down()
        return self._exit_code

    def _tasks(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        return [("watch", self._watch()), ("watchdog", service.feed_watchdog(self._progress))]

    def _build(self, facts: BoardFacts) -> None:
        """The core, from the settings, the board's facts and what the store remembers."""
        site, given = self.site, self._provisioned.at_start()
        config = StationConfig(
            identity=site.station.identity or facts.serial,
            board=facts,
            firmware_version=self._updates.version(VERSION),
            network=NetworkSlot(
                url=site.csms.url,
                security_profile=site.csms.security_profile,
                message_timeout_s=site.csms.message_timeout_s,
            ),
            password=self._password,
            fuse_amps=site.station.fuse_amps,
            wake_up=site.station.wake_up,
            vehicle_stack=site.station.vehicle_stack,
            boot_reason=self._boot_reason(),
            overrides=site.overrides(),
            released_utc=RELEASED_UTC,
            csms_roots_pem=(*self._csms_roots_pem, *given.csms_roots_pem),
            manufacturer_roots_pem=given.manufacturer_roots_pem,
            client=given.client,
            firmware=self._updates.config,
        )
        self._station = Station(
            config,
            self._store,
            self._clock.now(),
            new_id=lambda: str(uuid.uuid4()),
            random=random.SystemRandom().random,
            vendors=self._vendors,
            seal=self._vault.seal,
            unseal=self._vault.unseal,
        )

    async def _board_facts(self) -> BoardFacts | None:
        """What the control process says the hardware is; if it stays silent, what it said last time. None: told to
        stop.
        """
        loop = asyncio.get_running_loop()
        remembered = self._remembered("board", BoardFacts)
        patience_until = loop.time() + FACTS_WITHIN_S
        while not self._stop.is_set():
            status = self._channel.latest_status()
            if status is not None:
                if status.board != remembered:
                    self._store.put("shell", "board", status.board)
                self._first_status = status
                return status.board
            if loop.time() > patience_until:
                if remembered is not None:
                    log.warning("daemon: the control process is silent, starting with the board of the last run")
                    return remembered
                log.warning("daemon: waiting for the control process (is chargerd-control running?)")
                service.status("waiting for the control process")
                patience_until = loop.time() + 60.0
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), 0.02)
        return None

    def _boot_reason(self) -> str:
        """B01.FR.09 as far as the shell knows it: a new boot of the machine, a stop by hand, or a process that died."""
        boot_id = _boot_id()
        last_boot_id = self._remembered("boot_id", str)
        stopped_cleanly = self._remembered("stopped", bool)
        with self._store.transaction():
            self._store.put("shell", "boot_id", boot_id)
            self._store.put("shell", "stopped", False)
        if last_boot_id != boot_id:
            return "PowerUp"
        return "LocalReset" if stopped_cleanly else "ApplicationReset"

    def _remembered(self, key: str, kind: type[T]) -> T | None:
        """What the shell noted in its last run; what another version noted in another form is as good as nothing."""
        try:
            return self._store.get("shell", key, kind)
        except StoredValueError as error:
            log.warning("daemon: %s, ignoring", error)
            return None

    # ------------------------------------------------------------------ the pump

    def feed(self, event: Event) -> None:
        """Something happened: tell the core, then do what it wants."""
        if isinstance(event, Received):
            self._hand.keep_frame("in", event.text)
        self._key_work.watch(event)
        self._guarded(lambda: self.station.feed(event, self._clock.now()))

    def _on_timer(self) -> None:
        self._timer = None
        self._guarded(lambda: self.station.on_time(self._clock.now()))
        self._progress.moved("time")

    def _guarded(self, work: Callable[[], None]) -> None:
        """Let the core work, then do what it wants. The pump runs in callbacks of the loop: what escapes from the core
        must end the process, not be logged and forgotten. What was not kept is not done either.
        """
        if self._core_failed:
            return
        try:
            work()
            self._drain()
        except StoreError as error:
            log.error("%s", error)
            self._give_up()
        except Exception:
            log.exception("daemon: the core failed; restarting")
            self._give_up()

    def _give_up(self) -> None:
        """End for a fresh start. Energy is left to the lease of the last orders."""
        self._core_failed = True
        self._exit_code = EXIT_TRY_AGAIN
        self._stop.set()

    def _drain(self) -> None:
        """Perform all effects in order, then arm the one timer."""
        for effect in self.station.effects():
            self._perform(effect)
        self._progress.moved("pump")
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.station.next_deadline()
        if deadline is not None and not self._stop.is_set():
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, deadline - self._clock.now().mono), self._on_timer)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case SendText(text):
                self._hand.keep_frame("out", text)
                self._link.send(text)
            case SetOrders(orders):
                self._channel.send(orders)
            case Note(severity, text):
                log.log(_LEVELS[severity], "%s", text)
            case OpenLink():
                self._hand.open_link(effect)
            case SetPing(interval_s):
                self._link.set_ping(interval_s)
            case CloseLink(why):
                self._link.close(why)
            case SetTime(utc):
                self._clock.set_utc(utc)
            case MakeKey() | KeepKeys():
                self._key_work.perform(effect)
            case Reboot(why, machine):
                self._restart(why, machine=machine)
            case StartJob():
                self._jobs.start(effect)
            case CancelJob(job_id):
                self._jobs.cancel(job_id)

    def _restart(self, why: str, *, machine: bool = False) -> None:
        log.warning("daemon: restarting (%s)", why)
        if machine:
            self._updates.restart_machine()
        self._exit_code = EXIT_TRY_AGAIN
        self._stop.set()

    # ------------------------------------------------------------------ what happens by itself

    def _status_readable(self) -> None:
        status = self._channel.latest_status()
        if status is not None:
            self._take_status(status)

    def _take_status(self, status: Status) -> None:
        self._status_mono = self._clock.now().mono
        if status.board == self.station.ctx.config.board:
            self.feed(StatusArrived(status))
        elif not self._stop.is_set():
            log.warning("daemon: the board has changed (%s %s), restarting", status.board.model, status.board.serial)
            self._guarded(lambda: self._store.put("shell", "board", status.board))
            self._give_up()

    async def _watch(self) -> None:
        """Once a second: has the control process fallen silent, has somebody set the wall clock? At times: the radio
        link, memory and disk.
        """
        known = self._clock.now()
        signal_due_mono = room_due_mono = known.mono
        while True:
            await asyncio.sleep(1.0)
            now = self._clock.now()
            if now.mono >= signal_due_mono and not self._hand.signal_is_given:
                signal_due_mono = now.mono + SIGNAL_EVERY_S
                self.feed(SignalMeasured(signal_dbm()))
            if now.mono >= room_due_mono:
                room_due_mono = now.mono + ROOM_EVERY_S
                self.feed(room.measured(self._state_dir))
            if now.mono - self._status_mono > STATUS_SILENT_S and self.station.ctx.status is not None:
                self.feed(StatusLost())
            stepped_s = (now.utc - known.utc).total_seconds() - (now.mono - known.mono)
            if abs(stepped_s) > CLOCK_STEP_S:
                self.feed(TimeStepped(stepped_s))
            known = self._clock.now()

    async def _shut_down(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        with contextlib.suppress(StoreError):
            self._store.put("shell", "stopped", self._exit_code == 0)
        await self._jobs.close()
        self._link.close("the station stops")
        await self._link.wait_closed()
        await asyncio.to_thread(self._keys.close)
        await self._console.stop()
        self._channel.close()
        with contextlib.suppress(*([StoreError] if self._core_failed else [])):  # what is wrong has been said
            self._store.close()

    # ------------------------------------------------------------------ what others ask for

    def _context(self, order: OpenLink) -> CsmsContext:
        """Called in a worker thread."""
        now = self._clock.now()
        confirmed = msgspec.structs.replace(now, synced=now.synced or service.follows_time_server())
        return context_for(order, self._keys, confirmed, self.site.csms.crl_file)

    def _identity(self) -> Mapping[str, Any]:
        return identity_answer(self._store, self._provisioned, self._keys, self._clock)

    def _vehicle_report(self) -> StackReport:
        return self.station.vehicle_stack.report()

    def _diagnostics(self, oldest: datetime | None, latest: datetime | None) -> str:
        lines = self._lines.of(oldest, latest)
        return diagnostics(self.station, lines, self._clock.now(), link_open=self._link.is_open)

    def _accessed(self, access: Access) -> None:
        """Somebody commissions or repairs, or was not allowed to."""
        said = "used by" if access.accepted else "refused to"
        log.warning("console: %s %s user %d", access.verb, said, access.uid)
        if self._station is not None:
            kind = "MaintenanceLoginAccepted" if access.accepted else "MaintenanceLoginFailed"
            self.feed(ShellSecurityEvent(kind, f"{access.verb} {said} user {access.uid}"))


def _boot_id() -> str:
    """Of this start of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def main_station(options: argparse.Namespace) -> int:
    """`chargerd station`: the exit code. Settings that cannot work end in 78 and one line that says why."""
    hardening.begin_privately()
    service.set_up_logging("chargerd")
    try:
        site = load_site(options.config)
        password = service.credential("csms-password")
        if password is not None:
            check_password(password, "csms-password", examples=options.bench)
        vault = Vault(service.credential("store-key"))
        daemon = Daemon(
            site,
            password=password,
            vault=vault,
            bench=options.bench,
            lock_down=hardening.give_up_programs_and_listeners,
        )
        if not vault.has_key:
            log.info("vault: no credential store-key, secrets that the CSMS sets are kept in clear for our user alone")
        return asyncio.run(daemon.run())
    except (ConfigError, TrustError, VariableError, VaultError, service.CredentialError) as error:
        log.error("%s", error)
        return EXIT_CONFIG
    except (StoreError, ChannelError) as error:
        log.error("%s", error)
        return EXIT_TRY_AGAIN
