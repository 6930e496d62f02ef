"""How much one request may carry, where the device model tells the CSMS so (B05, B06, B08, D01)."""

from collections.abc import Sized
from typing import Any

from chargerd import codec
from chargerd.codec import ErrorCode
from chargerd.ocpp.messages.wire import Call
from chargerd.ocpp.rpc import CallRefused


def check_size(request: Call[Any], elements: Sized, items: int, size_bytes: int) -> None:
    """B05.FR.11, B06.FR.16/17, B08.FR.17/18, D01.FR.11/12. Raises CallRefused for too many or too much."""
    if len(elements) > items:
        raise CallRefused(ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION, f"{len(elements)} elements, {items} at most")
    size = len(codec.encode(request))
    if size > size_bytes:
        raise CallRefused(ErrorCode.FORMAT_VIOLATION, f"{size} bytes, {size_bytes} at most")
