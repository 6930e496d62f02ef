"""Messages of block L: new firmware for the station, or through it for others."""

from chargerd.ocpp.messages.enums import (
    FirmwareStatus,
    GenericStatus,
    PublishFirmwareStatus,
    UnpublishFirmwareStatus,
    UpdateFirmwareStatus,
)
from chargerd.ocpp.messages.types import StatusInfo
from chargerd.ocpp.messages.wire import (
    Call,
    Integer,
    OneOrMore,
    Seconds,
    String32,
    String512,
    String800,
    String5500,
    Timestamp,
    Wire,
)


class Firmware(Wire):
    """Where new firmware is, when to act, and what proves it."""

    location: String512
    """URI."""
    retrieve_date_time: Timestamp
    """Fetch no earlier."""
    install_date_time: Timestamp | None = None
    """Install no earlier; absent: as soon as possible."""
    signing_certificate: String5500 | None = None
    """PEM; with signature for a secure update (L01)."""
    signature: String800 | None = None
    """Base64."""


class UpdateFirmwareResponse(Wire):
    status: UpdateFirmwareStatus
    status_info: StatusInfo | None = None


class UpdateFirmware(Call[UpdateFirmwareResponse]):
    """CSMS: fetch, check and install this firmware (L01, L02)."""

    request_id: Integer
    firmware: Firmware
    retries: Integer | None = None
    """Absent: the station decides."""
    retry_interval: Seconds | None = None
    """Absent: the station decides."""


class FirmwareStatusNotificationResponse(Wire):
    pass


class FirmwareStatusNotification(Call[FirmwareStatusNotificationResponse]):
    """Station: a step of a firmware update is reached (L01, L02)."""

    status: FirmwareStatus
    request_id: Integer | None = None
    """Absent only with status Idle."""


class PublishFirmwareResponse(Wire):
    status: GenericStatus
    status_info: StatusInfo | None = None


class PublishFirmware(Call[PublishFirmwareResponse]):
    """CSMS: fetch firmware and offer it on the local network (L03)."""

    location: String512
    """URI."""
    checksum: String32
    """MD5 of the file, hexadecimal."""
    request_id: Integer
    retries: Integer | None = None
    """Absent: the station decides."""
    retry_interval: Seconds | None = None
    """Absent: the station decides."""


class PublishFirmwareStatusNotificationResponse(Wire):
    pass


class PublishFirmwareStatusNotification(Call[PublishFirmwareStatusNotificationResponse]):
    """Station: a step of publishing firmware is reached (L03)."""

    status: PublishFirmwareStatus
    location: OneOrMore[String512] | None = None
    """Local URIs, when Published."""
    request_id: Integer | None = None
    """Absent only with status Idle."""


class UnpublishFirmwareResponse(Wire):
    status: UnpublishFirmwareStatus


class UnpublishFirmware(Call[UnpublishFirmwareResponse]):
    """CSMS: stop offering this firmware (L04)."""

    checksum: String32
    """MD5 of the file, hexadecimal."""
