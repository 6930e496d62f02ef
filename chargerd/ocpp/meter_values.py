"""Block J: which readings are taken when, and where they go.

Transactions asks for the readings of its events and carries those of a running transaction, aligned ones too
(J01.FR.22): in TransactionEvents they outlast an outage. MeterValues of idle EVSEs are sent from here and are lost
without a link. What is not fresh at its instant is left out.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from chargerd import codec
from chargerd.clock import Now
from chargerd.codec import CodecError
from chargerd.ocpp.block import Block, StationContext, Triggers
from chargerd.ocpp.effects import Severity
from chargerd.ocpp.messages import meter_values as messages
from chargerd.ocpp.messages.enums import Measurand, MessageTrigger, ReadingContext, TriggerReason
from chargerd.ocpp.messages.types import MeterValue
from chargerd.ocpp.meter_clocks import AlignedClock, PeriodicClock
from chargerd.ocpp.meter_readings import SUPPORTED, sampled_values
from chargerd.ocpp.news import ClockSet, News, VariableChanged
from chargerd.ocpp.rpc import CallFailure
from chargerd.ocpp.variables import AnyVariable, Reader, Variable, boolean, integer, member_list

NAMESPACE = "tx_ended_values"
"""Store: EVSE id -> the readings kept for the Ended event of the transaction running there."""

MAX_KEPT_READINGS = 240
"""Sampled values in one Ended event: about 40 kB of JSON, well below the size cap of the link."""

_SAMPLED = "SampledDataCtrlr"
_ALIGNED = "AlignedDataCtrlr"
_ENERGY = (Measurand.ENERGY_ACTIVE_IMPORT_REGISTER,)


def _measurands(component: str, name: str, default: Iterable[str], doc: str) -> Variable[tuple[str, ...]]:
    return member_list(component, name, default, values=SUPPORTED, writable=True, doc=doc)


def _interval(component: str, name: str, default: int, doc: str) -> Variable[int]:
    return integer(component, name, default, minimum=0, maximum=86_400, unit="s", writable=True, doc=doc)


SAMPLED_ENABLED = boolean(_SAMPLED, "Enabled", True, writable=True, required=False, doc="Whether readings are sampled.")
SAMPLED_AVAILABLE = boolean(_SAMPLED, "Available", True, required=False, doc="Whether readings can be sampled.")
TX_STARTED_MEASURANDS = _measurands(_SAMPLED, "TxStartedMeasurands", _ENERGY, "Read when a transaction starts.")
TX_UPDATED_MEASURANDS = _measurands(
    _SAMPLED, "TxUpdatedMeasurands", (*_ENERGY, Measurand.POWER_ACTIVE_IMPORT), "Read at each TxUpdatedInterval."
)
TX_UPDATED_INTERVAL = _interval(
    _SAMPLED, "TxUpdatedInterval", 60, "Time between readings sent in a transaction; 0: none."
)
TX_ENDED_MEASURANDS = _measurands(_SAMPLED, "TxEndedMeasurands", _ENERGY, "Kept for the end of a transaction.")
TX_ENDED_INTERVAL = _interval(
    _SAMPLED, "TxEndedInterval", 0, "Time between readings kept for the end of a transaction; 0: begin and end only."
)
REGISTER_VALUES_WITHOUT_PHASES = boolean(
    _SAMPLED,
    "RegisterValuesWithoutPhases",
    True,
    required=False,
    constant=True,
    doc="Registers are reported as totals only.",
)
ALIGNED_ENABLED = boolean(
    _ALIGNED, "Enabled", True, writable=True, required=False, doc="Whether clock-aligned readings are taken."
)
ALIGNED_AVAILABLE = boolean(_ALIGNED, "Available", True, required=False, doc="Whether readings can be clock-aligned.")
ALIGNED_MEASURANDS = _measurands(_ALIGNED, "Measurands", _ENERGY, "Read at each clock-aligned instant.")
ALIGNED_INTERVAL = _interval(_ALIGNED, "Interval", 0, "Clock-aligned instants are this far apart; 0: none.")
ALIGNED_TX_ENDED_MEASURANDS = _measurands(
    _ALIGNED, "TxEndedMeasurands", _ENERGY, "Clock-aligned readings kept for the end of a transaction."
)
ALIGNED_TX_ENDED_INTERVAL = _interval(
    _ALIGNED, "TxEndedInterval", 0, "Distance of the clock-aligned instants kept for the end of a transaction; 0: none."
)
SEND_DURING_IDLE = boolean(
    _ALIGNED,
    "SendDuringIdle",
    False,
    writable=True,
    required=False,
    doc="Send aligned readings only while all is idle.",
)


class _Kept(msgspec.Struct, frozen=True):
    """What the store holds for one running transaction."""

    values: tuple[MeterValue, ...]


class _Recording:
    """The readings of one running transaction: kept for its end, and due for its next Updated event."""

    def __init__(self, values: tuple[MeterValue, ...], updated: PeriodicClock, ended: PeriodicClock) -> None:
        self.values = values
        self.updated = updated
        self.ended = ended
        self.due: dict[TriggerReason, tuple[MeterValue, ...]] = {}


class MeterValues(Block):
    """Readings inside and outside of transactions."""

    def __init__(self, ctx: StationContext) -> None:
        super().__init__(ctx)
        self._recordings: dict[int, _Recording] = {}
        self._aligned: AlignedClock | None = None
        self._aligned_ended: AlignedClock | None = None

    def variables(self) -> Iterable[AnyVariable]:
        return (
            SAMPLED_ENABLED,
            SAMPLED_AVAILABLE,
            TX_STARTED_MEASURANDS,
            TX_UPDATED_MEASURANDS,
            TX_UPDATED_INTERVAL,
            TX_ENDED_MEASURANDS,
            TX_ENDED_INTERVAL,
            REGISTER_VALUES_WITHOUT_PHASES,
            ALIGNED_ENABLED,
            ALIGNED_AVAILABLE,
            ALIGNED_MEASURANDS,
            ALIGNED_INTERVAL,
            ALIGNED_TX_ENDED_MEASURANDS,
            ALIGNED_TX_ENDED_INTERVAL,
            SEND_DURING_IDLE,
        )

    def readers(self) -> Mapping[AnyVariable, Reader]:
        return {SAMPLED_AVAILABLE: self._has_meter, ALIGNED_AVAILABLE: self._has_meter}

    def triggers(self) -> Triggers:
        return {MessageTrigger.METER_VALUES: self._send_triggered}

    def on_start(self, now: Now) -> None:
        variables = self.ctx.variables
        self._aligned = AlignedClock(variables[ALIGNED_INTERVAL], now)
        self._aligned_ended = AlignedClock(variables[ALIGNED_TX_ENDED_INTERVAL], now)
        for evse_id in self.ctx.evse_ids:
            raw = self.ctx.store.get(NAMESPACE, str(evse_id), msgspec.Raw)
            if raw is not None:
                self._recordings[evse_id] = self._recording(self._readable(evse_id, raw), now)

    def on_news(self, news: News, now: Now) -> None:
        match news:
            case ClockSet():
                self._align(now)
            case VariableChanged(variable) if variable in {ALIGNED_INTERVAL, ALIGNED_TX_ENDED_INTERVAL}:
                self._align(now)
            case VariableChanged(variable) if variable == TX_UPDATED_INTERVAL:
                for recording in self._recordings.values():
                    recording.updated.begin(self.ctx.variables[TX_UPDATED_INTERVAL], now)
            case VariableChanged(variable) if variable == TX_ENDED_INTERVAL:
                for recording in self._recordings.values():
                    recording.ended.begin(self.ctx.variables[TX_ENDED_INTERVAL], now)
            case _:
                pass

    def next_deadline(self) -> float | None:
        clocks: list[AlignedClock | PeriodicClock | None] = [self._aligned]
        if self._recordings:
            clocks.append(self._aligned_ended)
        for recording in self._recordings.values():
            clocks += [recording.updated, recording.ended]
        deadlines = [clock.next_deadline() for clock in clocks if clock is not None]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def on_time(self, now: Now) -> None:
        if self._aligned is not None and (at_utc := self._aligned.take(now)) is not None:
            self._take_aligned(at_utc, now)
        if self._aligned_ended is not None and (at_utc := self._aligned_ended.take(now)) is not None:
            for evse_id in self._recordings:
                self._keep(
                    evse_id,
                    self._values(evse_id, ALIGNED_TX_ENDED_MEASURANDS, ReadingContext.SAMPLE_CLOCK, now, at_utc),
                )
        for evse_id, recording in self._recordings.items():
            if recording.updated.take(now):
                values = self.sampled(evse_id, TX_UPDATED_MEASURANDS, ReadingContext.SAMPLE_PERIODIC, now)
                recording.due[TriggerReason.METER_VALUE_PERIODIC] = values
            if recording.ended.take(now):
                self._keep(evse_id, self.sampled(evse_id, TX_ENDED_MEASURANDS, ReadingContext.SAMPLE_PERIODIC, now))

    # ------------------------------------------------------------------ for Transactions

    def sampled(
        self, evse_id: int, measurands: Variable[tuple[str, ...]], context: ReadingContext, now: Now
    ) -> tuple[MeterValue, ...]:
        """The readings that `measurands` names, taken now; empty when it names none or none is fresh (J02.FR.11)."""
        return self._values(evse_id, measurands, context, now, now.utc)

    def transaction_began(self, evse_id: int, now: Now) -> None:
        """From now on readings are kept for the end of this EVSE's transaction, and are due while it runs."""
        self._recordings[evse_id] = self._recording((), now)
        self._keep(evse_id, self.sampled(evse_id, TX_ENDED_MEASURANDS, ReadingContext.TRANSACTION_BEGIN, now))

    def transaction_ended(self, evse_id: int, now: Now) -> tuple[MeterValue, ...]:
        """All that was kept since the begin, and the readings now (E06.FR.11): what the Ended event carries."""
        self._keep(evse_id, self.sampled(evse_id, TX_ENDED_MEASURANDS, ReadingContext.TRANSACTION_END, now))
        recording = self._recordings.pop(evse_id, None)
        self.ctx.store.delete(NAMESPACE, str(evse_id))
        return () if recording is None else recording.values

    def updates_due(self, evse_id: int, now: Now) -> list[tuple[TriggerReason, tuple[MeterValue, ...]]]:
        """What the transaction of this EVSE has to report since the last call; each is handed out once."""
        recording = self._recordings.get(evse_id)
        if recording is None:
            return []
        due, recording.due = recording.due, {}
        return [(reason, values) for reason, values in due.items() if values]

    # ------------------------------------------------------------------ inside

    def _take_aligned(self, at_utc: datetime, now: Now) -> None:
        if self.ctx.variables[SEND_DURING_IDLE] and self._recordings:
            return  # J01.FR.20
        for evse_id in self.ctx.evse_ids:
            values = self._values(evse_id, ALIGNED_MEASURANDS, ReadingContext.SAMPLE_CLOCK, now, at_utc)
            recording = self._recordings.get(evse_id)
            if recording is not None:
                recording.due[TriggerReason.METER_VALUE_CLOCK] = values  # J01.FR.22
            elif values:
                self.ctx.tell(messages.MeterValues(evse_id=evse_id, meter_value=values), now)  # J01.FR.14

    def _send_triggered(self, evse_id: int | None, now: Now) -> bool:
        """F06.FR.06, 11: the aligned measurands of one EVSE or all, even before the CSMS has accepted us."""
        evse_ids = self.ctx.evse_ids if evse_id is None else [one for one in self.ctx.evse_ids if one == evse_id]
        found = [(one, self.sampled(one, ALIGNED_MEASURANDS, ReadingContext.TRIGGER, now)) for one in evse_ids]
        for one, values in found:
            if values:
                self.ctx.rpc.call(messages.MeterValues(evse_id=one, meter_value=values), now, _taken, _lost)
        return any(values for _, values in found)

    def _values(
        self,
        evse_id: int,
        measurands: Variable[tuple[str, ...]],
        context: ReadingContext,
        now: Now,
        at_utc: datetime,
    ) -> tuple[MeterValue, ...]:
        enabled = SAMPLED_ENABLED if measurands.component == _SAMPLED else ALIGNED_ENABLED
        status, evse = self.ctx.status, self.ctx.evse(evse_id)
        if status is None or evse is None or not self.ctx.variables[enabled]:
            return ()
        readings = sampled_values(
            self.ctx.variables[measurands],
            context,
            evse,
            self.ctx.config.board.evses[evse_id - 1],
            status_age_s=now.mono - status.at_mono,
            meter_age_s=None if evse.meter is None else now.mono - evse.meter.at_mono,
        )
        return (MeterValue(sampled_value=readings, timestamp=at_utc),) if readings else ()

    def _has_meter(self, _evse_id: int | None, _connector_id: int | None) -> bool:
        return any(evse.has_meter for evse in self.ctx.config.board.evses)

    def _recording(self, values: tuple[MeterValue, ...], now: Now) -> _Recording:
        variables = self.ctx.variables
        return _Recording(
            values,
            PeriodicClock(variables[TX_UPDATED_INTERVAL], now),
            PeriodicClock(variables[TX_ENDED_INTERVAL], now),
        )

    def _align(self, now: Now) -> None:
        if self._aligned is not None and self._aligned_ended is not None:
            self._aligned.align(now, self.ctx.variables[ALIGNED_INTERVAL])
            self._aligned_ended.align(now, self.ctx.variables[ALIGNED_TX_ENDED_INTERVAL])

    def _keep(self, evse_id: int, values: tuple[MeterValue, ...]) -> None:
        """Add to what the Ended event will carry; the store holds it too, for a transaction outlives a restart."""
        recording = self._recordings.get(evse_id)
        if recording is None:
            return
        recording.values = thinned(recording.values + values)
        self.ctx.store.put(NAMESPACE, str(evse_id), msgspec.Raw(codec.encode(_Kept(recording.values))))

    def _readable(self, evse_id: int, raw: msgspec.Raw) -> tuple[MeterValue, ...]:
        try:
            return codec.decode(_Kept, raw).values
        except CodecError as error:
            self.ctx.note(
                Severity.ERROR, f"meter values: those kept for EVSE {evse_id} are unreadable ({error}), ignoring"
            )
            return ()


def thinned(values: tuple[MeterValue, ...]) -> tuple[MeterValue, ...]:
    """Without every second intermediate reading while there are too many; the first and the last stay (J02.FR.20)."""
    while sum(len(value.sampled_value) for value in values) > MAX_KEPT_READINGS and len(values) > 2:
        values = (values[0], *values[1:-1][1::2], values[-1])
    return values


def _taken(_response: messages.MeterValuesResponse, _now: Now) -> None:
    pass


def _lost(_failure: CallFailure, _now: Now) -> None:
    pass
