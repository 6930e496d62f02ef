"""Limits are a table: everyone who may limit the current owns a row, the smallest row wins, and its owner's name
travels along.
"""

from collections.abc import Iterable

import msgspec

MIN_AMPS = 6.0
"""The least current a pilot can offer (IEC 61851-1 table A.8: 10 % duty); any limit below it means none at all."""


class Limit(msgspec.Struct, frozen=True):
    """`amps` per phase that `source` allows. `source` is a short name such as "board", "cable", "csms"."""

    source: str
    amps: float


NO_LIMITS = Limit("none", 0.0)
"""What an empty table allows: nothing. Somebody has to say yes."""


def effective(limits: Iterable[Limit]) -> Limit:
    """The winning row: the smallest, the first among equals. No rows, NaN or less than 6 A: 0 A under the owner's
    name.
    """
    winner: Limit | None = None
    for limit in limits:
        if limit.amps != limit.amps:
            return Limit(limit.source, 0.0)
        if winner is None or limit.amps < winner.amps:
            winner = limit
    if winner is None:
        return NO_LIMITS
    return winner if winner.amps >= MIN_AMPS else Limit(winner.source, 0.0)
