"""How the current of the whole station is shared by its EVSEs (K04).

Everybody who charges gets the same share, what somebody cannot use goes to the others, and nobody gets a share too
small to charge with: then the last comer waits with 0 A. A share may grow only into current that the others have
really let go, for a vehicle may take 5 s to follow a lower offer (IEC 61851-1, table A.6); so the sum holds at every
instant.
"""

from collections.abc import Sequence

import msgspec

from chargerd.limits import MIN_AMPS

YIELD_S = 6.0
"""How long a lowered share still counts as drawn: the 5 s of IEC 61851-1 and one for orders and pilot to follow."""


class _Fading(msgspec.Struct, frozen=True):
    """What an EVSE was offered until lately, and until when it may still be drawn."""

    amps: float
    until_mono: float


class Balancer:
    """Shares one total; remembers who came first and what was offered lately. EVSEs are counted from 0 here."""

    def __init__(self, evse_count: int) -> None:
        self._offered = [0.0] * evse_count
        self._fading: list[_Fading | None] = [None] * evse_count
        self._arrivals: list[int] = []
        self._due_mono: float | None = None

    def grant(
        self, total_amps: float | None, wishes_amps: Sequence[float], drawing: Sequence[bool], now_mono: float
    ) -> list[float]:
        """What each EVSE may be offered now; the sum is at most `total_amps` (None: everybody gets the own wish).

        `drawing`: energy is authorized there. Whoever is idle gets what the others leave, so that a row stands ready.
        """
        self._arrivals = [index for index in self._arrivals if drawing[index]]
        self._arrivals += [index for index, draws in enumerate(drawing) if draws and index not in self._arrivals]
        granted, someone_waits = list(wishes_amps), False
        if total_amps is not None:
            granted, someone_waits = self._shared(total_amps, wishes_amps, now_mono)
        for index, amps in enumerate(granted):
            self._offer(index, amps if drawing[index] else 0.0, now_mono)
        yielding = [it.until_mono for it in self._fading if it is not None and it.until_mono > now_mono]
        self._due_mono = min(yielding, default=None) if someone_waits else None
        return granted

    def next_deadline(self) -> float | None:
        """When somebody who is held back may get more; None: nobody is."""
        return self._due_mono

    def _shared(self, total_amps: float, wishes_amps: Sequence[float], now_mono: float) -> tuple[list[float], bool]:
        fair = [0.0] * len(wishes_amps)
        for index, amps in zip(
            self._arrivals, shares(total_amps, [wishes_amps[index] for index in self._arrivals]), strict=True
        ):
            fair[index] = amps
        recent = [self._recent(index, now_mono) for index in range(len(fair))]
        granted = held_back(total_amps, fair, recent)
        someone_waits = granted != fair
        left_amps = total_amps - sum(map(max, granted, recent))
        for index, wish in enumerate(wishes_amps):
            if index not in self._arrivals:
                granted[index] = max(0.0, min(wish, left_amps))
                left_amps -= granted[index]
        return granted, someone_waits

    def _recent(self, index: int, now_mono: float) -> float:
        fading = self._fading[index]
        still = fading.amps if fading is not None and fading.until_mono > now_mono else 0.0
        return max(self._offered[index], still)

    def _offer(self, index: int, amps: float, now_mono: float) -> None:
        if amps < self._offered[index]:
            self._fading[index] = _Fading(self._recent(index, now_mono), now_mono + YIELD_S)
        self._offered[index] = amps


def shares(total_amps: float, wishes_amps: Sequence[float]) -> list[float]:
    """A share for each wish, in the order of the wishes (first come, first served); their sum is at most `total_amps`.

    A wish below MIN_AMPS cannot be charged with and gets nothing.
    """
    served = [index for index, wish in enumerate(wishes_amps) if wish >= MIN_AMPS]
    while served:
        filled = _filled(total_amps, {index: wishes_amps[index] for index in served})
        if min(filled.values()) >= MIN_AMPS:
            return [filled.get(index, 0.0) for index in range(len(wishes_amps))]
        served.pop()
    return [0.0] * len(wishes_amps)


def held_back(total_amps: float, fair_amps: Sequence[float], recent_amps: Sequence[float]) -> list[float]:
    """The fair shares; growth waits where others may still draw what they were offered lately (`recent_amps`)."""
    spare = total_amps - sum(map(max, fair_amps, recent_amps))
    return [
        fair if fair <= recent else max(recent, min(fair, spare + fair))
        for fair, recent in zip(fair_amps, recent_amps, strict=True)
    ]


def _filled(total_amps: float, wishes_amps: dict[int, float]) -> dict[int, float]:
    """Equal shares of the total, smallest wish first, so that what it leaves is shared by the rest."""
    filled: dict[int, float] = {}
    left_amps = total_amps
    for position, (index, wish) in enumerate(sorted(wishes_amps.items(), key=lambda item: item[1])):
        filled[index] = min(wish, left_amps / (len(wishes_amps) - position))
        left_amps -= filled[index]
    return filled
