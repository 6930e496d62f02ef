"""Messages of block C: may this token charge?"""

from chargerd.ocpp.messages.enums import AuthorizeCertificateStatus, ClearCacheStatus
from chargerd.ocpp.messages.types import IdToken, IdTokenInfo, OCSPRequestData, StatusInfo
from chargerd.ocpp.messages.wire import Call, OneTo4, String5500, Wire


class AuthorizeResponse(Wire):
    id_token_info: IdTokenInfo
    certificate_status: AuthorizeCertificateStatus | None = None


class Authorize(Call[AuthorizeResponse]):
    """Station: may this token charge? (C01 to C16)"""

    id_token: IdToken
    certificate: String5500 | None = None
    """PEM of the contract certificate, when the station cannot check it itself (C07)."""
    iso15118_certificate_hash_data: OneTo4[OCSPRequestData] | None = None


class ClearCacheResponse(Wire):
    status: ClearCacheStatus
    status_info: StatusInfo | None = None


class ClearCache(Call[ClearCacheResponse]):
    """CSMS: forget the tokens you have seen (C11)."""
