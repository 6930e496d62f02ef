"""What a vendor's extension is: it answers its own DataTransfer messages, may watch the charger and send some itself.

It is given values and gives values: no order to the charging side passes through here, whatever it does. How to write
and load one: docs/vendors.md.
"""

from typing import Any, Protocol

import msgspec

from chargerd.clock import Now
from chargerd.evse.types import Status

Json = Any
"""Whatever JSON can say: None, bool, int, float, str, list, dict."""


class UnknownMessage(Exception):
    """Raised by `Vendor.answer` for a message id that it does not know (P01.FR.06)."""


class Reply(msgspec.Struct, frozen=True):
    """The answer to a message. `accepted` False: Rejected. `data`: left out when None."""

    accepted: bool
    data: Json = None


class Send(Protocol):
    """Sends a message of the vendor to the CSMS."""

    def __call__(self, message_id: str | None, data: Json = None) -> bool:
        """Once, as soon as nothing else is on its way. False: not now (offline, the last one is not answered yet, or
        `data` is too large), and nothing is kept.
        """
        ...


class Vendor:
    """Base of an extension. `vendor_id`: a reversed domain name of its vendor, at most 50 characters."""

    vendor_id: str = ""

    def answer(self, message_id: str | None, data: Json, now: Now) -> Reply:
        """A message of the CSMS. Raise UnknownMessage for one it does not know. `data` None: none was sent."""
        raise UnknownMessage

    def watch(self, status: Status, send: Send, now: Now) -> None:
        """Something changed on the charging side: the whole state, at most once a second."""

    def answered(self, message_id: str | None, reply: Reply | None, now: Now) -> None:
        """What the CSMS said to a message that was sent; None: no answer came, or it knows nothing of the vendor."""
