"""Block C: who may charge. The order in which a presented token is judged is here and nowhere else.

1 authorization switched off, 2 tokens that need none (C02, C03), 3 what is known here, the local list before the cache
(C12, C14), 4 the CSMS, 5 where it cannot be asked: what is known here (C13), then the policy for tokens nobody knows
(C15).
"""

from collections.abc import Callable, Iterable

import msgspec

from chargerd.clock import Now
from chargerd.ocpp.auth_cache import CACHE_DISABLE_POST_AUTHORIZE, AuthCache
from chargerd.ocpp.block import Block, StationContext
from chargerd.ocpp.contracts import MAX_CHAIN_CHARACTERS, Contract
from chargerd.ocpp.driver_notices import DriverNotices
from chargerd.ocpp.effects import Severity
from chargerd.ocpp.iso15118_variables import CENTRAL_CONTRACT_VALIDATION_ALLOWED, CONTRACT_VALIDATION_OFFLINE
from chargerd.ocpp.known_tokens import is_accepted
from chargerd.ocpp.local_auth_list import LIST_DISABLE_POST_AUTHORIZE, LocalAuthList
from chargerd.ocpp.messages.authorization import Authorize, AuthorizeResponse
from chargerd.ocpp.messages.enums import AuthorizationStatus, AuthorizeCertificateStatus, IdTokenEnum
from chargerd.ocpp.messages.transactions import TransactionEvent, TransactionEventResponse
from chargerd.ocpp.messages.types import IdToken, IdTokenInfo
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
    doc="Kinds of token that may start a transaction here; eMAID too where vehicles show contract certificates.",
)
WITH_CONTRACTS = msgspec.structs.replace(SUPPORTED_ID_TOKEN_TYPES, default=tuple(IdTokenEnum))
"""The same where something speaks ISO 15118 with vehicles."""

NO_AUTHORIZATION = IdToken(id_token="", type=IdTokenEnum.NO_AUTHORIZATION)  # C02.FR.01
"""Stands for the driver where nobody has to say who he is."""

_NEVER_ASKED = (IdTokenEnum.CENTRAL, IdTokenEnum.NO_AUTHORIZATION)

FREE_CODES = 3
"""So many wrong key codes in a row may be typed without a wait."""

MOST_PATIENCE_S = 300.0
"""The wait after wrong key codes doubles up to this (C04.FR.06)."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a token.

    `id_token_info`: what the CSMS said, now or earlier; None when nothing is known. `offline`: the CSMS could not be
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


class _Known(msgspec.Struct, frozen=True):
    """What is known here of a token. `ask_again`: the CSMS is asked about one that is not accepted."""

    info: IdTokenInfo
    by: str
    ask_again: bool


class _Question:
    """A token that the CSMS is asked about; `by_mono`: until then it counts as within reach."""

    def __init__(
        self, token: IdToken, evse_id: int | None, decided: Decided, by_mono: float, contract: Contract | None
    ) -> None:
        self.token = token
        self.contract = contract
        self.evse_id = evse_id
        self.decided = decided
        self.by_mono = by_mono


class Authorization(Block):
    """Judges tokens; keeps nothing about who is charging."""

    def __init__(
        self, ctx: StationContext, local_list: LocalAuthList, cache: AuthCache, notices: DriverNotices
    ) -> None:
        super().__init__(ctx)
        self._list = local_list
        self._cache = cache
        self._notices = notices
        self._questions: list[_Question] = []
        self._wrong_codes = 0
        self._codes_from_mono = float("-inf")

    def variables(self) -> Iterable[AnyVariable]:
        """AuthCtrlr."""
        return (
            AUTH_ENABLED,
            AUTHORIZE_REMOTE_START,
            LOCAL_AUTHORIZE_OFFLINE,
            LOCAL_PRE_AUTHORIZE,
            OFFLINE_TX_FOR_UNKNOWN_ID,
            DISABLE_REMOTE_AUTHORIZATION,
            MASTER_PASS_GROUP_ID,
            WITH_CONTRACTS if self.ctx.config.vehicle_stack else SUPPORTED_ID_TOKEN_TYPES,
        )

    def authorize(
        self, token: IdToken, evse_id: int | None, now: Now, decided: Decided, contract: Contract | None = None
    ) -> None:
        """Judge `token` for an EVSE (None: for none in particular); `decided` is called exactly once, now or later.
        `contract`: the certificate that vouches for it (C07).
        """
        variables = self.ctx.variables
        if not variables[AUTH_ENABLED] or token.type in _NEVER_ASKED:  # C03.FR.01, C05.FR.01
            decided(Verdict(accepted=True, id_token=token), now)
            return
        if token.type is IdTokenEnum.KEY_CODE and now.mono < self._codes_from_mono:  # C04.FR.06
            decided(Verdict(accepted=False, id_token=token, why="too many wrong key codes, wait a while"), now)
            return
        decided = self._noted(evse_id, decided)
        known = self._known(token, now)
        if not self.ctx.online:
            decided(self._offline(token, evse_id, known, now, contract), now)
        elif contract is not None and (why := self._why_not_asked(contract)):
            decided(Verdict(accepted=False, id_token=token, why=why), now)
        elif known is not None and self._is_enough(known, now, contract):
            decided(self._by_what_is_known(token, evse_id, known, now), now)
        elif variables[DISABLE_REMOTE_AUTHORIZATION]:
            decided(Verdict(accepted=False, id_token=token, why="not known here, and the CSMS is not to be asked"), now)
        else:
            by_mono = now.mono + self.ctx.rpc.message_timeout_s
            self._ask(_Question(token, evse_id, decided, by_mono, contract), now)

    def answered(self, request: TransactionEvent, response: TransactionEventResponse, now: Now) -> None:
        """What the CSMS said in answer to a TransactionEvent about its token (C10.FR.05), and to its driver."""
        if request.id_token is not None and response.id_token_info is not None:
            self._cache.learn(request.id_token, response.id_token_info, now)
        self._notices.answered(request, response, now)

    def next_deadline(self) -> float | None:
        """When the first question has waited long enough."""
        return min((question.by_mono for question in self._questions), default=None)

    def on_time(self, now: Now) -> None:
        """A driver waits once, however many messages before his the CSMS leaves unanswered."""
        for question in [each for each in self._questions if now.mono >= each.by_mono]:
            known = self._known(question.token, now)
            self._settle(question, self._offline(question.token, question.evse_id, known, now, question.contract), now)

    def is_master(self, verdict: Verdict) -> bool:
        """The token may only stop transactions, all of them (C16)."""
        master = self.ctx.variables[MASTER_PASS_GROUP_ID]
        group = verdict.group_id_token
        return bool(master) and group is not None and group.id_token.casefold() == master.casefold()

    def _ask(self, question: _Question, now: Now) -> None:
        def answered(response: AuthorizeResponse, later: Now) -> None:
            self._settle(question, self._judged(question, response, later), later)

        def failed(failure: CallFailure, later: Now) -> None:
            self._settle(question, self._unanswered(question, failure, later), later)

        self._questions.append(question)
        self.ctx.call(_request(question), now, then=answered, failed=failed)

    def _settle(self, question: _Question, verdict: Verdict, now: Now) -> None:
        """Tell who asked, once: an answer that comes too late is remembered, and decides nothing any more."""
        if question in self._questions:
            self._questions.remove(question)
            question.decided(verdict, now)

    def _known(self, token: IdToken, now: Now) -> _Known | None:
        """What the list says, else what the cache says (C13.FR.01)."""
        info = self._list.find(token)
        if info is not None:
            return _Known(info, "the local list", not self.ctx.variables[LIST_DISABLE_POST_AUTHORIZE])
        info = self._cache.find(token, now)
        if info is not None:
            return _Known(info, "the cache", not self.ctx.variables[CACHE_DISABLE_POST_AUTHORIZE])
        return None

    def _is_enough(self, known: _Known, now: Now, contract: Contract | None) -> bool:
        """Whether the CSMS need not be asked (C12.FR.02, C12.FR.05, C14.FR.02 to C14.FR.05); about a certificate it
        always is (C07.FR.01): it may have been revoked.
        """
        variables = self.ctx.variables
        if variables[DISABLE_REMOTE_AUTHORIZATION] or contract is not None:
            return bool(variables[DISABLE_REMOTE_AUTHORIZATION])
        return bool(variables[LOCAL_PRE_AUTHORIZE]) and (is_accepted(known.info, now) or not known.ask_again)

    def _by_what_is_known(self, token: IdToken, evse_id: int | None, known: _Known, now: Now) -> Verdict:
        why = why_not(known.info, evse_id)
        if not why and not is_accepted(known.info, now):
            why = "its time is over"
        if not why:
            self._cache.used(token, now)
        return Verdict(
            accepted=not why,
            id_token=token,
            id_token_info=known.info,
            offline=not self.ctx.online,
            why=f"{known.by}: {why}" if why else "",
        )

    def _judged(self, question: _Question, response: AuthorizeResponse, now: Now) -> Verdict:
        token, info, certificate = question.token, response.id_token_info, response.certificate_status
        if question.contract is not None and certificate is not AuthorizeCertificateStatus.ACCEPTED:
            # Whatever is remembered of it must not let it charge while offline.
            refused = info.status is not AuthorizationStatus.ACCEPTED
            info = info if refused else msgspec.structs.replace(info, status=AuthorizationStatus.INVALID)
        self._cache.learn(token, info, now)
        why = why_not(info, question.evse_id)
        if why and question.contract is not None:
            why = f"{why}, its certificate {certificate or 'not judged'}"
        return Verdict(accepted=not why, id_token=token, id_token_info=info, why=f"the CSMS: {why}" if why else "")

    def _unanswered(self, question: _Question, failure: CallFailure, now: Now) -> Verdict:
        token = question.token
        if failure.kind in (FailureKind.OFFLINE, FailureKind.TIMEOUT):
            return self._offline(token, question.evse_id, self._known(token, now), now, question.contract)
        self.ctx.note(
            Severity.WARNING, f"authorization: Authorize for {shown(token)} failed ({failure}), token refused"
        )
        return Verdict(accepted=False, id_token=token, why=f"Authorize failed: {failure}")

    def _why_not_asked(self, contract: Contract) -> str | None:
        if contract.is_valid:
            return None
        if self.ctx.variables[DISABLE_REMOTE_AUTHORIZATION]:
            return "its root is not installed, and the CSMS is not to be asked"
        if not self.ctx.variables[CENTRAL_CONTRACT_VALIDATION_ALLOWED]:
            return "its root is not installed, and the CSMS is not to judge it"
        if len(contract.chain_pem) > MAX_CHAIN_CHARACTERS:
            return "its root is not installed, and its chain is too long for the CSMS"
        return None

    def _why_not_offline(self, contract: Contract) -> str | None:
        if not self.ctx.variables[CONTRACT_VALIDATION_OFFLINE]:  # C07.FR.07
            return "contract certificates do not count while offline"
        if not contract.is_valid:  # C07.FR.08
            return "its root is not installed"
        if not self.ctx.variables[LOCAL_AUTHORIZE_OFFLINE]:  # C07.FR.09
            return "the CSMS is out of reach"
        return None

    def _offline(
        self, token: IdToken, evse_id: int | None, known: _Known | None, now: Now, contract: Contract | None = None
    ) -> Verdict:
        if contract is not None and (why := self._why_not_offline(contract)):
            return Verdict(accepted=False, id_token=token, offline=True, why=why)
        # C07.FR.10 to FR.12: a valid certificate leaves the same question that a card asks.
        if known is not None and self.ctx.variables[LOCAL_AUTHORIZE_OFFLINE]:  # C13.FR.02, C13.FR.05, C13.FR.06
            return self._by_what_is_known(token, evse_id, known, now)
        if known is None and self.ctx.variables[OFFLINE_TX_FOR_UNKNOWN_ID]:  # C13.FR.04, C15.FR.08
            return Verdict(accepted=True, id_token=token, offline=True)
        return Verdict(accepted=False, id_token=token, offline=True, why="not known here, and the CSMS is out of reach")

    def _noted(self, evse_id: int | None, decided: Decided) -> Decided:
        """`decided`, after what a verdict means for the display and for the next key code."""

        def noted(verdict: Verdict, now: Now) -> None:
            if verdict.id_token.type is IdTokenEnum.KEY_CODE:
                self._count_code(verdict.accepted, now)
            if evse_id is not None:
                self._notices.judged(evse_id, verdict.id_token_info, verdict.accepted, now)
            decided(verdict, now)

        return noted

    def _count_code(self, accepted: bool, now: Now) -> None:
        """After each wrong key code in a row a longer wait before the next is looked at (C04.FR.06)."""
        self._wrong_codes = 0 if accepted else self._wrong_codes + 1
        over = self._wrong_codes - FREE_CODES
        if over >= 0:
            self._codes_from_mono = now.mono + min(MOST_PATIENCE_S, 2.0 ** min(over + 2, 9))


def _request(question: _Question) -> Authorize:
    """C07.FR.02, FR.06: with what the CSMS needs to judge the certificate that was shown, if one was."""
    contract = question.contract
    if contract is None:
        return Authorize(id_token=question.token)
    if not contract.is_valid:
        return Authorize(id_token=question.token, certificate=contract.chain_pem)
    return Authorize(id_token=question.token, iso15118_certificate_hash_data=contract.status_requests or None)


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


def why_not(info: IdTokenInfo, evse_id: int | None) -> str:
    """Why the CSMS does not let this token charge at this EVSE; empty: it does."""
    if info.status is not AuthorizationStatus.ACCEPTED:
        return f"it is {info.status}"
    if evse_id is not None and info.evse_id is not None and evse_id not in info.evse_id:  # C01.FR.21
        return f"not valid for EVSE {evse_id}"
    return ""
