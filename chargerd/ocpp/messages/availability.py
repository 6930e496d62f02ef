"""Messages of block G: what is in service, and proof of life."""

from chargerd.ocpp.messages.enums import ChangeAvailabilityStatus, ConnectorStatus, OperationalStatus
from chargerd.ocpp.messages.types import EVSE, StatusInfo
from chargerd.ocpp.messages.wire import Call, Integer, Timestamp, Wire


class ChangeAvailabilityResponse(Wire):
    status: ChangeAvailabilityStatus
    status_info: StatusInfo | None = None


class ChangeAvailability(Call[ChangeAvailabilityResponse]):
    """CSMS: put the station, an EVSE or a connector in or out of service (G03, G04)."""

    operational_status: OperationalStatus
    evse: EVSE | None = None
    """Absent: the whole station."""


class StatusNotificationResponse(Wire):
    pass


class StatusNotification(Call[StatusNotificationResponse]):
    """Station: the state of a connector changed (G01)."""

    timestamp: Timestamp
    """When it changed, not when it was sent."""
    connector_status: ConnectorStatus
    evse_id: Integer
    connector_id: Integer


class HeartbeatResponse(Wire):
    current_time: Timestamp
    """The CSMS's clock."""


class Heartbeat(Call[HeartbeatResponse]):
    """Station: I am alive; what time is it? (G02)"""
