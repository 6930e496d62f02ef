"""A Wiegand reader in place of the kernel's GPIO lines."""

from collections import deque
from pathlib import Path

from hal.drivers.reader_wiegand import Pulse, Settings


def frame_of(card: str) -> list[int]:
    """The bits of a card with their two of parity."""
    bits = [int(bit) for bit in f"{int(card, 16):0{len(card) * 4}b}"]
    half = len(bits) // 2
    return [sum(bits[:half]) % 2, *bits, 1 - sum(bits[half:]) % 2]


class Wires:
    """D0 and D1 with a reader at their end. `error`: what every call fails with."""

    def __init__(self, chip: Path) -> None:
        self.chip = chip
        chip.touch()
        self.error: OSError | None = None
        self.opened = 0
        self.endless = False
        self._now_ns = 1_000_000_000
        self._pulses: deque[Pulse] = deque()

    def open(self, settings: Settings) -> "Wires":
        self._check()
        self.opened += 1
        return self

    def show(self, bits: list[int], gap_ns: int = 2_000_000) -> None:
        """A card: pulses 2 ms apart, and silence before them."""
        self._now_ns += 500_000_000
        for bit in bits:
            self._pulses.append((bit, self._now_ns))
            self._now_ns += gap_ns

    def wait(self, seconds: float) -> bool:
        self._check()
        if self.endless:
            self._now_ns += 1_000_000
            self._pulses.append((0, self._now_ns))
        return bool(self._pulses)

    def take(self) -> list[Pulse]:
        """Some of them: the kernel hands out what has come so far."""
        return [self._pulses.popleft() for _ in range(min(7, len(self._pulses)))]

    def close(self) -> None:
        self.opened -= 1

    def _check(self) -> None:
        if self.error is not None:
            raise self.error
