"""Messages of block H: an EVSE kept free for somebody."""

from chargerd.ocpp.messages.enums import CancelReservationStatus, Connector, ReservationUpdateStatus, ReserveNowStatus
from chargerd.ocpp.messages.types import IdToken, StatusInfo
from chargerd.ocpp.messages.wire import Call, Integer, Timestamp, Wire


class ReserveNowResponse(Wire):
    status: ReserveNowStatus
    status_info: StatusInfo | None = None


class ReserveNow(Call[ReserveNowResponse]):
    """CSMS: keep an EVSE for this token (H01)."""

    id: Integer
    expiry_date_time: Timestamp
    """Ends unused at this time."""
    id_token: IdToken
    connector_type: Connector | None = None
    evse_id: Integer | None = None
    """Absent: any EVSE."""
    group_id_token: IdToken | None = None


class CancelReservationResponse(Wire):
    status: CancelReservationStatus
    status_info: StatusInfo | None = None


class CancelReservation(Call[CancelReservationResponse]):
    """CSMS: give up a reservation (H02)."""

    reservation_id: Integer


class ReservationStatusUpdateResponse(Wire):
    pass


class ReservationStatusUpdate(Call[ReservationStatusUpdateResponse]):
    """Station: a reservation ended unused (H01, H04)."""

    reservation_id: Integer
    reservation_update_status: ReservationUpdateStatus
