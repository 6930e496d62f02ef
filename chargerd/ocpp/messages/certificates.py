"""Messages of block M: root certificates, and ISO 15118 certificates of EVs."""

from msgspec import field

from chargerd.ocpp.messages.enums import (
    CertificateAction,
    DeleteCertificateStatus,
    GetCertificateIdUse,
    GetCertificateStatusEnum,
    GetInstalledCertificateStatus,
    InstallCertificateStatus,
    InstallCertificateUse,
    Iso15118EVCertificateStatus,
)
from chargerd.ocpp.messages.types import CertificateHashData, OCSPRequestData, StatusInfo
from chargerd.ocpp.messages.wire import Call, OneOrMore, OneTo4, String50, String5500, String5600, String7500, Wire


class InstallCertificateResponse(Wire):
    status: InstallCertificateStatus
    status_info: StatusInfo | None = None


class InstallCertificate(Call[InstallCertificateResponse]):
    """CSMS: trust this root certificate (M05)."""

    certificate_type: InstallCertificateUse
    certificate: String5500
    """PEM."""


class CertificateHashDataChain(Wire):
    """An installed certificate and those that signed it on the way to the root."""

    certificate_hash_data: CertificateHashData
    certificate_type: GetCertificateIdUse
    child_certificate_hash_data: OneTo4[CertificateHashData] | None = None


class GetInstalledCertificateIdsResponse(Wire):
    status: GetInstalledCertificateStatus
    status_info: StatusInfo | None = None
    certificate_hash_data_chain: OneOrMore[CertificateHashDataChain] | None = None


class GetInstalledCertificateIds(Call[GetInstalledCertificateIdsResponse]):
    """CSMS: which certificates are installed? (M03)"""

    certificate_type: OneOrMore[GetCertificateIdUse] | None = None
    """Absent: all kinds."""


class DeleteCertificateResponse(Wire):
    status: DeleteCertificateStatus
    status_info: StatusInfo | None = None


class DeleteCertificate(Call[DeleteCertificateResponse]):
    """CSMS: remove this certificate (M04)."""

    certificate_hash_data: CertificateHashData


class Get15118EVCertificateResponse(Wire):
    status: Iso15118EVCertificateStatus
    exi_response: String7500
    """Base64 of the EXI message for the EV."""
    status_info: StatusInfo | None = None


class Get15118EVCertificate(Call[Get15118EVCertificateResponse]):
    """Station: the EV asks for a contract certificate (M01, M02)."""

    iso15118_schema_version: String50
    certificate_action: CertificateAction = field(name="action")
    exi_request: String5600
    """Base64 of the EV's EXI message."""


class GetCertificateStatusResponse(Wire):
    status: GetCertificateStatusEnum
    status_info: StatusInfo | None = None
    ocsp_result: String5500 | None = None
    """Base64 of the DER-encoded OCSP response."""


class GetCertificateStatus(Call[GetCertificateStatusResponse]):
    """Station: is this certificate revoked? (M06)"""

    ocsp_request_data: OCSPRequestData
