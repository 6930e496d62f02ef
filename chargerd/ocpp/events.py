"""Everything that can happen to the station, as values. `Station.feed` takes one with the instant at which it
happened.
"""

from enum import StrEnum

import msgspec

from chargerd.evse.types import Status


class LinkFailure(StrEnum):
    """Why a link could not be made or ended, as far as the station must tell the cases apart."""

    UNREACHABLE = "unreachable"  # name, route, TCP, timeout, connection reset, no pong in time
    REFUSED_CREDENTIALS = "refused credentials"  # HTTP 401 or 403
    UNKNOWN_IDENTITY = "unknown identity"  # HTTP 404
    WRONG_SUBPROTOCOL = "wrong subprotocol"  # the server did not agree to ocpp2.0.1
    TLS_FAILED = "TLS failed"  # certificate, version or cipher suite
    BAD_FRAME = "bad frame"  # binary, too large, not UTF-8
    CLOSED = "closed"  # the other side closed, or we did


class Received(msgspec.Struct, frozen=True):
    """A text frame from the CSMS."""

    text: str


class LinkUp(msgspec.Struct, frozen=True):
    """The WebSocket of network slot `slot` is open and the subprotocol agreed."""

    slot: int


class LinkDown(msgspec.Struct, frozen=True):
    """The link of `slot` failed to open or ended. `why`: a line for people. Every OpenLink ends in exactly one
    LinkDown.
    """

    slot: int
    failure: LinkFailure
    why: str


class StatusArrived(msgspec.Struct, frozen=True):
    """The control process published a snapshot."""

    status: Status


class StatusLost(msgspec.Struct, frozen=True):
    """The control process has been silent for too long."""


class JobDone(msgspec.Struct, frozen=True):
    """A long job ended. `problem` None: it succeeded; `result`: what it found, in the job's own words."""

    job_id: str
    problem: str | None = None
    result: str = ""


class TimeStepped(msgspec.Struct, frozen=True):
    """The wall clock moved by `by_s` seconds against the monotonic clock (NTP, operator, CSMS)."""

    by_s: float


class SignalMeasured(msgspec.Struct, frozen=True):
    """The level of the radio link to the world; `dbm` None: there is no radio link."""

    dbm: float | None


Event = SignalMeasured | Received | LinkUp | LinkDown | StatusArrived | StatusLost | JobDone | TimeStepped
