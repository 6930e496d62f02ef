"""The lock of a socket: holds the plug while energy may flow, and lets go as soon as it may not."""

from chargerd.evse.situation import lock_of
from hal.types import LockReading

TRAVEL_S = 1.0
"""A lock without a contact is taken to have arrived after this time; motors need about half of it."""

UNLOCK_S = 3.0
"""How long a request to release the plug may take before it counts as failed."""

TRIES_S = 3.0
"""A lock that its contact has not confirmed after this time did not hold the plug."""

SESSIONS_TO_BROKEN = 3
"""So many plugs in a row that it did not hold, and the lock is broken rather than the plug badly inserted."""


class LockKeeper:
    """Decides where the lock of one socket is to be, and knows whether it got there.

    `locked`: the command, `cycles`: how often it was given. `confirmed`: the plug is held. `off_course`: the lock is
    not where it was told to be. `broken`: it held none of the last plugs. `silent`: nothing fresh was read. `seen`:
    where its contact says it is, None: not known. `unlock_seq`, `unlocked`: the last release request dealt with (below
    0: none was seen yet) and its result (None: none yet). Without a lock (`fitted` False) nothing is held, so every
    request to release succeeds.
    """

    def __init__(self, fitted: bool) -> None:
        self.locked = False
        self.cycles = 0
        self.confirmed = False
        self.off_course = False
        self.broken = False
        self.silent = True
        self.seen: bool | None = None
        self.unlock_seq = -1
        self.unlocked: bool | None = None
        self._fitted = fitted
        self._wanted_seq = 0
        self._since_mono = 0.0
        self._releasing_since_mono: float | None = None
        self._held: bool | None = None  # this plug; None: not tried long enough to say
        self._vain_sessions = 0

    def read(self, reading: LockReading | None, connected: bool, now_mono: float) -> None:
        """Take the latest reading (None: there was none) and judge it against the command. `connected`: a plug is
        there."""
        if not self._fitted:
            return
        fresh = lock_of(reading, now_mono)
        arrived = now_mono - self._since_mono >= TRAVEL_S
        self.silent = fresh is None
        self.seen = None if fresh is None else fresh.locked
        if fresh is not None and fresh.locked is None:
            self.confirmed = self.locked and arrived
            self.off_course = False
        else:
            self.confirmed = self.locked and self.seen is True
            self.off_course = self.seen is not None and self.seen is not self.locked
        self._judge_session(connected, now_mono)
        self._finish_release(fresh, arrived, now_mono)

    def request(self, unlock_seq: int, energy_allowed: bool, now_mono: float) -> None:
        """Note the station's release counter; a higher one than the last is a new request, refused while
        `energy_allowed`.

        The first counter seen is only noted: the request behind it was made to a process that is no more.
        """
        if self.unlock_seq < 0 or unlock_seq < self.unlock_seq:
            self.unlock_seq, self.unlocked = unlock_seq, None
            self._releasing_since_mono = None
        elif unlock_seq > self.unlock_seq and (energy_allowed or not self._fitted):
            self.unlock_seq, self.unlocked = unlock_seq, not energy_allowed
            self._releasing_since_mono = None
        elif unlock_seq > self.unlock_seq and self._releasing_since_mono is None:
            self._releasing_since_mono = now_mono
        self._wanted_seq = unlock_seq

    def drive(self, hold: bool, now_mono: float) -> bool:
        """The command for this tick. `hold`: the plug is to be held. A release under way goes first."""
        locked = self._fitted and hold and self._releasing_since_mono is None
        if locked is not self.locked:
            self.locked = locked
            self.cycles += locked
            self._since_mono = now_mono
        return locked

    def _judge_session(self, connected: bool, now_mono: float) -> None:
        """Count the plugs in a row that were not held; a plug that was ends the row."""
        if self.confirmed:
            self._held, self._vain_sessions = True, 0
        elif not connected:
            self._vain_sessions += self._held is False
            self._held = None
        elif self._held is None and self.locked and self.seen is False and now_mono - self._since_mono >= TRIES_S:
            self._held = False
        self.broken = self._vain_sessions >= SESSIONS_TO_BROKEN

    def _finish_release(self, fresh: LockReading | None, arrived: bool, now_mono: float) -> None:
        if self._releasing_since_mono is None:
            return
        blind = fresh is not None and fresh.locked is None and arrived
        if self.seen is False or blind:
            self._end_release(True)
        elif now_mono - self._releasing_since_mono >= UNLOCK_S:
            self._end_release(False)

    def _end_release(self, unlocked: bool) -> None:
        self.unlock_seq, self.unlocked = self._wanted_seq, unlocked
        self._releasing_since_mono = None
