"""Messages of block D: the list of tokens known without asking."""

from chargerd.ocpp.messages.enums import SendLocalListStatus, Update
from chargerd.ocpp.messages.types import IdToken, IdTokenInfo, StatusInfo
from chargerd.ocpp.messages.wire import Call, Integer, OneOrMore, Wire


class AuthorizationData(Wire):
    """One entry of the local list; without idTokenInfo in a differential update: remove it."""

    id_token: IdToken
    id_token_info: IdTokenInfo | None = None


class SendLocalListResponse(Wire):
    status: SendLocalListStatus
    status_info: StatusInfo | None = None


class SendLocalList(Call[SendLocalListResponse]):
    """CSMS: change or replace the local list (D01)."""

    version_number: Integer
    """Of the list after the update; above 0."""
    update_type: Update
    local_authorization_list: OneOrMore[AuthorizationData] | None = None
    """Absent in a full update: empty the list."""


class GetLocalListVersionResponse(Wire):
    version_number: Integer
    """0: no list."""


class GetLocalListVersion(Call[GetLocalListVersionResponse]):
    """CSMS: which version of the local list have you? (D02)"""
