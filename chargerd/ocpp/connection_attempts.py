"""What the next attempt to connect is made with, and when: slots in their order, passwords and certificates that may
be right, and the wait in between (part 4, 5.3).

The attempts go in rounds. An odd round goes through the list, with so many attempts for each slot (B10.FR.03); an even
one goes the way back, to the profile that was connected last, as it was then (B10.FR.07). A new start begins with the
list, a lost connection with the way back. Two rounds are made with a renewed client certificate, two with the one
before it, and so on: each slot is tried with both (A02.FR.28). Passwords take turns at each refusal. Nothing of this is
durable: a new start begins with what is newest.
"""

import msgspec

from chargerd.ocpp.block import StationContext
from chargerd.ocpp.credentials import Credentials
from chargerd.ocpp.effects import ClientCertificate
from chargerd.ocpp.events import LinkFailure
from chargerd.ocpp.network_profiles import NetworkProfiles
from chargerd.ocpp.network_variables import (
    NETWORK_PROFILE_CONNECTION_ATTEMPTS,
    RETRY_BACK_OFF_RANDOM_RANGE,
    RETRY_BACK_OFF_REPEAT_TIMES,
    RETRY_BACK_OFF_WAIT_MINIMUM,
)
from chargerd.ocpp.settings import PROFILE_CLIENT_CERTIFICATE, NetworkSlot


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """Where to connect, and with what. `missing`: what there is not, so that it cannot even be tried; else empty."""

    slot: int
    profile: NetworkSlot
    password: str | None = None
    client: ClientCertificate | None = None
    missing: str = ""

    def __repr__(self) -> str:
        return f"Attempt(slot {self.slot}, {self.profile})"


class ConnectionAttempts:
    """One series of attempts after the other; a connection ends a series."""

    def __init__(self, ctx: StationContext, profiles: NetworkProfiles, credentials: Credentials) -> None:
        self._ctx = ctx
        self._profiles = profiles
        self._credentials = credentials
        self._round = 1
        self._place = 0
        self._tries = 0
        self._failures = 0
        self._key_turn = 0
        self._keys_failed = 0
        self._password_turns: dict[NetworkSlot, int] = {}

    def next(self) -> Attempt:
        """The attempt that is due."""
        return self._attempt_at(*self._places()[self._place])

    def missing(self) -> str:
        """What there is not, so that no attempt at all can be made; empty: one can."""
        way_back = self._profiles.way_back
        places = [*self._profiles.order(), *([way_back] if way_back is not None else [])]
        reasons = [self._attempt_at(slot, profile).missing for slot, profile in places]
        return reasons[0] if all(reasons) else ""

    def connected(self) -> None:
        """The series is over; the next one begins where this one ended, with what worked."""
        self._round = self._place = self._tries = self._failures = self._keys_failed = 0

    def start_over(self) -> None:
        """There are new credentials: the newest first, and where the connection is now."""
        self._round = 0 if self._profiles.way_back is not None else 1
        self._place = self._tries = self._key_turn = self._keys_failed = 0
        self._password_turns.clear()

    def failed(self, attempt: Attempt, failure: LinkFailure | None) -> None:
        """It came to nothing; None: it could not even be tried."""
        if failure is LinkFailure.KEY_UNUSABLE:
            self._key_turn += 1
            self._keys_failed += 1
            if self._keys_failed < len(self._credentials.clients):
                return  # the other one in the same place
        self._keys_failed = 0
        self._tries += 1
        is_over = self._tries >= self._ctx.variables[NETWORK_PROFILE_CONNECTION_ATTEMPTS]
        # A server that dislikes a password may just hang up, so a turn ends with the visit as well.
        if failure is LinkFailure.REFUSED_CREDENTIALS or is_over:
            self._password_turns[attempt.profile] = self._password_turns.get(attempt.profile, 0) + 1
        if is_over:
            self._move_on()

    def wait_s(self) -> float:
        """Until the next attempt: the base wait doubled for each one before, up to RepeatTimes, and a fresh random part
        (part 4, 5.3).
        """
        variables = self._ctx.variables
        doublings = min(self._failures, variables[RETRY_BACK_OFF_REPEAT_TIMES])
        self._failures += 1
        base_s = float(variables[RETRY_BACK_OFF_WAIT_MINIMUM] * 2**doublings)
        return base_s + self._ctx.random() * variables[RETRY_BACK_OFF_RANDOM_RANGE]

    # ------------------------------------------------------------------ inside

    def _attempt_at(self, slot: int, profile: NetworkSlot) -> Attempt:
        if profile.security_profile == PROFILE_CLIENT_CERTIFICATE:
            clients = self._credentials.clients
            if not clients:
                return Attempt(slot=slot, profile=profile, missing="no client certificate")
            client = clients[(self._round // 2 + self._key_turn) % len(clients)]
            return Attempt(slot=slot, profile=profile, client=client)
        passwords = self._credentials.passwords
        if not passwords:
            return Attempt(slot=slot, profile=profile, missing="no password")
        password = passwords[self._password_turns.get(profile, 0) % len(passwords)]
        return Attempt(slot=slot, profile=profile, password=password)

    def _places(self) -> list[tuple[int, NetworkSlot]]:
        way_back = self._profiles.way_back
        if self._round % 2 == 0 and way_back is not None:
            return [way_back]
        return self._profiles.order()

    def _move_on(self) -> None:
        """The next slot, or the next round; it never ends (B10.FR.08, B10.FR.09)."""
        self._tries = 0
        self._place += 1
        if self._place >= len(self._places()):
            self._place = 0
            self._round += 1
            if self._round % 2 == 0 and self._profiles.way_back is None:
                self._round += 1
