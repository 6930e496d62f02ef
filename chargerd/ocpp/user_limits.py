"""What people on the spot allow: a row of the limit table for each EVSE, set at the console, kept over restarts.

It limits and never permits. One that was given an end ends by itself, by the monotonic clock while we live and by the
wall clock over a restart.
"""

from datetime import timedelta

import msgspec

from chargerd.clock import Now
from chargerd.limits import Limit
from chargerd.ocpp.block import Block
from chargerd.ocpp.schedule import milliseconds

NAMESPACE = "user_limits"
"""Store: EVSE id -> the limit."""

SOURCE = "user"

MAX_AMPS = 80.0
"""What a pilot can offer at most (IEC 61851-1 table A.8)."""

LONGEST_S = 366 * 86_400.0
"""A limit that is to hold longer is one without an end."""


class _UserLimit(msgspec.Struct, frozen=True):
    """`amps` per phase until `until_ms` (milliseconds since 1970; None: until it is taken away)."""

    amps: float
    until_ms: int | None


class UserLimits(Block):
    """The users' rows, and when each ends."""

    _until_mono: dict[int, float]

    def on_start(self, now: Now) -> None:
        self._until_mono = {}
        for key, limit in self.ctx.store.items(NAMESPACE, _UserLimit):
            left_s = None if limit.until_ms is None else (limit.until_ms - milliseconds(now.utc)) / 1000
            if int(key) in self.ctx.evse_ids and (left_s is None or left_s > 0):
                self._put(int(key), limit.amps, left_s, now)
            else:
                self.ctx.store.delete(NAMESPACE, key)

    def why_not(self, evse_id: int, amps: float | None, for_s: float | None) -> str | None:
        """Why `set` cannot do this: what is wrong and what would be right; None when it can."""
        if evse_id not in self.ctx.evse_ids:
            return f"there is no EVSE {evse_id}; this station has 1 to {len(self.ctx.evse_ids)}"
        if amps is not None and not 0 <= amps <= MAX_AMPS:
            return f"{amps:g} A: a limit lies from 0 to {MAX_AMPS:g} A"
        if for_s is not None and not 0 < for_s <= LONGEST_S:
            return f"{for_s:g} s: a limit holds for more than 0 s and at most {LONGEST_S:g} s"
        return None

    def set(self, evse_id: int, amps: float | None, for_s: float | None, now: Now) -> None:
        """From now on at most `amps` per phase (0: none), for `for_s` seconds, None: until it is taken away.

        `amps` None: users limit this EVSE no longer.
        """
        assert self.why_not(evse_id, amps, for_s) is None, "can't happen because the caller has asked"
        if amps is None:
            self._end(evse_id)
            return
        until_ms = None if for_s is None else milliseconds(now.utc + timedelta(seconds=for_s))
        self.ctx.store.put(NAMESPACE, str(evse_id), _UserLimit(amps, until_ms))
        self._put(evse_id, amps, for_s, now)

    def next_deadline(self) -> float | None:
        return min(self._until_mono.values(), default=None)

    def on_time(self, now: Now) -> None:
        for evse_id, until_mono in list(self._until_mono.items()):
            if now.mono >= until_mono:
                self._end(evse_id)

    def _put(self, evse_id: int, amps: float, for_s: float | None, now: Now) -> None:
        self._until_mono.pop(evse_id, None)
        if for_s is not None:
            self._until_mono[evse_id] = now.mono + for_s
        self.ctx.limit(evse_id, Limit(SOURCE, amps), SOURCE)

    def _end(self, evse_id: int) -> None:
        self.ctx.store.delete(NAMESPACE, str(evse_id))
        self._until_mono.pop(evse_id, None)
        self.ctx.limit(evse_id, None, SOURCE)
