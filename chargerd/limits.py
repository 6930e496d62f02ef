"""Limits are a table: everyone who may limit the current owns a row, the smallest row wins, and its owner's name
travels along.

A row can be a lease: it holds until a moment, and says itself what counts when its owner has fallen silent by then.
"""

from collections.abc import Iterable

import msgspec

MIN_AMPS = 6.0
"""The least current a pilot can offer (IEC 61851-1 table A.8: 10 % duty); any limit below it means none at all."""


class Limit(msgspec.Struct, frozen=True, omit_defaults=True):
    """`amps` per phase that `source` allows. `source` is a short name such as "board", "cable", "csms".

    `until_mono`: the row holds until then (None: until its owner changes it); afterwards `then_amps` counts (None: the
    row limits no more). `fallback`: the owner has fallen silent, and `amps` is what counts meanwhile.
    """

    source: str
    amps: float
    until_mono: float | None = None
    then_amps: float | None = None
    fallback: bool = False


NO_LIMITS = Limit("none", 0.0)
"""What an empty table allows: nothing. Somebody has to say yes."""


def in_force(limit: Limit, now_mono: float) -> Limit | None:
    """What the row says now: itself, its fallback, or nothing any more. With an end that is no number: 0 A."""
    if limit.until_mono is None or now_mono < limit.until_mono:
        return limit
    if limit.until_mono != limit.until_mono:
        return Limit(limit.source, 0.0)
    return None if limit.then_amps is None else Limit(limit.source, limit.then_amps, fallback=True)


def effective(limits: Iterable[Limit]) -> Limit:
    """The winning row: the smallest, the first among equals. No rows, NaN or less than 6 A: 0 A under the owner's
    name.
    """
    winner: Limit | None = None
    for limit in limits:
        if limit.amps != limit.amps:
            winner = limit
            break
        if winner is None or limit.amps < winner.amps:
            winner = limit
    if winner is None:
        return NO_LIMITS
    return winner if winner.amps >= MIN_AMPS else msgspec.structs.replace(winner, amps=0.0)


def says_the_same(one: Limit, other: Limit) -> bool:
    """Whether two rows allow the same for the same reason; a lease that was renewed is no news."""
    return (one.source, one.amps, one.fallback) == (other.source, other.amps, other.fallback)
