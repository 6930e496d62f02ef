"""The station: builds the blocks in their acyclic order, routes what comes in, and keeps the rules that hold for all
blocks.

Three rules live here and nowhere else. One event is one database transaction: what it changed is on disk before any
of its effects leave. A response goes out before anything its handler caused (generic FR.05). `feed` raises for
nothing that the world did; StoreError alone passes, for a station that cannot remember must not go on.
"""

from collections.abc import Callable, Sequence
from typing import Any

from chargerd.clock import Now
from chargerd.codec import ErrorCode
from chargerd.evse.types import ORDERS_LEASE_S, Status
from chargerd.limits import Limit
from chargerd.ocpp.auth_cache import AuthCache
from chargerd.ocpp.authorization import Authorization
from chargerd.ocpp.availability import Availability
from chargerd.ocpp.block import Block, Handler, Handlers, Response, StationContext, Triggers
from chargerd.ocpp.certificate_book import CertificateBook
from chargerd.ocpp.certificate_management import CertificateManagement
from chargerd.ocpp.credentials import Credentials
from chargerd.ocpp.customer_information import CustomerData
from chargerd.ocpp.data_transfer import DataTransfers
from chargerd.ocpp.driver_notices import DriverNotices
from chargerd.ocpp.edges import Change, ControlSilent, changes
from chargerd.ocpp.effects import Effect, Note, SendText, SetOrders, Severity
from chargerd.ocpp.events import (
    ContractShown,
    EvCertificateWanted,
    Event,
    JobDone,
    KeyMade,
    LinkDown,
    LinkUp,
    MemoryMeasured,
    Received,
    ShellSecurityEvent,
    SignalMeasured,
    StatusArrived,
    StatusLost,
    TimeStepped,
)
from chargerd.ocpp.firmware_management import FirmwareManagement
from chargerd.ocpp.hardware_variables import Hardware
from chargerd.ocpp.local_auth_list import LocalAuthList
from chargerd.ocpp.logs import Logs
from chargerd.ocpp.messages import INCOMING
from chargerd.ocpp.messages.wire import Call
from chargerd.ocpp.meter_values import MeterValues
from chargerd.ocpp.network import Network
from chargerd.ocpp.news import ClockSet, News, Registration, RegistrationChanged, SecurityEvent
from chargerd.ocpp.ocsp_cache import OcspCache
from chargerd.ocpp.outbox import Outbox
from chargerd.ocpp.provisioning import Provisioning
from chargerd.ocpp.remote_control import RemoteControl
from chargerd.ocpp.renewal import Renewal
from chargerd.ocpp.reservation import Reservations
from chargerd.ocpp.reservation_book import ReservationBook
from chargerd.ocpp.resets import Resets
from chargerd.ocpp.rpc import CallRefused, Rpc
from chargerd.ocpp.security import Security
from chargerd.ocpp.security_log import SecurityLog
from chargerd.ocpp.settings import StationConfig
from chargerd.ocpp.signatures import Signatures
from chargerd.ocpp.smart_charging import SmartCharging
from chargerd.ocpp.surface import Surface
from chargerd.ocpp.transactions import Transactions
from chargerd.ocpp.troubles import Troubles
from chargerd.ocpp.user_limits import UserLimits
from chargerd.ocpp.variables import Seal, Unseal, Variables, in_clear
from chargerd.ocpp.vehicle_stack import VehicleStack
from chargerd.ocpp.vendor import Vendor
from chargerd.store import Store

ORDERS_EVERY_S = 1.0
"""Orders are renewed this often; the lease of ORDERS_LEASE_S survives many lost ones."""

assert ORDERS_EVERY_S * 5 < ORDERS_LEASE_S

MAX_NEWS_ROUNDS = 100
"""More rounds of news than this for one event means that two blocks talk in a circle."""


class Station:
    """One OCPP 2.0.1 charging station, sans I/O: `feed`, `effects`, `next_deadline`, `on_time`."""

    def __init__(
        self,
        config: StationConfig,
        store: Store,
        now: Now,
        *,
        new_id: Callable[[], str],
        random: Callable[[], float],
        vendors: Sequence[Vendor] = (),
        seal: Seal = in_clear,
        unseal: Unseal = in_clear,
    ) -> None:
        """Build everything and reload what `store` holds, with secrets as `seal` makes them. Raises VariableError when
        `config.overrides` cannot be applied.
        """
        self._store = store
        self._rpc = Rpc(
            send=self._send, dispatch=self._dispatch, mark=self._mark, reply=self._reply, new_id=new_id, note=self._note
        )
        variables = Variables(store, len(config.board.evses), config.overrides, seal=seal, unseal=unseal)
        outbox = Outbox(store, self._rpc, variables, note=self._note)
        self._outbox = outbox
        self.ctx = StationContext(
            config=config,
            store=store,
            variables=variables,
            rpc=self._rpc,
            outbox=outbox,
            new_id=new_id,
            random=random,
            seal=seal,
            unseal=unseal,
        )
        self._blocks = self._build(self.ctx, vendors)
        for block in self._blocks:
            variables.declare(block.variables(), block.readers(), block.checks(), block.attributes())
        variables.finish()
        self._handlers = _merged_handlers(self._blocks)
        outbox.set_answers({action: answer for block in self._blocks for action, answer in block.answers().items()})
        self._orders_due_mono: float | None = None
        self._apply_site_fuse(config)
        self.ctx.orders.set_wake_up(config.wake_up)
        with store.transaction():
            for block in self._blocks:
                block.on_start(now)
            self._settle(now)

    def _build_security(self, ctx: StationContext) -> tuple[Block, ...]:
        self.certificate_book = CertificateBook(ctx)
        self.credentials = credentials = Credentials(ctx)
        self.network = Network(ctx, self.credentials, self.certificate_book)
        self.provisioning = Provisioning(ctx, self.network)
        security_log = SecurityLog(ctx.store)
        self.security = Security(ctx, security_log)
        self.renewal = Renewal(ctx, self.credentials, self.certificate_book)
        self.certificate_management = CertificateManagement(ctx, self.certificate_book, lambda: credentials.clients)
        self.logs = Logs(ctx, security_log, self.certificate_book.csms_roots)
        return (
            self.credentials,
            self.network,
            self.provisioning,
            self.security,
            self.renewal,
            self.certificate_management,
            self.logs,
        )

    def _build(self, ctx: StationContext, vendors: Sequence[Vendor]) -> tuple[Block, ...]:
        security = self._build_security(ctx)
        self.local_list = LocalAuthList(ctx)
        self.auth_cache = AuthCache(ctx)
        self.notices = DriverNotices(ctx)
        self.authorization = Authorization(ctx, self.local_list, self.auth_cache, self.notices)
        self.meter_values = MeterValues(ctx)
        book = ReservationBook(ctx)
        self.signatures = Signatures(ctx)
        self.transactions = Transactions(ctx, self.authorization, self.meter_values, self.signatures, book)
        self.ocsp_cache = OcspCache(ctx, self.certificate_book)
        self.vehicle_stack = VehicleStack(ctx, self.certificate_book, self.transactions, self.ocsp_cache)
        self.smart_charging = SmartCharging(ctx, self.transactions)
        self.availability = Availability(ctx, self.transactions, book)
        self.reservations = Reservations(ctx, book, self.transactions, self.availability)
        self.firmware = FirmwareManagement(
            ctx, self.certificate_book, self.transactions, self.availability, lambda: self.network.clock_floor
        )
        self.resets = Resets(ctx, self.transactions, self.availability, self.firmware)
        self.customers = CustomerData(ctx, self.auth_cache, self.local_list, book, self.transactions)
        self.user_limits = UserLimits(ctx)
        self.troubles = Troubles(ctx)
        self.hardware = Hardware(ctx, self.troubles)
        self.data_transfers = DataTransfers(ctx, vendors)
        self.surface = Surface(ctx, self.transactions, self.availability, self.notices)
        self.remote_control = RemoteControl(
            ctx, self.authorization, self.transactions, self.smart_charging, self.availability, triggers=self._triggers
        )
        return (
            *security,
            self.local_list,
            self.auth_cache,
            self.notices,
            self.authorization,
            self.meter_values,
            self.signatures,
            self.transactions,
            self.ocsp_cache,
            self.vehicle_stack,
            self.smart_charging,
            self.availability,
            self.reservations,
            self.firmware,
            self.resets,
            self.customers,
            self.user_limits,
            self.troubles,
            self.hardware,
            self.data_transfers,
            self.surface,
            self.remote_control,
        )

    def _apply_site_fuse(self, config: StationConfig) -> None:
        """An equal share each: whatever the others do, the sum stays within the fuse."""
        if config.fuse_amps is not None:
            share_amps = config.fuse_amps / len(config.board.evses)
            for evse_id in self.ctx.evse_ids:
                self.ctx.limit(evse_id, Limit("site fuse", share_amps), "site fuse")

    # ------------------------------------------------------------------ the sans-I/O contract

    def feed(self, event: Event, now: Now) -> None:
        """Something happened. Call `effects` afterwards. Raises StoreError only."""
        with self._store.transaction():
            self._take(event, now)
            self._settle(now)

    def limit_by_user(self, evse_id: int, amps: float | None, for_s: float | None, now: Now) -> None:
        """A person on the spot limits an EVSE (user_limits.why_not has been asked). Call `effects` afterwards. Raises
        StoreError only.
        """
        with self._store.transaction():
            self.user_limits.set(evse_id, amps, for_s, now)
            self._settle(now)

    def on_time(self, now: Now) -> None:
        """A deadline may have passed. Call `effects` afterwards. Raises StoreError only."""
        with self._store.transaction():
            self._rpc.on_time(now)
            for block in self._blocks:
                block.on_time(now)
            self._settle(now)

    def effects(self) -> list[Effect]:
        """What is to be done now, in order; each effect is handed out once."""
        return self.ctx.drain_effects()

    def next_deadline(self) -> float | None:
        """Monotonic second at which `on_time` must be called at the latest; None: nothing is waiting for time."""
        deadlines = [self._rpc.next_deadline(), self._outbox.next_deadline(), self._orders_due_mono]
        deadlines += [block.next_deadline() for block in self._blocks]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    # ------------------------------------------------------------------ events

    def _take(self, event: Event, now: Now) -> None:
        match event:
            case Received(text):
                self._rpc.on_text(text, now)
            case LinkUp():
                self._link_up(event, now)
            case LinkDown():
                self._link_down(event, now)
            case StatusArrived(status):
                self._status_arrived(status, now)
            case StatusLost():
                self._status_lost(now)
            case ContractShown():
                self.vehicle_stack.contract_shown(event, now)
            case EvCertificateWanted():
                self.vehicle_stack.certificate_wanted(event, now)
            case KeyMade() | JobDone():
                self._work_done(event, now)
            case _:
                self._noticed(event, now)

    def _noticed(self, event: Event, now: Now) -> None:
        """What the shell has seen of the machine."""
        match event:
            case SignalMeasured(dbm):
                self.troubles.signal(dbm, now)
            case ShellSecurityEvent(kind, tech_info):
                self.ctx.publish(SecurityEvent(kind, tech_info))
            case MemoryMeasured():
                self.security.memory_measured(event, now)
            case TimeStepped(by_s):
                self.ctx.publish(ClockSet(by_s))

    def _work_done(self, event: KeyMade | JobDone, now: Now) -> None:
        """What the shell was asked to do has ended."""
        if isinstance(event, KeyMade):
            self.renewal.key_made(event, now)
        elif not self.logs.job_done(event, now) and not self.firmware.job_done(event, now):
            self._note(Severity.WARNING, f"job: nobody waits for {event.job_id}, ignoring")

    def _link_up(self, event: LinkUp, now: Now) -> None:
        self.ctx.link_up = True
        self._rpc.on_link_up(now)
        self.network.link_opened(event, now)
        for block in self._blocks:
            block.on_link_up(now)
        if self.ctx.online:
            self._outbox.on_online(now)

    def _link_down(self, event: LinkDown, now: Now) -> None:
        was_up, self.ctx.link_up = self.ctx.link_up, False
        self._rpc.on_link_down(now)
        self.network.link_closed(event, now)
        if was_up:
            self._outbox.on_link_down(now)
            for block in self._blocks:
                block.on_link_down(now)

    def _status_arrived(self, status: Status, now: Now) -> None:
        previous, self.ctx.status = self.ctx.status, status
        self.ctx.orders.adopt(status)
        for change in changes(previous, status):
            self._tell(change, now)
        if self._orders_due_mono is None:
            self._orders_due_mono = now.mono

    def _status_lost(self, now: Now) -> None:
        if self.ctx.status is not None:
            self.ctx.status = None
            self._tell(ControlSilent(), now)

    def _tell(self, change: Change, now: Now) -> None:
        for block in self._blocks:
            block.on_change(change, now)

    # ------------------------------------------------------------------ after every event

    def _settle(self, now: Now) -> None:
        """Deliver all news, let the outbox move, and renew the orders when they changed or are due."""
        for _ in range(MAX_NEWS_ROUNDS):
            news = self.ctx.drain_news()
            if not news:
                break
            for item in news:
                self._deliver(item, now)
        else:
            raise AssertionError("can't happen because no two blocks answer each other's news")
        self._outbox.on_time(now)
        for note in self._store.take_notes():
            self._note(Severity.ERROR, note)
        self.surface.refresh(now)
        if self._orders_due_mono is not None and (self.ctx.orders.changed() or now.mono >= self._orders_due_mono):
            self.ctx.do(SetOrders(self.ctx.orders.snapshot(now)))
            self._orders_due_mono = now.mono + ORDERS_EVERY_S

    def _deliver(self, item: News, now: Now) -> None:
        for block in self._blocks:
            block.on_news(item, now)
        if isinstance(item, RegistrationChanged) and self.ctx.online:
            self._outbox.on_online(now)

    # ------------------------------------------------------------------ what rpc and the outbox need

    def _dispatch(self, request: Call[Any], now: Now) -> Response:
        """Answer one request of the CSMS; every action has exactly one answering block, the others are not
        implemented.
        """
        if self.ctx.registration is Registration.REJECTED:
            raise CallRefused(ErrorCode.SECURITY_ERROR, "the CSMS has rejected this station")  # B03.FR.08
        handler = self._handlers.get(type(request))
        if handler is None:
            raise CallRefused(ErrorCode.NOT_IMPLEMENTED, f"{type(request).__name__} is not implemented")
        return handler(request, now)

    def _triggers(self) -> Triggers:
        return {message: send for block in self._blocks for message, send in block.triggers().items()}

    def _send(self, text: str) -> None:
        self.ctx.do(SendText(text))

    def _mark(self) -> int:
        return self.ctx.effect_mark

    def _reply(self, mark: int, text: str) -> None:
        self.ctx.insert_effect(mark, SendText(text))

    def _note(self, severity: Severity, text: str) -> None:
        self.ctx.do(Note(severity, text))


def _merged_handlers(blocks: tuple[Block, ...]) -> Handlers:
    """All handlers in one table; an action in two blocks, or one the CSMS never sends, is a programming error."""
    merged: dict[type[Call[Any]], Handler] = {}
    for block in blocks:
        for action, handler in block.handlers().items():
            assert action not in merged, f"{action.__name__} is answered by two blocks"
            assert action in INCOMING, f"{action.__name__} is not an action of the CSMS"
            merged[action] = handler
    return merged
