"""What is known of a customer, told and forgotten on request (N09, N10).

A token is all that is known of anybody here: no names and, once a charge is over, no contracts. What is under way, a
transaction or a reservation, is told and stays until it ends; the local list is the CSMS's own to change.
"""

from collections.abc import Iterator

from chargerd import codec
from chargerd.clock import Now
from chargerd.ocpp.auth_cache import AuthCache
from chargerd.ocpp.authorization import same_token
from chargerd.ocpp.block import Block, Handlers, StationContext
from chargerd.ocpp.local_auth_list import LocalAuthList
from chargerd.ocpp.messages.diagnostics import (
    CustomerInformation,
    CustomerInformationResponse,
    NotifyCustomerInformation,
)
from chargerd.ocpp.messages.enums import CustomerInformationStatus
from chargerd.ocpp.messages.types import IdToken, StatusInfo
from chargerd.ocpp.outbox import CUSTOMERS
from chargerd.ocpp.reservation_book import ReservationBook
from chargerd.ocpp.transactions import Transactions

PART_CHARACTERS = 512
"""NotifyCustomerInformation.data holds no more."""

NOTHING_FOUND = "No data found."
CLEARED = "Cleared. Nothing is kept, but for an entry in the local list and what is under way."


class CustomerData(Block):
    """CustomerInformation and NotifyCustomerInformation."""

    def __init__(
        self,
        ctx: StationContext,
        cache: AuthCache,
        local_list: LocalAuthList,
        book: ReservationBook,
        transactions: Transactions,
    ) -> None:
        super().__init__(ctx)
        self._cache = cache
        self._local_list = local_list
        self._book = book
        self._transactions = transactions

    def handlers(self) -> Handlers:
        """N09 and N10 are one request with two flags."""
        return {CustomerInformation: self._customer_information}

    def _customer_information(self, request: CustomerInformation, now: Now) -> CustomerInformationResponse:
        ways = (request.id_token, request.customer_certificate, request.customer_identifier)
        named = sum(way is not None for way in ways)
        if named != 1:  # N09.FR.09
            return _refusal(CustomerInformationStatus.INVALID, f"a customer is named in one way, not in {named}")
        if not request.report and not request.clear:  # N09.FR.07, N10.FR.07
            return _refusal(CustomerInformationStatus.REJECTED, "neither report nor clear: there is nothing to do")
        text = CLEARED
        if request.report:
            text = "\n".join(() if request.id_token is None else self._known(request.id_token)) or NOTHING_FOUND
        if request.clear and request.id_token is not None:
            self._cache.forget(request.id_token)
        self._tell(request.request_id, text, now)
        return CustomerInformationResponse(status=CustomerInformationStatus.ACCEPTED)

    def _known(self, token: IdToken) -> Iterator[str]:
        """One line for each thing."""
        if (entry := self._cache.entry(token)) is not None:
            yield f"authorization cache: {codec.encode(entry).decode()}"
        if (info := self._local_list.entry(token)) is not None:
            yield f"local authorization list: {codec.encode(info).decode()}"
        for reservation in self._book.all():
            if same_token(reservation.id_token, token):
                yield f"reservation {reservation.reservation_id}: until {reservation.expiry_utc.isoformat()}"
        for evse_id in self.ctx.evse_ids:
            running = self._transactions.running(evse_id)
            if running is not None and same_token(running.id_token, token):
                since = running.started_utc.isoformat()
                yield f"transaction {running.transaction_id}: at EVSE {evse_id}, since {since}"

    def _tell(self, request_id: int, text: str, now: Now) -> None:
        """In the queue on disk: what has been forgotten here could not be told again."""
        parts = [text[begin : begin + PART_CHARACTERS] for begin in range(0, len(text), PART_CHARACTERS)]
        for number, part in enumerate(parts):
            message = NotifyCustomerInformation(
                request_id=request_id,
                data=part,
                seq_no=number,
                generated_at=now.utc,
                tbc=number + 1 < len(parts),
            )
            self.ctx.queue(message, now, CUSTOMERS)


def _refusal(status: CustomerInformationStatus, info: str) -> CustomerInformationResponse:
    return CustomerInformationResponse(
        status=status, status_info=StatusInfo(reason_code="InvalidValue", additional_info=info)
    )
