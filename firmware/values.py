"""Signed texts are JSON in exactly one form: what their value is written as. Anything else is refused.

So a property given twice, an unknown one, other spacing, another order or another way to write a number need no rule
each: the text differs from what its own value would be written as, and nobody can read two meanings into it.
"""

from itertools import pairwise
from typing import Annotated, TypeVar

import msgspec

from firmware.errors import FirmwareError, Refusal

T = TypeVar("T")

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}\Z")]
"""A product or a kind of hardware, as its maker calls it."""

Sha256Hex = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


def encode(value: object) -> bytes:
    """The one form of `value`."""
    return msgspec.json.encode(value)


def decode(kind: type[T], text: bytes, refusal: Refusal = Refusal.MALFORMED) -> T:
    """The value of a text in its one form. Raises FirmwareError(refusal)."""
    try:
        value = msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise FirmwareError(refusal, str(error)) from None
    if encode(value) != text:
        raise FirmwareError(refusal, "is not written in the one form that its value has")
    return value


def check_ascending(what: str, items: tuple[str, ...], refusal: Refusal = Refusal.MALFORMED) -> None:
    """Each item once and in order: a set has one form too. Raises FirmwareError(refusal)."""
    if any(earlier >= later for earlier, later in pairwise(items)):
        raise FirmwareError(refusal, f"{what} are not in order, or one is given twice")
