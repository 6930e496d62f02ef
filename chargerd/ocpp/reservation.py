"""Block H: takes reservations, ends those that nobody used, and tells the CSMS so.

Who may use what is decided in reservation_book.py. An end that the CSMS could not be told is told when it can be.
"""

from collections.abc import Iterable

from chargerd.clock import Now
from chargerd.ocpp.availability import Availability
from chargerd.ocpp.block import Block, Handlers, StationContext
from chargerd.ocpp.edges import Change, LimitChanged, MeterArrived
from chargerd.ocpp.effects import Severity
from chargerd.ocpp.messages.enums import (
    CancelReservationStatus,
    ConnectorStatus,
    ReservationUpdateStatus,
    ReserveNowStatus,
)
from chargerd.ocpp.messages.reservation import (
    CancelReservation,
    CancelReservationResponse,
    ReservationStatusUpdate,
    ReservationStatusUpdateResponse,
    ReserveNow,
    ReserveNowResponse,
)
from chargerd.ocpp.messages.types import StatusInfo
from chargerd.ocpp.news import News, Registration, RegistrationChanged
from chargerd.ocpp.reservation_book import (
    NON_EVSE_SPECIFIC,
    RESERVATION_AVAILABLE,
    RESERVATION_ENABLED,
    Reservation,
    ReservationBook,
)
from chargerd.ocpp.rpc import CallFailure, FailureKind
from chargerd.ocpp.transactions import Transactions
from chargerd.ocpp.variables import AnyVariable

UPDATES = "reservation_updates"
"""Namespace of the store: reservation id -> how it ended, until the CSMS has been told."""


class Reservations(Block):
    """ReserveNow and CancelReservation, expiry, and ReservationStatusUpdate."""

    def __init__(
        self, ctx: StationContext, book: ReservationBook, transactions: Transactions, availability: Availability
    ) -> None:
        super().__init__(ctx)
        self._book = book
        self._transactions = transactions
        self._availability = availability
        self._now: Now | None = None
        self._telling: set[int] = set()

    # ------------------------------------------------------------------ what the station asks of every block

    def variables(self) -> Iterable[AnyVariable]:
        """ReservationCtrlr."""
        return (RESERVATION_AVAILABLE, RESERVATION_ENABLED, NON_EVSE_SPECIFIC)

    def handlers(self) -> Handlers:
        """Block H."""
        return {ReserveNow: self._reserve_now, CancelReservation: self._cancel_reservation}

    def on_start(self, now: Now) -> None:
        """What expired while nobody watched has ended."""
        self._review(now)

    def on_link_up(self, now: Now) -> None:
        """Tell what could not be told."""
        self._tell_ends(now)

    def on_change(self, change: Change, now: Now) -> None:
        """An EVSE may have become unusable."""
        if not isinstance(change, MeterArrived | LimitChanged):
            self._review(now)

    def on_news(self, news: News, now: Now) -> None:
        """The wall clock may have been set; and the CSMS may listen now."""
        self._review(now)
        if isinstance(news, RegistrationChanged) and news.registration is Registration.ACCEPTED:
            self._tell_ends(now)

    def next_deadline(self) -> float | None:
        """When the next reservation expires, by the wall clock as it was last seen."""
        expiries = [reservation.expiry_utc for reservation in self._book.all()]
        return self._now.mono_at(min(expiries)) if expiries and self._now is not None else None

    def on_time(self, now: Now) -> None:
        """End what has expired."""
        self._review(now)

    # ------------------------------------------------------------------ H01, H02

    def _reserve_now(self, request: ReserveNow, now: Now) -> ReserveNowResponse:
        refusal = self._why_not_request(request, now)
        if refusal is not None:
            return ReserveNowResponse(status=ReserveNowStatus.REJECTED, status_info=refusal)
        states = {self._state_for(evse_id, request.id) for evse_id in self._targets(request)}
        if not states:
            info = StatusInfo(reason_code="UnknownConnectorType")
            return ReserveNowResponse(status=ReserveNowStatus.REJECTED, status_info=info)
        if ConnectorStatus.AVAILABLE not in states:
            return ReserveNowResponse(status=_why_not_free(states))
        self._book.put(
            Reservation(
                reservation_id=request.id,
                made_utc=now.utc,
                expiry_utc=request.expiry_date_time,
                id_token=request.id_token,
                group_id_token=request.group_id_token,
                evse_id=request.evse_id,
                connector_type=request.connector_type,
            )
        )
        self._now = now
        self._availability.review(now)  # H01.FR.20, H01.FR.23, H01.FR.24
        return ReserveNowResponse(status=ReserveNowStatus.ACCEPTED)  # H01.FR.03, H01.FR.04, H01.FR.06

    def _why_not_request(self, request: ReserveNow, now: Now) -> StatusInfo | None:
        if not self.ctx.variables[RESERVATION_ENABLED]:
            return StatusInfo(reason_code="NotEnabled")  # H01.FR.01
        if request.evse_id is not None and request.evse_id not in self.ctx.evse_ids:
            return StatusInfo(reason_code="UnknownEvse")
        if request.expiry_date_time <= now.utc:
            return StatusInfo(reason_code="InvalidValue", additional_info="expiryDateTime has passed")
        return None

    def _targets(self, request: ReserveNow) -> list[int]:
        """The EVSEs that would do."""
        evse_ids = self.ctx.evse_ids if request.evse_id is None else (request.evse_id,)
        evses, wanted = self.ctx.config.board.evses, request.connector_type
        return [evse_id for evse_id in evse_ids if wanted in {None, evses[evse_id - 1].connector_type}]

    def _state_for(self, evse_id: int, reservation_id: int) -> ConnectorStatus:
        """The state of the connector if it were not for the reservation that is to be replaced (H01.FR.02)."""
        state = self._availability.status(evse_id)
        evse = self.ctx.evse(evse_id)
        if state is ConnectorStatus.RESERVED and not self._book.is_kept(evse_id, but_for=reservation_id):
            is_occupied = evse is not None and evse.ev_connected
            state = ConnectorStatus.OCCUPIED if is_occupied else ConnectorStatus.AVAILABLE
        if state is ConnectorStatus.AVAILABLE and self._transactions.is_busy(evse_id):
            return ConnectorStatus.OCCUPIED  # somebody is authorized and about to plug in
        return state

    def _cancel_reservation(self, request: CancelReservation, now: Now) -> CancelReservationResponse:
        if request.reservation_id not in {reservation.reservation_id for reservation in self._book.all()}:
            return CancelReservationResponse(status=CancelReservationStatus.REJECTED)  # H02.FR.01
        self._book.remove(request.reservation_id)
        self._availability.review(now)  # H02.FR.04, H02.FR.06
        return CancelReservationResponse(status=CancelReservationStatus.ACCEPTED)  # H02.FR.02

    # ------------------------------------------------------------------ H04: ends

    def _review(self, now: Now) -> None:
        """End what has expired, and what no EVSE is left for."""
        self._now = now
        if not self._book.all():
            return
        for reservation in self._book.all():
            if now.utc >= reservation.expiry_utc:
                self._end(reservation, ReservationUpdateStatus.EXPIRED, now)  # H04.FR.01
            elif reservation.evse_id is not None and self._is_out_of_order(reservation.evse_id):
                self._end(reservation, ReservationUpdateStatus.REMOVED, now)  # H01.FR.16, H01.FR.17
        in_order = [evse_id for evse_id in self.ctx.evse_ids if not self._is_out_of_order(evse_id)]
        while (unserved := self._book.surplus(in_order)) is not None:
            self._end(unserved, ReservationUpdateStatus.REMOVED, now)

    def _is_out_of_order(self, evse_id: int) -> bool:
        """Faulted or put out of service; not merely unseen, as after a start, or just being reset."""
        is_faulted = self._availability.status(evse_id) is ConnectorStatus.FAULTED
        return is_faulted or not self._availability.is_operative(evse_id)

    def _end(self, reservation: Reservation, how: ReservationUpdateStatus, now: Now) -> None:
        reservation_id = reservation.reservation_id
        self.ctx.note(Severity.INFO, f"reservation: {reservation_id} ended unused ({how})")
        self._book.remove(reservation_id)
        self._availability.review(now)  # H04.FR.02, H04.FR.03
        self.ctx.store.put(UPDATES, str(reservation_id), how)
        self._tell_ends(now)

    def _tell_ends(self, now: Now) -> None:
        if not self.ctx.online:
            return
        for key, how in self.ctx.store.items(UPDATES, ReservationUpdateStatus):
            if int(key) not in self._telling:
                self._tell_end(int(key), how, now)

    def _tell_end(self, reservation_id: int, how: ReservationUpdateStatus, now: Now) -> None:
        def told(_response: ReservationStatusUpdateResponse, _now: Now) -> None:
            self._telling.discard(reservation_id)
            self.ctx.store.delete(UPDATES, str(reservation_id))

        def failed(failure: CallFailure, _now: Now) -> None:
            self._telling.discard(reservation_id)
            if failure.kind is not FailureKind.OFFLINE:  # it has heard of it, whatever it makes of it
                self.ctx.store.delete(UPDATES, str(reservation_id))

        self._telling.add(reservation_id)
        update = ReservationStatusUpdate(reservation_id=reservation_id, reservation_update_status=how)
        self.ctx.call(update, now, told, failed)


def _why_not_free(states: set[ConnectorStatus]) -> ReserveNowStatus:
    """The answer when none of the EVSEs meant is free; these are their states (H01.FR.11, H01.FR.12, H01.FR.14)."""
    if states & {ConnectorStatus.OCCUPIED, ConnectorStatus.RESERVED}:
        return ReserveNowStatus.OCCUPIED
    return ReserveNowStatus.UNAVAILABLE if ConnectorStatus.UNAVAILABLE in states else ReserveNowStatus.FAULTED
