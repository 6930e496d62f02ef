"""Messages that must arrive (E04, E13, A04.FR.02): kept on disk in order, sent one by one, removed with their answer.

A row is written in the transaction of the change that caused it and removed in the transaction in which the answer
takes effect, so a crash at any moment loses no message. Only the row being sent is in memory, however long the queue.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from chargerd import codec
from chargerd.clock import Now
from chargerd.codec import CodecError
from chargerd.ocpp.effects import Severity
from chargerd.ocpp.messages import ACTIONS
from chargerd.ocpp.messages.enums import TransactionEventEnum
from chargerd.ocpp.messages.transactions import TransactionEvent
from chargerd.ocpp.messages.wire import Call, Wire
from chargerd.ocpp.restamp import restamped
from chargerd.ocpp.rpc import CallFailure, FailureKind, Rpc
from chargerd.ocpp.variables import Variables, integer
from chargerd.store import Store, StoredValueError

MESSAGE_ATTEMPTS = integer(
    "OCPPCommCtrlr",
    "MessageAttempts",
    5,
    instance="TransactionEvent",
    writable=True,
    minimum=1,
    doc="How often a queued message is sent in total before it is given up (E13.FR.02).",
)
MESSAGE_ATTEMPT_INTERVAL = integer(
    "OCPPCommCtrlr",
    "MessageAttemptInterval",
    10,
    instance="TransactionEvent",
    unit="s",
    writable=True,
    minimum=0,
    doc="Wait before a queued message is sent again, times the transmissions so far (E13.FR.03).",
)

QUEUE = "outbox"
NAMESPACE = "outbox"

SECURITY_EVENTS, LOG_STATUS, FIRMWARE_STATUS, CUSTOMERS = "security", "logs", "firmware", "customers"
OF_NO_TRANSACTION = (SECURITY_EVENTS, LOG_STATUS, FIRMWARE_STATUS, CUSTOMERS)
"""Subjects of messages that belong to no transaction."""

MAX_ROWS = 100_000
"""About 100 MB, or years of offline charging. Beyond it every other intermediate reading is given up (E04.FR.08)."""

THIN_ROWS = 200
"""So many rows are looked at for each new one that finds the queue full: the next stretch, round and round."""


class QueuedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A row. `payload`: its JSON. `offline`: it came about offline. `transmissions`: how often it failed online.

    `mono`, `utc`, `run`, `synced`: when it was queued, by the clocks of which run, so that times noted before the
    clock was right can be corrected. `thinnable`: an intermediate reading, which may go when room is short.
    """

    action: str
    payload: str
    offline: bool
    mono: float
    run: int
    synced: bool
    utc: datetime | None = None
    thinnable: bool = False
    transmissions: int = 0


class Outbox:
    """The durable queue. Whoever owns it says when the CSMS accepts messages; the rest it does by itself."""

    def __init__(self, store: Store, rpc: Rpc, variables: Variables, note: Callable[[Severity, str], None]) -> None:
        self._store = store
        self._rpc = rpc
        self._variables = variables
        self._note = note
        self._answers: Mapping[type[Call[Any]], Callable[[Any, Any, Now], None]] = {}
        self._online = False
        self._sending: int | None = None
        self._retry_at_mono: float | None = None
        self._thinned_to_id = 0
        self._count = store.count(QUEUE)
        self._run = (store.find(NAMESPACE, "run", int) or 0) + 1
        self._offline_until_id = store.find(NAMESPACE, "offline_until_id", int) or 0
        variables.declare((MESSAGE_ATTEMPTS, MESSAGE_ATTEMPT_INTERVAL))
        rpc.on_idle = self._send_head

    def append(self, request: Call[Any], now: Now, *, subject: str, offline: bool) -> None:
        """Keep `request` until it is answered. `subject` groups rows (transaction id); `offline`: it happened so."""
        if self._count >= MAX_ROWS:
            self._thin()
        if self._store.get(NAMESPACE, "run", int) != self._run:
            self._store.put(NAMESPACE, "run", self._run)
        row = QueuedMessage(
            action=request.action,
            payload=codec.encode(request).decode(),
            offline=offline,
            mono=now.mono,
            run=self._run,
            synced=now.synced,
            utc=now.utc,
            thinnable=_may_be_thinned(request),
        )
        self._store.append(QUEUE, row, subject)
        self._count += 1
        self._send_head(now)

    def pending(self, subject: str | None = None) -> int:
        """How many messages wait, all or those of one subject (E14)."""
        return self._store.count(QUEUE, subject)

    @property
    def used(self) -> float:
        """How full the queue is, 1.0 and above: full."""
        return self._count / MAX_ROWS

    def set_answers(self, answers: Mapping[type[Call[Any]], Callable[[Any, Any, Now], None]]) -> None:
        """Who is told the answer to which action, as (request, response, now)."""
        self._answers = answers

    def on_online(self, now: Now) -> None:
        """The CSMS takes messages from now on."""
        self._online = True
        self._send_head(now)

    def on_link_down(self, _now: Now) -> None:
        """Everything still queued counts as offline from now on (E11.FR.07)."""
        self._online = False
        newest = self._store.last_id(QUEUE)
        if newest > self._offline_until_id:
            # One number says so for all rows: marking 10 000 of them would take as many writes.
            self._offline_until_id = newest
            self._store.put(NAMESPACE, "offline_until_id", newest)

    def next_deadline(self) -> float | None:
        """When the message that failed is to be sent again."""
        may_send = self._online and not self._rpc.busy  # when busy, on_idle comes at the right moment
        return self._retry_at_mono if may_send else None

    def on_time(self, now: Now) -> None:
        """Send again if it is time."""
        self._send_head(now)

    def _send_head(self, now: Now) -> None:
        if not self._online or self._sending is not None or self._rpc.busy or not self._count:
            return
        if self._retry_at_mono is not None and now.mono < self._retry_at_mono:
            return
        self._retry_at_mono = None
        found = self._readable_head()
        if found is None:
            return
        row_id, row, request = found
        request = self._with_right_times(row, request, now)
        if (row.offline or row_id <= self._offline_until_id) and "offline" in request.__struct_fields__:
            request = msgspec.structs.replace(request, offline=True)
        self._sending = row_id
        self._rpc.call(
            request,
            now,
            then=partial(self._answered, row_id, request),
            failed=partial(self._failed, row_id, row),
        )

    def _readable_head(self) -> tuple[int, QueuedMessage, Call[Any]] | None:
        """The oldest message; rows that this version cannot read are set aside for whoever can."""
        while True:
            try:
                head = self._store.head(QUEUE, QueuedMessage)
                if head is None:
                    return None
                row_id, row = head
                return row_id, row, codec.decode(ACTIONS[row.action], row.payload)
            except StoredValueError as error:
                if error.row_id is None:
                    raise
                self._set_aside(error.row_id, str(error))
            except (CodecError, KeyError) as error:
                self._set_aside(row_id, f"{row.action}: {error}")

    def _set_aside(self, row_id: int, why: str) -> None:
        self._note(Severity.ERROR, f"outbox: message {row_id} cannot be read and was set aside ({why})")
        self._store.set_aside(QUEUE, row_id)
        self._count -= 1

    def _with_right_times(self, row: QueuedMessage, request: Call[Any], now: Now) -> Call[Any]:
        """What this run noted before it knew the time, by the time as it is known now."""
        if row.synced or row.run != self._run or row.utc is None or not now.synced:
            return request
        return restamped(request, now.utc_at(row.mono) - row.utc)

    def _thin(self) -> None:
        """Give up the first, third, fifth ... intermediate reading of the next stretch of the queue (E04.FR.07)."""
        try:
            rows = self._store.rows(QUEUE, QueuedMessage, after=self._thinned_to_id, limit=THIN_ROWS)
        except StoredValueError as error:
            if error.row_id is None:
                raise
            self._set_aside(error.row_id, str(error))
            return
        self._thinned_to_id = rows[-1][0] if len(rows) == THIN_ROWS else 0
        thinnable = [row_id for row_id, row in rows if row.thinnable and row_id != self._sending]
        for row_id in thinnable[::2]:
            self._remove(row_id)
        if thinnable:
            gone = len(thinnable[::2])
            self._note(
                Severity.ERROR, f"outbox: {self._count} messages wait, {gone} intermediate readings were given up"
            )

    def _answered(self, row_id: int, request: Call[Any], response: Wire, now: Now) -> None:
        self._sending = None
        self._remove(row_id)
        answer = self._answers.get(type(request))
        if answer is not None:
            answer(request, response, now)

    def _failed(self, row_id: int, row: QueuedMessage, failure: CallFailure, now: Now) -> None:
        """E13: an answer that is an error, or none although the link is up, is an attempt; a lost link is not."""
        self._sending = None
        if failure.kind is FailureKind.OFFLINE:
            return
        transmissions = row.transmissions + 1
        if transmissions >= self._variables[MESSAGE_ATTEMPTS]:
            text = f"outbox: {row.action} (row {row_id}) given up after {transmissions} attempts ({failure})"
            self._note(Severity.ERROR, text)
            self._remove(row_id)  # E13.FR.04
            return
        self._store.replace(QUEUE, row_id, msgspec.structs.replace(row, transmissions=transmissions))
        self._retry_at_mono = now.mono + self._variables[MESSAGE_ATTEMPT_INTERVAL] * transmissions  # E13.FR.03

    def _remove(self, row_id: int) -> None:
        self._store.remove(QUEUE, row_id)
        self._count -= 1


def _may_be_thinned(request: Call[Any]) -> bool:
    return isinstance(request, TransactionEvent) and request.event_type is TransactionEventEnum.UPDATED
