"""Messages of block A: certificates of the station and security events."""

from chargerd.ocpp.messages.enums import CertificateSignedStatus, CertificateSigningUse, GenericStatus
from chargerd.ocpp.messages.types import StatusInfo
from chargerd.ocpp.messages.wire import Call, String50, String255, String5500, String10000, Timestamp, Wire


class CertificateSignedResponse(Wire):
    status: CertificateSignedStatus
    status_info: StatusInfo | None = None


class CertificateSigned(Call[CertificateSignedResponse]):
    """CSMS: here is the certificate you asked to have signed (A02, A03)."""

    certificate_chain: String10000
    """PEM, the station's own first."""
    certificate_type: CertificateSigningUse | None = None
    """Absent: ChargingStationCertificate."""


class SignCertificateResponse(Wire):
    status: GenericStatus
    status_info: StatusInfo | None = None


class SignCertificate(Call[SignCertificateResponse]):
    """Station: please have this certificate request signed (A02, A03)."""

    csr: String5500
    """PEM (RFC 2986)."""
    certificate_type: CertificateSigningUse | None = None
    """Absent: ChargingStationCertificate."""


class SecurityEventNotificationResponse(Wire):
    pass


class SecurityEventNotification(Call[SecurityEventNotificationResponse]):
    """Station: something happened that matters for security (A04)."""

    type: String50
    """A name from part 2, appendix 1."""
    timestamp: Timestamp
    tech_info: String255 | None = None
