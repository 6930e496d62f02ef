"""Block C: who may charge. The order in which a presented token is judged is here and nowhere else.

1 authorization switched off, 2 tokens that need none (C02, C03), 3 the CSMS, 4 the offline policy when it cannot be
asked.
"""

from collections.abc import Callable, Iterable

import msgspec

from chargerd.clock import Now
from chargerd.ocpp.block import Block, Handlers
from chargerd.ocpp.effects import Severity
from chargerd.ocpp.messages.authorization import Authorize, AuthorizeResponse, ClearCache, ClearCacheResponse
from chargerd.ocpp.messages.enums import AuthorizationStatus, ClearCacheStatus, IdTokenEnum
from chargerd.ocpp.messages.types import IdToken, IdTokenInfo, StatusInfo
from chargerd.ocpp.rpc import CallFailure, FailureKind
from chargerd.ocpp.variables import AnyVariable, boolean, member_list, string

AUTH_ENABLED = boolean(
    "AuthCtrlr", "Enabled", True, writable=True, required=False, doc="Whether charging needs an authorization."
)
AUTHORIZE_REMOTE_START = boolean(
    "AuthCtrlr",
    "AuthorizeRemoteStart",
    True,
    writable=True,
    doc="Whether the token of a remote start is checked first.",
)
LOCAL_AUTHORIZE_OFFLINE = boolean(
    "AuthCtrlr", "LocalAuthorizeOffline", True, writable=True, doc="Whether tokens known here may start while offline."
)
LOCAL_PRE_AUTHORIZE = boolean(
    "AuthCtrlr",
    "LocalPreAuthorize",
    False,
    writable=True,
    doc="Whether tokens known here start without asking the CSMS.",
)
OFFLINE_TX_FOR_UNKNOWN_ID = boolean(
    "AuthCtrlr",
    "OfflineTxForUnknownIdEnabled",
    False,
    writable=True,
    required=False,
    doc="Whether tokens nobody here knows may start while offline.",
)
DISABLE_REMOTE_AUTHORIZATION = boolean(
    "AuthCtrlr",
    "DisableRemoteAuthorization",
    False,
    writable=True,
    required=False,
    doc="Never ask the CSMS about a token.",
)
MASTER_PASS_GROUP_ID = string(
    "AuthCtrlr",
    "MasterPassGroupId",
    "",
    max_length=36,
    writable=True,
    required=False,
    doc="Tokens of this group stop every transaction and start none. Empty: there is no such group.",
)
SUPPORTED_ID_TOKEN_TYPES = member_list(
    "AuthCtrlr",
    "SupportedIdTokenTypes",
    [kind for kind in IdTokenEnum if kind is not IdTokenEnum.EMAID],
    values=list(IdTokenEnum),
    required=False,
    doc="Kinds of token that may start a transaction here.",
)
CACHE_AVAILABLE = boolean(
    "AuthCacheCtrlr", "Available", False, required=False, doc="Whether there is an authorization cache."
)
CACHE_ENABLED = boolean(
    "AuthCacheCtrlr", "Enabled", False, required=False, doc="Whether the authorization cache is used."
)

NO_AUTHORIZATION = IdToken(id_token="", type=IdTokenEnum.NO_AUTHORIZATION)  # C02.FR.01
"""Stands for the driver where nobody has to say who he is."""

_NEVER_ASKED = (IdTokenEnum.CENTRAL, IdTokenEnum.NO_AUTHORIZATION)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a token.

    `id_token_info`: what the CSMS said, None when it was not asked or did not answer. `offline`: the CSMS could not be
    reached. `why`: the reason for a refusal, for the log.
    """

    accepted: bool
    id_token: IdToken
    id_token_info: IdTokenInfo | None = None
    offline: bool = False
    why: str = ""

    @property
    def group_id_token(self) -> IdToken | None:
        """The group the token belongs to, None when it is not known."""
        return None if self.id_token_info is None else self.id_token_info.group_id_token


Decided = Callable[[Verdict, Now], None]


class Authorization(Block):
    """Judges tokens; keeps nothing about who is charging."""

    def variables(self) -> Iterable[AnyVariable]:
        """AuthCtrlr, and AuthCacheCtrlr saying that there is no cache."""
        return (
            AUTH_ENABLED,
            AUTHORIZE_REMOTE_START,
            LOCAL_AUTHORIZE_OFFLINE,
            LOCAL_PRE_AUTHORIZE,
            OFFLINE_TX_FOR_UNKNOWN_ID,
            DISABLE_REMOTE_AUTHORIZATION,
            MASTER_PASS_GROUP_ID,
            SUPPORTED_ID_TOKEN_TYPES,
            CACHE_AVAILABLE,
            CACHE_ENABLED,
        )

    def handlers(self) -> Handlers:
        """ClearCache."""
        return {ClearCache: self._clear_cache}

    def authorize(self, token: IdToken, evse_id: int | None, now: Now, decided: Decided) -> None:
        """Judge `token` for an EVSE (None: for none in particular); `decided` is called exactly once, now or later."""
        variables = self.ctx.variables
        if not variables[AUTH_ENABLED] or token.type in _NEVER_ASKED:  # C03.FR.01, C05.FR.01
            decided(Verdict(accepted=True, id_token=token), now)
        elif not self.ctx.online:
            decided(self._offline(token), now)
        elif variables[DISABLE_REMOTE_AUTHORIZATION]:
            decided(Verdict(accepted=False, id_token=token, why="not known here, and the CSMS is not to be asked"), now)
        else:
            self.ctx.call(
                Authorize(id_token=token),
                now,
                then=lambda response, later: decided(_judged(token, evse_id, response), later),
                failed=lambda failure, later: decided(self._unanswered(token, failure), later),
            )

    def is_master(self, verdict: Verdict) -> bool:
        """The token may only stop transactions, all of them (C16)."""
        master = self.ctx.variables[MASTER_PASS_GROUP_ID]
        group = verdict.group_id_token
        return bool(master) and group is not None and group.id_token.casefold() == master.casefold()

    def _unanswered(self, token: IdToken, failure: CallFailure) -> Verdict:
        if failure.kind in (FailureKind.OFFLINE, FailureKind.TIMEOUT):
            return self._offline(token)
        self.ctx.note(
            Severity.WARNING, f"authorization: Authorize for {shown(token)} failed ({failure}), token refused"
        )
        return Verdict(accepted=False, id_token=token, why=f"Authorize failed: {failure}")

    def _offline(self, token: IdToken) -> Verdict:
        if self.ctx.variables[OFFLINE_TX_FOR_UNKNOWN_ID]:  # C15.FR.08
            return Verdict(accepted=True, id_token=token, offline=True)
        return Verdict(accepted=False, id_token=token, offline=True, why="not known here, and the CSMS is out of reach")

    def _clear_cache(self, _request: ClearCache, _now: Now) -> ClearCacheResponse:
        info = StatusInfo(reason_code="NotEnabled")
        return ClearCacheResponse(status=ClearCacheStatus.REJECTED, status_info=info)  # C11.FR.04


def same_token(one: IdToken | None, other: IdToken | None) -> bool:
    """Equal without regard to case and to additionalInfo (C01.FR.25); nothing is equal to None."""
    if one is None or other is None:
        return False
    return one.type is other.type and one.id_token.casefold() == other.id_token.casefold()


def same_group(one: IdToken | None, other: IdToken | None) -> bool:
    """The same group and not an empty one (C09)."""
    return same_token(one, other) and one is not None and bool(one.id_token)


def shown(token: IdToken) -> str:
    """`token` for a log: two characters at each end, nothing at all of a PIN (C04.FR.04)."""
    if token.type is IdTokenEnum.KEY_CODE or len(token.id_token) < 6:
        return f"…({token.type})"
    return f"{token.id_token[:2]}…{token.id_token[-2:]}({token.type})"


def _judged(token: IdToken, evse_id: int | None, response: AuthorizeResponse) -> Verdict:
    info = response.id_token_info
    why = ""
    if info.status is not AuthorizationStatus.ACCEPTED:
        why = f"the CSMS says {info.status}"
    elif evse_id is not None and info.evse_id is not None and evse_id not in info.evse_id:  # C01.FR.21
        why = f"not valid for EVSE {evse_id}"
    return Verdict(accepted=not why, id_token=token, id_token_info=info, why=why)
