"""What identifies a card: which bytes are an identifier that may be trusted again, how it is written, when it is new.

No message of a driver holds more of an identifier than its length: logs are read by people whom it does not concern.
"""

from typing import Literal

from hal.types import DeviceGarbled, Token, TokenKind

ByteOrder = Literal["as_sent", "reversed"]
"""Some readers send the last byte first; the back office knows one spelling of a card only."""

CardKind = Literal["ISO14443", "ISO15693", "Local", "KeyCode"]

UID_BYTES = {TokenKind.ISO14443: (4, 7, 10), TokenKind.ISO15693: (8,)}
"""Lengths by kind (ISO/IEC 14443-3 clause 6.5.4, ISO/IEC 15693-3 clause 4.1); other kinds may have any."""

LONGEST_BYTES = 18
"""OCPP's idToken has at most 36 characters."""

RANDOM_FIRST_BYTE = 0x08  # ISO/IEC 14443-3 table 8: a single size UID that is another one at each presentation

AWAY_S = 0.5
AWAY_POLLS = 2
"""A card is away after so long and so many polls without it: one poll that fails is no reason to see it anew."""


def token_of(device: str, uid: bytes, byte_order: ByteOrder, kind: TokenKind, at_mono: float) -> Token | None:
    """The token of a card, byte 0 first in upper-case hex.

    None for an identifier that tells nobody: a random one (phones and some bank cards change it each time). Raises
    DeviceGarbled for what cannot be one: a length that this kind does not have, or equal bytes, as a dead line reads.
    """
    lengths = UID_BYTES.get(kind, range(1, LONGEST_BYTES + 1))
    if len(uid) not in lengths:
        expected = " or ".join(str(length) for length in lengths) if kind in UID_BYTES else f"1 to {LONGEST_BYTES}"
        raise DeviceGarbled(device, f"read an identifier of {len(uid)} bytes, {kind} has {expected}")
    if set(uid) in ({0x00}, {0xFF}):
        raise DeviceGarbled(device, "read an identifier of equal bytes, as a dead line sends it; check the wiring")
    ordered = uid[::-1] if byte_order == "reversed" else uid
    if kind is TokenKind.ISO14443 and len(ordered) == 4 and ordered[0] == RANDOM_FIRST_BYTE:
        return None
    return Token(ordered.hex().upper(), kind, at_mono)


class Presence:
    """Which cards are at the reader, so that one that is held there is presented once."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, int]] = {}  # uid -> when it was seen last, polls without it since

    def is_new(self, uid: str | None, at_mono: float) -> bool:
        """The outcome of one poll (None: no card); whether it is the beginning of a presentation."""
        self._seen = {
            other: (seen_mono, misses)
            for other, (seen_mono, misses) in self._seen.items()
            if misses < AWAY_POLLS or at_mono - seen_mono < AWAY_S
        }
        new = uid is not None and uid not in self._seen
        self._seen = {other: (seen_mono, misses + 1) for other, (seen_mono, misses) in self._seen.items()}
        if uid is not None:
            self._seen[uid] = (at_mono, 0)
        return new
