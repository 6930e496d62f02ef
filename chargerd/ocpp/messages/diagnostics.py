"""Messages of block N, first half: logs and customer information."""

from chargerd.ocpp.messages.enums import CustomerInformationStatus, Log, LogStatus, UploadLogStatus
from chargerd.ocpp.messages.types import CertificateHashData, IdToken, StatusInfo
from chargerd.ocpp.messages.wire import Call, Integer, Seconds, String64, String255, String512, Timestamp, Wire


class LogParameters(Wire):
    """Where to upload a log, and which time it is to cover."""

    remote_location: String512
    """URL to upload to."""
    oldest_timestamp: Timestamp | None = None
    latest_timestamp: Timestamp | None = None


class GetLogResponse(Wire):
    status: LogStatus
    status_info: StatusInfo | None = None
    filename: String255 | None = None
    """Absent: nothing to upload."""


class GetLog(Call[GetLogResponse]):
    """CSMS: upload a log; LogStatusNotification follows (N01)."""

    log: LogParameters
    log_type: Log
    request_id: Integer
    retries: Integer | None = None
    """Absent: the station decides."""
    retry_interval: Seconds | None = None
    """Absent: the station decides."""


class LogStatusNotificationResponse(Wire):
    pass


class LogStatusNotification(Call[LogStatusNotificationResponse]):
    """Station: a step of a log upload is reached (N01)."""

    status: UploadLogStatus
    request_id: Integer | None = None
    """Absent only with status Idle."""


class CustomerInformationResponse(Wire):
    status: CustomerInformationStatus
    status_info: StatusInfo | None = None


class CustomerInformation(Call[CustomerInformationResponse]):
    """CSMS: report or remove what you know of a customer (N09, N10)."""

    request_id: Integer
    report: bool
    clear: bool
    customer_certificate: CertificateHashData | None = None
    id_token: IdToken | None = None
    customer_identifier: String64 | None = None
    """Vendor specific, such as a name."""


class NotifyCustomerInformationResponse(Wire):
    pass


class NotifyCustomerInformation(Call[NotifyCustomerInformationResponse]):
    """Station: one part of what is known of a customer (N09)."""

    data: String512
    seq_no: Integer
    """From 0."""
    generated_at: Timestamp
    request_id: Integer
    tbc: bool | None = None
    """More parts follow; absent means False."""
