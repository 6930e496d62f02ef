"""What every functional block is made of, and what it is given.

A block owns its variables, answers its actions, and reacts to changes, news and time. It reaches the world through its
StationContext only, and other blocks only as constructor arguments (the graph is acyclic: station.py builds it in
order).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from chargerd.clock import Now
from chargerd.evse.types import EvseStatus, Status
from chargerd.limits import Limit
from chargerd.ocpp.desk import OrdersDesk
from chargerd.ocpp.edges import Change
from chargerd.ocpp.effects import Effect, Note, Severity
from chargerd.ocpp.messages.enums import MessageTrigger
from chargerd.ocpp.messages.wire import Call, Wire
from chargerd.ocpp.news import News, Registration
from chargerd.ocpp.outbox import Outbox
from chargerd.ocpp.rpc import CallFailure, Deferred, Rpc
from chargerd.ocpp.settings import StationConfig
from chargerd.ocpp.variables import AnyVariable, AttributeKey, Reader, Seal, Unseal, Variables, in_clear
from chargerd.store import Store

ResponseT = TypeVar("ResponseT", bound=Wire)

Response = Wire | Deferred
"""What a handler returns: the response, or the promise of one."""

Handler = Callable[[Any, Now], Response]

Handlers = Mapping[type[Call[Any]], Handler]
"""Action from the CSMS -> who answers it. A handler raises rpc.CallRefused for a CALLERROR."""

Answers = Mapping[type[Call[Any]], Callable[[Any, Any, Now], None]]
"""Queued action of ours -> who is told its answer, as (request, response, now). Queued messages outlive the process,
so no closures.
"""

Triggers = Mapping[MessageTrigger, Callable[[int | None, Now], bool]]
"""F06: what TriggerMessage may ask for -> who sends it, given the EVSE id (None: all). False: cannot now, Rejected."""


class StationContext:
    """What a block may use. One instance, shared by all blocks of a station."""

    def __init__(
        self,
        *,
        config: StationConfig,
        store: Store,
        variables: Variables,
        rpc: Rpc,
        outbox: Outbox,
        new_id: Callable[[], str],
        random: Callable[[], float],
        seal: Seal = in_clear,
        unseal: Unseal = in_clear,
    ) -> None:
        """`new_id`: a fresh unique id of at most 36 characters. `random`: uniform in [0, 1). `seal`, `unseal`: what a
        block stores of a secret, and the secret again (None: not with this station's key).
        """
        self.config = config
        self.store = store
        self.variables = variables
        self.rpc = rpc
        self.outbox = outbox
        self.new_id = new_id
        self.random = random
        self.seal = seal
        self.unseal = unseal
        self.orders = OrdersDesk(len(config.board.evses))
        self.status: Status | None = None
        self.registration = Registration.NONE
        self.link_up = False
        self._effects: list[Effect] = []
        self._news: list[News] = []

    @property
    def online(self) -> bool:
        """The link is up and the CSMS has accepted us: messages can be delivered."""
        return self.link_up and self.registration is Registration.ACCEPTED

    @property
    def may_be_asked(self) -> bool:
        """The CSMS has said Accepted or Pending: what it asks us to send may be sent (B01.FR.08, B02.FR.02)."""
        return self.registration in {Registration.ACCEPTED, Registration.PENDING}

    @property
    def evse_ids(self) -> range:
        """1 to n, without gaps (part 1, 7.2)."""
        return range(1, len(self.config.board.evses) + 1)

    def evse(self, evse_id: int) -> EvseStatus | None:
        """The last known state of one EVSE; None before the control process has spoken or after it fell silent."""
        return None if self.status is None else self.status.evses[evse_id - 1]

    def call(
        self,
        request: Call[ResponseT],
        now: Now,
        then: Callable[[ResponseT, Now], None],
        failed: Callable[[CallFailure, Now], None],
    ) -> None:
        """Send `request` once, as soon as nothing else is in flight; exactly one of `then` and `failed` follows.

        While the CSMS has not accepted us the call fails at once with CallFailure.OFFLINE; it is never kept (part 4,
        1.4/1.5).
        """
        if not self.online:
            failed(CallFailure.offline(), now)
            return
        self.rpc.call(request, now, then, failed)

    def tell(self, request: Call[Any], now: Now) -> None:
        """Send `request` once if online; nobody waits for the answer."""
        self.call(request, now, then=_ignore_response, failed=_ignore_failure)

    def queue(self, request: Call[Any], now: Now, subject: str) -> None:
        """Keep `request` until the CSMS has answered it, over any outage and restart, in order; `subject` groups
        rows (transaction id).
        """
        self.outbox.append(request, now, subject=subject, offline=not self.online)

    def publish(self, news: News) -> None:
        """Tell all blocks; they hear it after the present event has been dealt with, in order."""
        self._news.append(news)

    def do(self, effect: Effect) -> None:
        """Have the shell do this, after the changes of the present event are on disk."""
        self._effects.append(effect)

    def note(self, severity: Severity, text: str) -> None:
        """A line for the log."""
        self._effects.append(Note(severity, text))

    def limit(self, evse_id: int, limit: Limit | None, source: str) -> None:
        """Set (or with None remove) the row of `source` in the limit table of an EVSE."""
        self.orders.set_limit(evse_id, source, limit)

    def drain_effects(self) -> list[Effect]:
        """All effects since the last call, in order; for station.py."""
        effects, self._effects = self._effects, []
        return effects

    def drain_news(self) -> list[News]:
        """All news since the last call, in order; for station.py."""
        news, self._news = self._news, []
        return news

    @property
    def effect_mark(self) -> int:
        """How many effects are waiting; for station.py, to place a reply before what its handler caused."""
        return len(self._effects)

    def insert_effect(self, mark: int, effect: Effect) -> None:
        """Place `effect` before all effects since `mark` (generic FR.05: the response goes out before its
        consequences).
        """
        self._effects.insert(mark, effect)


class Block:
    """A functional block. Override what it needs; everything defaults to nothing."""

    def __init__(self, ctx: StationContext) -> None:
        self.ctx = ctx

    def variables(self) -> Iterable[AnyVariable]:
        """The variables this block owns (declared once, at the top of its file)."""
        return ()

    def readers(self) -> Mapping[AnyVariable, Reader]:
        """Variables whose Actual value is computed when asked for."""
        return {}

    def checks(self) -> Mapping[AnyVariable, Callable[[Any], str | None]]:
        """Further conditions on a new value set by the CSMS: the reason for refusing it, or None."""
        return {}

    def attributes(self) -> Mapping[AttributeKey, Reader]:
        """The further attributes (Target, MinSet, MaxSet) that this block's variables declare."""
        return {}

    def handlers(self) -> Handlers:
        """The actions of the CSMS that this block answers."""
        return {}

    def answers(self) -> Answers:
        """The queued actions of ours whose answers this block wants."""
        return {}

    def triggers(self) -> Triggers:
        """What TriggerMessage can make this block send."""
        return {}

    def on_start(self, now: Now) -> None:
        """Once, before anything else: reload what the store holds."""

    def on_link_up(self, now: Now) -> None:
        """The link opened; nothing but BootNotification may be sent unless registration already is ACCEPTED."""

    def on_link_down(self, now: Now) -> None:
        """The link ended."""

    def on_change(self, change: Change, now: Now) -> None:
        """Something changed on the charging side."""

    def on_news(self, news: News, now: Now) -> None:
        """Another block has news."""

    def next_deadline(self) -> float | None:
        """Monotonic second at which on_time wants to be called; None: no need."""
        return None

    def on_time(self, now: Now) -> None:
        """A deadline may have passed; act on those that have."""


def _ignore_response(_response: Wire, _now: Now) -> None:
    pass


def _ignore_failure(_failure: CallFailure, _now: Now) -> None:
    pass
