"""Block F: what the CSMS makes the station do. Each request is judged here; who carries it out is another block's
affair.

A response leaves before anything its handler caused (station.py sees to that), so handlers act at once and then answer.
"""

from collections.abc import Callable

import msgspec

from chargerd.clock import Now
from chargerd.ocpp.authorization import Authorization
from chargerd.ocpp.availability import Availability
from chargerd.ocpp.block import Block, Handlers, Response, StationContext, Triggers
from chargerd.ocpp.edges import Change
from chargerd.ocpp.messages.enums import (
    ChargingProfilePurpose,
    ConnectorStatus,
    MessageTrigger,
    RequestStartStopStatus,
    TriggerMessageStatus,
    UnlockStatus,
)
from chargerd.ocpp.messages.remote_control import (
    RequestStartTransaction,
    RequestStartTransactionResponse,
    RequestStopTransaction,
    RequestStopTransactionResponse,
    TriggerMessage,
    TriggerMessageResponse,
    UnlockConnector,
    UnlockConnectorResponse,
)
from chargerd.ocpp.messages.types import EVSE, ChargingProfile, IdToken, StatusInfo
from chargerd.ocpp.news import News, Registration, TransactionAuthorized
from chargerd.ocpp.smart_charging import SmartCharging
from chargerd.ocpp.transactions import Transactions
from chargerd.ocpp.unlocks import Unlocks

CONNECTOR_ID = 1
"""The only connector of each EVSE."""

_OF_AN_EVSE = frozenset(
    {MessageTrigger.METER_VALUES, MessageTrigger.STATUS_NOTIFICATION, MessageTrigger.TRANSACTION_EVENT}
)
"""The messages that belong to an EVSE; with any other the evse of a TriggerMessage means nothing."""


class _Promised(msgspec.Struct, frozen=True):
    """A profile that waits for the transaction of its remote start."""

    remote_start_id: int
    profile: ChargingProfile


class RemoteControl(Block):
    """RequestStartTransaction, RequestStopTransaction, UnlockConnector and TriggerMessage."""

    def __init__(
        self,
        ctx: StationContext,
        authorization: Authorization,
        transactions: Transactions,
        smart_charging: SmartCharging,
        availability: Availability,
        *,
        triggers: Callable[[], Triggers],
    ) -> None:
        super().__init__(ctx)
        self._authorization = authorization
        self._transactions = transactions
        self._smart_charging = smart_charging
        self._availability = availability
        self._triggers = triggers
        self._promised: dict[int, _Promised] = {}
        self._unlocks = Unlocks(ctx)

    def handlers(self) -> Handlers:
        """Block F."""
        return {
            RequestStartTransaction: self._request_start,
            RequestStopTransaction: self._request_stop,
            UnlockConnector: self._unlock_connector,
            TriggerMessage: self._trigger_message,
        }

    def on_change(self, change: Change, now: Now) -> None:
        """The lock that is being released may have moved."""
        self._unlocks.on_change(change)

    def next_deadline(self) -> float | None:
        """When a lock has had its time."""
        return self._unlocks.next_deadline()

    def on_time(self, now: Now) -> None:
        """Give up on a lock that says nothing."""
        self._unlocks.on_time(now)

    def on_news(self, news: News, now: Now) -> None:
        """Give a promised profile to the transaction that the remote start led to (F01.FR.10, F02.FR.18)."""
        if not isinstance(news, TransactionAuthorized):
            return
        promised = self._promised.pop(news.evse_id, None)
        running = self._transactions.running(news.evse_id)
        if promised is not None and running is not None and running.remote_start_id == promised.remote_start_id:
            self._smart_charging.adopt_for_transaction(promised.profile, news.evse_id, running.transaction_id, now)

    # ------------------------------------------------------------------ F01, F02

    def _request_start(self, request: RequestStartTransaction, now: Now) -> RequestStartTransactionResponse:
        evse_id = self._chosen(request)
        refusal = self._why_not_start(request, evse_id, now)
        if refusal is not None or evse_id is None:
            return RequestStartTransactionResponse(status=RequestStartStopStatus.REJECTED, status_info=refusal)
        running = self._transactions.running(evse_id)
        if request.charging_profile is not None:
            self._promised[evse_id] = _Promised(request.remote_start_id, request.charging_profile)
        else:
            self._promised.pop(evse_id, None)
        self._transactions.start_remotely(
            evse_id, request.id_token, request.group_id_token, request.remote_start_id, now
        )
        return RequestStartTransactionResponse(
            status=RequestStartStopStatus.ACCEPTED,
            transaction_id=None if running is None else running.transaction_id,  # F01.FR.13
        )

    def _chosen(self, request: RequestStartTransaction) -> int | None:
        """The EVSE that is meant; without one, a usable one, rather one kept for the token, or where a vehicle waits
        (F01.FR.20, F02.FR.22).
        """
        if request.evse_id is not None:
            return request.evse_id
        token, group = request.id_token, request.group_id_token
        free = [evse_id for evse_id in self.ctx.evse_ids if self._why_not_evse(evse_id, token, group) is None]
        waiting = [evse_id for evse_id in free if (evse := self.ctx.evse(evse_id)) is not None and evse.ev_connected]
        reserved = [evse_id for evse_id in free if self._transactions.is_reserved_for(evse_id, token, group)]
        return next(iter(reserved + waiting + free), None)

    def _why_not_start(self, request: RequestStartTransaction, evse_id: int | None, now: Now) -> StatusInfo | None:
        if self.ctx.registration is not Registration.ACCEPTED:
            return StatusInfo(reason_code="CSNotAccepted")  # B02.FR.05
        if evse_id is None:
            return StatusInfo(reason_code="NotFound", additional_info="no EVSE is free")
        if evse_id not in self.ctx.evse_ids:
            return StatusInfo(reason_code="UnknownEvse")
        refusal = self._why_not_evse(evse_id, request.id_token, request.group_id_token)
        if refusal is None and request.charging_profile is not None:
            refusal = self._why_not_profile(request.charging_profile, evse_id, now)
        return refusal

    def _why_not_evse(self, evse_id: int, token: IdToken, group: IdToken | None) -> StatusInfo | None:
        if self.ctx.status is None:
            return StatusInfo(reason_code="NotEnabled", additional_info="the charging side is silent")
        status = self._availability.status(evse_id)
        if status in (ConnectorStatus.FAULTED, ConnectorStatus.UNAVAILABLE):  # F01.FR.23, F02.FR.25
            return StatusInfo(reason_code="NotEnabled", additional_info=f"the connector is {status}")
        # F01.FR.24, F02.FR.26: somebody's transaction; F01.FR.21, F01.FR.22, F02.FR.23, F02.FR.24: a reservation
        why = self._transactions.why_not_grant(evse_id, token, group)
        if why is None and self._transactions.is_asking(evse_id):
            why = "another token is being judged"
        return None if why is None else StatusInfo(reason_code="TxInProgress", additional_info=why)

    def _why_not_profile(self, profile: ChargingProfile, evse_id: int, now: Now) -> StatusInfo | None:
        if (
            profile.charging_profile_purpose is not ChargingProfilePurpose.TX_PROFILE
            or profile.transaction_id is not None
        ):
            return StatusInfo(
                reason_code="InvalidProfile", additional_info="a TxProfile without transactionId is needed"
            )
        return self._smart_charging.why_not_profile(profile, evse_id, now)  # F01.FR.26, F02.FR.27

    # ------------------------------------------------------------------ F03, F05

    def _request_stop(self, request: RequestStopTransaction, now: Now) -> RequestStopTransactionResponse:
        if self.ctx.registration is not Registration.ACCEPTED:
            info = StatusInfo(reason_code="CSNotAccepted")  # B02.FR.05
            return RequestStopTransactionResponse(status=RequestStartStopStatus.REJECTED, status_info=info)
        if not self._transactions.stop_remotely(request.transaction_id, now):
            info = StatusInfo(reason_code="TxNotFound")
            return RequestStopTransactionResponse(status=RequestStartStopStatus.REJECTED, status_info=info)  # F03.FR.08
        return RequestStopTransactionResponse(status=RequestStartStopStatus.ACCEPTED)  # F03.FR.07

    def _unlock_connector(self, request: UnlockConnector, now: Now) -> Response:
        evse_id = request.evse_id
        if evse_id not in self.ctx.evse_ids or request.connector_id != CONNECTOR_ID:
            return UnlockConnectorResponse(status=UnlockStatus.UNKNOWN_CONNECTOR)  # F05.FR.03
        running = self._transactions.running(evse_id)
        if running is not None and running.authorized:
            return UnlockConnectorResponse(status=UnlockStatus.ONGOING_AUTHORIZED_TRANSACTION)  # F05.FR.02
        return self._unlocks.begin(evse_id, now)

    # ------------------------------------------------------------------ F06

    def _trigger_message(self, request: TriggerMessage, now: Now) -> TriggerMessageResponse:
        message = request.requested_message
        send = self._triggers().get(message)
        if send is None:
            return TriggerMessageResponse(status=TriggerMessageStatus.NOT_IMPLEMENTED)  # F06.FR.08
        is_boot = message is MessageTrigger.BOOT_NOTIFICATION
        if self.ctx.registration is Registration.ACCEPTED if is_boot else not self.ctx.may_be_asked:
            return TriggerMessageResponse(status=TriggerMessageStatus.REJECTED)  # F06.FR.17, B01.FR.08
        evse = request.evse if message in _OF_AN_EVSE else None  # F06.FR.03
        unknown = None if evse is None else self._why_unknown(evse)
        if unknown is not None:
            info = StatusInfo(reason_code=unknown)
            return TriggerMessageResponse(status=TriggerMessageStatus.REJECTED, status_info=info)
        done = send(None if evse is None or evse.id == 0 else evse.id, now)  # F06.FR.10
        return TriggerMessageResponse(status=TriggerMessageStatus.ACCEPTED if done else TriggerMessageStatus.REJECTED)

    def _why_unknown(self, evse: EVSE) -> str | None:
        """The reason code for an EVSE or connector that does not exist; 0 stands for all EVSEs."""
        if evse.id not in {0, *self.ctx.evse_ids}:
            return "UnknownEvse"
        return None if evse.connector_id in {None, CONNECTOR_ID} else "UnknownConnectorId"
