"""What takes its time in the plant: the motor of a lock, the contacts of a contactor."""

import math
from typing import Generic, TypeVar

T = TypeVar("T")


class Movement(Generic[T]):
    """It is `at` one place and goes to where it is `wanted`, where it is from `due_mono` on (inf: it rests)."""

    def __init__(self, at: T) -> None:
        self.at = at
        self.wanted = at
        self.due_mono = math.inf

    def drive(self, wanted: T, arrives_mono: float) -> bool:
        """Go there; whether that is new. One that is on its way there already arrives when it did."""
        if wanted == self.wanted:
            return False
        self.wanted, self.due_mono = wanted, arrives_mono
        return True

    def settle(self, now_mono: float) -> None:
        """Arrive, if it is time."""
        if now_mono >= self.due_mono:
            self.put(self.wanted)

    def put(self, at: T) -> None:
        """It is there and rests."""
        self.at = self.wanted = at
        self.due_mono = math.inf
