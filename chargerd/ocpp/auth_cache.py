"""The authorization cache: what the CSMS said about tokens that were shown here (C10, C11, C12).

At most MAX_ENTRIES of them, on disk and in memory; a token is filed under a hash, so none stands on the disk in plain
text (C10.FR.12).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import msgspec

from chargerd.clock import Now
from chargerd.ocpp.block import Block, Handlers, StationContext
from chargerd.ocpp.known_tokens import KEY_CHARACTERS, MAX_INFO_BYTES, file_key, has_expired, is_too_long
from chargerd.ocpp.messages.authorization import ClearCache, ClearCacheResponse
from chargerd.ocpp.messages.enums import AuthorizationStatus, ClearCacheStatus, IdTokenEnum
from chargerd.ocpp.messages.types import IdToken, IdTokenInfo, StatusInfo
from chargerd.ocpp.variables import AnyVariable, Reader, boolean, integer, option_list

MAX_ENTRIES = 1000
MAX_ENTRY_BYTES = KEY_CHARACTERS + MAX_INFO_BYTES + 200
"""With the two times and the count that come with it."""

DAY_S = 86_400

CACHE_AVAILABLE = boolean(
    "AuthCacheCtrlr", "Available", True, required=False, doc="Whether there is an authorization cache."
)
CACHE_ENABLED = boolean(
    "AuthCacheCtrlr", "Enabled", True, writable=True, required=False, doc="Whether the authorization cache is used."
)
CACHE_LIFE_TIME = integer(
    "AuthCacheCtrlr",
    "LifeTime",
    30 * DAY_S,
    unit="s",
    writable=True,
    required=False,
    minimum=0,
    doc="How long a token stays known after it was last used or confirmed, unless the CSMS says until when.",
)
CACHE_POLICY = option_list(
    "AuthCacheCtrlr",
    "Policy",
    "LRU",
    values=("LRU", "LFU", "FIFO"),
    writable=True,
    required=False,
    doc="Which token goes when the cache is full, after those that are not accepted: the one not used for longest, the "
    "one used least, or the oldest.",
)
CACHE_STORAGE = integer(
    "AuthCacheCtrlr",
    "Storage",
    0,
    unit="B",
    required=False,
    minimum=0,
    maximum=MAX_ENTRIES * MAX_ENTRY_BYTES,
    doc="How many bytes the cache takes.",
)
CACHE_DISABLE_POST_AUTHORIZE = boolean(
    "AuthCacheCtrlr",
    "DisablePostAuthorize",
    False,
    writable=True,
    required=False,
    doc="Refuse a token that the cache does not accept, without asking the CSMS about it.",
)

NAMESPACE = "auth_cache"
"""Store: file_key of the token -> CacheEntry."""

NEVER_CACHED = (IdTokenEnum.CENTRAL, IdTokenEnum.NO_AUTHORIZATION)  # C02.FR.03, C03.FR.02, C05.FR.02


class CacheEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one token. `learned_utc`: first heard of, `used_utc`: last used or confirmed, `uses` so far."""

    info: IdTokenInfo
    learned_utc: datetime
    used_utc: datetime
    uses: int = 1


class AuthCache(Block):
    """The cache."""

    def __init__(self, ctx: StationContext) -> None:
        super().__init__(ctx)
        self._entries: dict[str, CacheEntry] = {}

    def variables(self) -> Iterable[AnyVariable]:
        """AuthCacheCtrlr."""
        return (
            CACHE_AVAILABLE,
            CACHE_ENABLED,
            CACHE_LIFE_TIME,
            CACHE_POLICY,
            CACHE_STORAGE,
            CACHE_DISABLE_POST_AUTHORIZE,
        )

    def readers(self) -> Mapping[AnyVariable, Reader]:
        """The size on disk."""
        return {CACHE_STORAGE: lambda _evse_id, _connector_id: self.ctx.store.size_bytes(NAMESPACE)}

    def handlers(self) -> Handlers:
        """C11."""
        return {ClearCache: self._clear_cache}

    def on_start(self, _now: Now) -> None:
        """Read the disk (C10.FR.02)."""
        self._entries = dict(self.ctx.store.items(NAMESPACE, CacheEntry))

    def find(self, token: IdToken, now: Now) -> IdTokenInfo | None:
        """What was last heard of a token; None: nothing that still holds, or the cache is switched off."""
        key = file_key(token)
        entry = self._entries.get(key)
        if entry is None or not self.ctx.variables[CACHE_ENABLED]:  # C10.FR.11
            return None
        if has_expired(entry.info, now) or self._is_stale(entry, now):
            self._forget(key)  # C10.FR.10, C10.FR.13
            return None
        return entry.info

    def entry(self, token: IdToken) -> CacheEntry | None:
        """All that is kept of a token, whether it still holds or not."""
        return self._entries.get(file_key(token))

    def forget(self, token: IdToken) -> None:
        """Keep nothing of a token (N10.FR.03, N10.FR.06)."""
        self._forget(file_key(token))

    def used(self, token: IdToken, now: Now) -> None:
        """A token was accepted on the cache's word: it lives on."""
        key = file_key(token)
        entry = self._entries.get(key)
        if entry is not None:
            self._keep(key, msgspec.structs.replace(entry, used_utc=now.utc, uses=entry.uses + 1))

    def learn(self, token: IdToken, info: IdTokenInfo, now: Now) -> None:
        """The CSMS said something about a token (C10.FR.01, C10.FR.04, C10.FR.05)."""
        if token.type in NEVER_CACHED or not self.ctx.variables[CACHE_ENABLED]:
            return
        key = file_key(token)
        info = msgspec.structs.replace(info, personal_message=None)  # C10.FR.09: it may speak of a tariff
        if has_expired(info, now) or is_too_long(info):  # expired is as good as “do not keep”: a prepaid card
            self._forget(key)
            return
        old = self._entries.get(key)
        if old is None and len(self._entries) >= MAX_ENTRIES:
            self._forget(self._least_wanted())  # C10.FR.07
        self._keep(
            key,
            CacheEntry(
                info=info,
                learned_utc=now.utc if old is None else old.learned_utc,
                used_utc=now.utc,
                uses=1 if old is None else old.uses + 1,
            ),
        )

    def _clear_cache(self, _request: ClearCache, _now: Now) -> ClearCacheResponse:
        if not self.ctx.variables[CACHE_ENABLED]:
            info = StatusInfo(reason_code="NotEnabled")
            return ClearCacheResponse(status=ClearCacheStatus.REJECTED, status_info=info)  # C11.FR.04
        self._entries.clear()
        self.ctx.store.clear(NAMESPACE)
        return ClearCacheResponse(status=ClearCacheStatus.ACCEPTED)  # C11.FR.01, C11.FR.02, C11.FR.03

    def _is_stale(self, entry: CacheEntry, now: Now) -> bool:
        """C10.FR.08: an entry that does not say until when it holds, lives as long as LifeTime says."""
        if entry.info.cache_expiry_date_time is not None:
            return False
        return now.utc >= entry.used_utc + timedelta(seconds=self.ctx.variables[CACHE_LIFE_TIME])

    def _least_wanted(self) -> str:
        policy = self.ctx.variables[CACHE_POLICY]

        def worth(key: str) -> tuple[bool, int, datetime]:
            entry = self._entries[key]
            accepted = entry.info.status is AuthorizationStatus.ACCEPTED
            if policy == "FIFO":
                return accepted, 0, entry.learned_utc
            return accepted, entry.uses if policy == "LFU" else 0, entry.used_utc

        return min(self._entries, key=worth)

    def _keep(self, key: str, entry: CacheEntry) -> None:
        self._entries[key] = entry
        self.ctx.store.put(NAMESPACE, key, entry)

    def _forget(self, key: str) -> None:
        if self._entries.pop(key, None) is not None:
            self.ctx.store.delete(NAMESPACE, key)
