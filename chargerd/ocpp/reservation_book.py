"""What is reserved, and whom each EVSE is kept for. Durable; it depends on no block, so that all may ask it.

One rule decides everything: an EVSE is kept when, given to a stranger, the others would not suffice for the
reservations that stand (H01.FR.07, H01.FR.09). A reservation that names its EVSE keeps that one and no other.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

import msgspec

from chargerd.ocpp.authorization import same_group, same_token
from chargerd.ocpp.block import StationContext
from chargerd.ocpp.messages.enums import Connector
from chargerd.ocpp.messages.types import IdToken
from chargerd.ocpp.news import ReservationsChanged
from chargerd.ocpp.variables import boolean

RESERVATION_AVAILABLE = boolean("ReservationCtrlr", "Available", True, doc="Whether there are reservations.")
RESERVATION_ENABLED = boolean(
    "ReservationCtrlr",
    "Enabled",
    True,
    writable=True,
    doc="Whether reservations are made and kept; those that stand come back with it, unless they have expired.",
)
NON_EVSE_SPECIFIC = boolean(
    "ReservationCtrlr", "NonEvseSpecific", True, doc="Whether a reservation may leave open which EVSE it is for."
)

NAMESPACE = "reservations"


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """One reservation. `evse_id` None: any EVSE, or any with a connector of `connector_type`.

    `made_utc`: which one is the older where not all can be served.
    """

    reservation_id: int
    made_utc: datetime
    expiry_utc: datetime
    id_token: IdToken
    group_id_token: IdToken | None = None
    evse_id: int | None = None
    connector_type: Connector | None = None

    def is_for(self, id_token: IdToken, group_id_token: IdToken | None) -> bool:
        """Whether this token may use it: it is the one, or of the group (H03.FR.01, H03.FR.04)."""
        return same_token(self.id_token, id_token) or same_group(self.group_id_token, group_id_token)


class ReservationBook:
    """All reservations that stand; `review` tells it what else there is to know."""

    def __init__(self, ctx: StationContext) -> None:
        self._ctx = ctx
        self._reservations: dict[int, Reservation] = {}
        self._open: frozenset[int] = frozenset()
        self._kept: frozenset[int] = frozenset()

    def reload(self) -> None:
        """Read the disk (B01.FR.13, B11.FR.05)."""
        found = [reservation for _key, reservation in self._ctx.store.items(NAMESPACE, Reservation)]
        found.sort(key=lambda reservation: reservation.made_utc)
        self._reservations = {reservation.reservation_id: reservation for reservation in found}

    # ------------------------------------------------------------------ the reservations

    def all(self) -> tuple[Reservation, ...]:
        """Every reservation that has neither been used nor ended, the oldest first."""
        return tuple(self._reservations.values())

    def put(self, reservation: Reservation) -> None:
        """Keep it, in place of one with the same id (H01.FR.02)."""
        self._reservations.pop(reservation.reservation_id, None)
        self._reservations[reservation.reservation_id] = reservation
        self._ctx.store.put(NAMESPACE, str(reservation.reservation_id), reservation)

    def remove(self, reservation_id: int) -> None:
        """It stands no longer."""
        del self._reservations[reservation_id]
        self._ctx.store.delete(NAMESPACE, str(reservation_id))
        if not self._reservations:
            self._open = self._kept = frozenset()

    # ------------------------------------------------------------------ who may use what

    def review(self, free: Iterable[int], waiting: Iterable[int]) -> None:
        """`free`: EVSEs at which anybody could begin. `waiting`: those where a vehicle is and nobody authorized yet.

        A vehicle that waits at an EVSE that is kept changes nothing (G03.FR.09).
        """
        named = {reservation.evse_id for reservation in self._standing() if reservation.evse_id is not None}
        waiting = frozenset(waiting) - named
        self._open = frozenset(free) - named | (waiting & self._kept)
        if not self._suffice(self._open, self._unnamed()):
            self._open |= waiting
        self._kept = frozenset(evse_id for evse_id in self._ctx.evse_ids if self.is_kept(evse_id))

    def is_kept(self, evse_id: int, *, but_for: int | None = None) -> bool:
        """Whether no stranger may have the EVSE. `but_for`: the id of a reservation that is not to count."""
        if not self._reservations:
            return False  # as most of the time, and this is asked at every turn
        if any(one.evse_id == evse_id for one in self._standing() if one.reservation_id != but_for):
            return True
        if evse_id not in self._open:
            return False
        rest = [one for one in self._unnamed() if one.reservation_id != but_for]
        return not self._suffice(self._open - {evse_id}, rest)

    def why_not(self, evse_id: int, id_token: IdToken, group_id_token: IdToken | None) -> str | None:
        """Why this token may not begin at the EVSE (H03); None: it may."""
        if not self.is_kept(evse_id):
            return None
        own, all_unnamed = self._own(evse_id, id_token, group_id_token), self._unnamed()
        if own is None:
            return "reserved for somebody else"
        if own.evse_id is not None or self._suffice(self._open - {evse_id}, _without(all_unnamed, own)):
            return None
        # Another EVSE would serve this holder as well, and only this one serves another's.
        return "reserved for somebody else" if self._suffice(self._open, all_unnamed) else None

    def holds(self, evse_id: int, id_token: IdToken, group_id_token: IdToken | None) -> bool:
        """Whether this token has a reservation that can be used at the EVSE."""
        return self._own(evse_id, id_token, group_id_token) is not None

    def use(self, evse_id: int, id_token: IdToken, group_id_token: IdToken | None) -> int | None:
        """Somebody begins at the EVSE: the id of the reservation that is used by it (H03.FR.09), None without one."""
        if not self._reservations:
            return None
        self._ctx.publish(ReservationsChanged())  # what is left for the others is another number of EVSEs
        own = self._own(evse_id, id_token, group_id_token)
        if own is None:
            return None
        self.remove(own.reservation_id)
        return own.reservation_id

    def surplus(self, in_order: Iterable[int]) -> Reservation | None:
        """The newest reservation without an EVSE of its own for which those `in_order` do not suffice; None: they
        do.
        """
        named = {reservation.evse_id for reservation in self._standing() if reservation.evse_id is not None}
        there, unnamed = frozenset(in_order) - named, self._unnamed()
        if self._suffice(there, unnamed):
            return None
        # Which one has to go may depend on its connector type: the newest whose absence helps.
        missing = self._missing(there, unnamed)
        return next(one for one in reversed(unnamed) if self._missing(there, _without(unnamed, one)) < missing)

    # ------------------------------------------------------------------ the rule

    def _standing(self) -> tuple[Reservation, ...]:
        return self.all() if self._ctx.variables[RESERVATION_ENABLED] else ()

    def _unnamed(self) -> list[Reservation]:
        return [reservation for reservation in self._standing() if reservation.evse_id is None]

    def _own(self, evse_id: int, id_token: IdToken, group_id_token: IdToken | None) -> Reservation | None:
        """The reservation of this token that the EVSE serves, the most particular first."""
        standing = self._standing()
        named = next((one for one in standing if one.evse_id == evse_id), None)
        if named is not None:
            return named if named.is_for(id_token, group_id_token) else None
        own = [one for one in standing if one.evse_id is None and one.is_for(id_token, group_id_token)]
        own = [one for one in own if one.connector_type in {None, self._connector_type(evse_id)}]
        return min(own, key=lambda one: one.connector_type is None, default=None)

    def _suffice(self, evse_ids: frozenset[int], reservations: list[Reservation]) -> bool:
        return self._missing(evse_ids, reservations) == 0

    def _missing(self, evse_ids: frozenset[int], reservations: list[Reservation]) -> int:
        """How many of `reservations` cannot be served by these EVSEs."""
        wanted = Counter(one.connector_type for one in reservations if one.connector_type is not None)
        there = Counter(self._connector_type(evse_id) for evse_id in evse_ids)
        of_type = sum(max(0, number - there[kind]) for kind, number in wanted.items())
        return max(of_type, len(reservations) - len(evse_ids))

    def _connector_type(self, evse_id: int) -> str:
        return self._ctx.config.board.evses[evse_id - 1].connector_type


def _without(reservations: list[Reservation], one: Reservation) -> list[Reservation]:
    return [other for other in reservations if other is not one]
