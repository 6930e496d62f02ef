"""Block D: the list of tokens that the CSMS sends ahead (D01, D02). It lives on disk alone: a look-up is one read."""

from collections.abc import Iterable, Mapping

import msgspec

from chargerd.clock import Now
from chargerd.ocpp.block import Block, Handlers, StationContext
from chargerd.ocpp.effects import Severity
from chargerd.ocpp.known_tokens import KEY_CHARACTERS, MAX_INFO_BYTES, file_key, is_too_long
from chargerd.ocpp.message_limits import check_size
from chargerd.ocpp.messages.enums import SendLocalListStatus, Update
from chargerd.ocpp.messages.local_auth_list import (
    AuthorizationData,
    GetLocalListVersion,
    GetLocalListVersionResponse,
    SendLocalList,
    SendLocalListResponse,
)
from chargerd.ocpp.messages.types import IdToken, IdTokenInfo, StatusInfo
from chargerd.ocpp.variables import AnyVariable, Reader, boolean, integer
from chargerd.store import StoredValueError

MAX_ENTRIES = 10_000
"""1 MB on disk where they only say Accepted; with all that can be said of each 21 MB."""

LIST_AVAILABLE = boolean("LocalAuthListCtrlr", "Available", True, required=False, doc="Whether there is a local list.")
LIST_ENABLED = boolean(
    "LocalAuthListCtrlr", "Enabled", True, writable=True, required=False, doc="Whether the local list is used."
)
LIST_ENTRIES = integer(
    "LocalAuthListCtrlr", "Entries", 0, minimum=0, maximum=MAX_ENTRIES, doc="How many tokens are on the local list."
)
LIST_ITEMS_PER_MESSAGE = integer("LocalAuthListCtrlr", "ItemsPerMessage", 250, doc="Most tokens in one SendLocalList.")
LIST_BYTES_PER_MESSAGE = integer(
    "LocalAuthListCtrlr", "BytesPerMessage", 60_000, unit="B", doc="Most bytes in one SendLocalList."
)
LIST_STORAGE = integer(
    "LocalAuthListCtrlr",
    "Storage",
    0,
    unit="B",
    required=False,
    minimum=0,
    maximum=MAX_ENTRIES * (KEY_CHARACTERS + MAX_INFO_BYTES),
    doc="How many bytes the local list takes.",
)
LIST_DISABLE_POST_AUTHORIZE = boolean(
    "LocalAuthListCtrlr",
    "DisablePostAuthorize",
    False,
    writable=True,
    required=False,
    doc="Refuse a token that the list does not accept, without asking the CSMS about it.",
)
LIST_SUPPORTS_EXPIRY = boolean(
    "LocalAuthListCtrlr",
    "SupportsExpiryDateTime",
    True,
    required=False,
    doc="Whether an entry ends at its cacheExpiryDateTime.",
)

NAMESPACE = "local_list"
"""Store: file_key of the token -> its IdTokenInfo."""

STATE_NAMESPACE = "local_list_state"
STATE_KEY = "state"


class ListState(msgspec.Struct, frozen=True):
    """`version` 0: the CSMS never sent a list."""

    version: int = 0
    entries: int = 0


class LocalAuthList(Block):
    """The list; only SendLocalList changes it (D01.FR.09)."""

    def __init__(self, ctx: StationContext) -> None:
        super().__init__(ctx)
        self._state = ListState()

    def variables(self) -> Iterable[AnyVariable]:
        """LocalAuthListCtrlr."""
        return (
            LIST_AVAILABLE,
            LIST_ENABLED,
            LIST_ENTRIES,
            LIST_ITEMS_PER_MESSAGE,
            LIST_BYTES_PER_MESSAGE,
            LIST_STORAGE,
            LIST_DISABLE_POST_AUTHORIZE,
            LIST_SUPPORTS_EXPIRY,
        )

    def readers(self) -> Mapping[AnyVariable, Reader]:
        """How many entries there are, and their size on disk."""
        return {
            LIST_ENTRIES: lambda _evse_id, _connector_id: self._state.entries,
            LIST_STORAGE: lambda _evse_id, _connector_id: self.ctx.store.size_bytes(NAMESPACE),
        }

    def handlers(self) -> Handlers:
        """D01 and D02."""
        return {SendLocalList: self._send_local_list, GetLocalListVersion: self._get_version}

    def on_start(self, _now: Now) -> None:
        """Read version and size; the entries stay on disk."""
        try:
            self._state = self.ctx.store.get(STATE_NAMESPACE, STATE_KEY, ListState) or ListState()
        except StoredValueError as error:
            # Without its version a list is of no use; as version 0 the CSMS sees that it has to send one.
            self.ctx.note(Severity.ERROR, f"local list: forgotten ({error})")
            self._forget()

    def find(self, token: IdToken) -> IdTokenInfo | None:
        """What the list says about a token; None: nothing, or the list is switched off."""
        return self.entry(token) if self.ctx.variables[LIST_ENABLED] and self._state.entries else None

    def entry(self, token: IdToken) -> IdTokenInfo | None:
        """What stands in the list of a token, whether the list is used or not; None: nothing that can be read."""
        try:
            return self.ctx.store.get(NAMESPACE, file_key(token), IdTokenInfo)
        except StoredValueError as error:
            self.ctx.note(Severity.ERROR, f"local list: an entry cannot be read and counts as unknown ({error})")
            return None

    # ------------------------------------------------------------------ D01, D02

    def _get_version(self, _request: GetLocalListVersion, _now: Now) -> GetLocalListVersionResponse:
        enabled = self.ctx.variables[LIST_ENABLED]  # D02.FR.03
        return GetLocalListVersionResponse(version_number=self._state.version if enabled else 0)  # D02.FR.01, D02.FR.02

    def _send_local_list(self, request: SendLocalList, _now: Now) -> SendLocalListResponse:
        variables, entries = self.ctx.variables, request.local_authorization_list or ()
        check_size(request, entries, variables[LIST_ITEMS_PER_MESSAGE], variables[LIST_BYTES_PER_MESSAGE])
        is_full = request.update_type is Update.FULL
        if not is_full and request.version_number <= self._state.version:  # D01.FR.19
            return SendLocalListResponse(status=SendLocalListStatus.VERSION_MISMATCH)
        keyed = {file_key(entry.id_token): entry for entry in entries}
        why = self._why_not(request, keyed)
        count = len(keyed) if is_full else self._count_after(keyed)
        if why is None and count > MAX_ENTRIES:
            why = StatusInfo(reason_code="TooManyElements", additional_info=f"{count} entries, {MAX_ENTRIES} at most")
        if why is not None:
            return SendLocalListResponse(status=SendLocalListStatus.FAILED, status_info=why)
        if is_full:
            self.ctx.store.clear(NAMESPACE)  # D01.FR.04, D01.FR.15
        for key, entry in keyed.items():
            if entry.id_token_info is None:
                self.ctx.store.delete(NAMESPACE, key)  # D01.FR.17
            else:
                self.ctx.store.put(NAMESPACE, key, entry.id_token_info)  # D01.FR.16
        self._keep(ListState(version=request.version_number, entries=count))  # D01.FR.01, D01.FR.05
        return SendLocalListResponse(status=SendLocalListStatus.ACCEPTED)

    def _why_not(self, request: SendLocalList, keyed: Mapping[str, AuthorizationData]) -> StatusInfo | None:
        entries = request.local_authorization_list or ()
        if not self.ctx.variables[LIST_ENABLED]:
            return StatusInfo(reason_code="NotEnabled")
        if request.version_number <= 0:
            return StatusInfo(reason_code="InvalidValue", additional_info="versionNumber must be above 0")
        if len(keyed) < len(entries):  # D01.FR.06
            return StatusInfo(reason_code="InvalidValue", additional_info="a token occurs twice")
        if request.update_type is Update.FULL and any(entry.id_token_info is None for entry in entries):
            return StatusInfo(reason_code="MissingParam", additional_info="an entry of a full list has no idTokenInfo")
        if any(entry.id_token_info is not None and is_too_long(entry.id_token_info) for entry in entries):
            about = f"an entry is longer than {MAX_INFO_BYTES} bytes"
            return StatusInfo(reason_code="TooLargeElement", additional_info=about)
        return None

    def _count_after(self, keyed: Mapping[str, AuthorizationData]) -> int:
        """How many entries there are after a differential update."""
        count = self._state.entries
        for key, entry in keyed.items():
            is_there = self.ctx.store.has(NAMESPACE, key)
            count += (entry.id_token_info is not None) - is_there
        return count

    def _keep(self, state: ListState) -> None:
        self._state = state
        self.ctx.store.put(STATE_NAMESPACE, STATE_KEY, state)

    def _forget(self) -> None:
        self.ctx.store.clear(NAMESPACE)
        self._keep(ListState())
