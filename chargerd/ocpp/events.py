"""Everything that can happen to the station, as values. `Station.feed` takes one with the instant at which it
happened.
"""

from enum import StrEnum

import msgspec

from chargerd.evse.types import Status
from chargerd.ocpp.messages.enums import CertificateAction


class LinkFailure(StrEnum):
    """Why a link could not be made or ended, as far as the station must tell the cases apart."""

    UNREACHABLE = "unreachable"  # name, route, TCP, timeout, connection reset, no pong in time
    REFUSED_CREDENTIALS = "refused credentials"  # HTTP 401 or 403
    UNKNOWN_IDENTITY = "unknown identity"  # HTTP 404
    WRONG_SUBPROTOCOL = "wrong subprotocol"  # the server did not agree to ocpp2.0.1
    BAD_CERTIFICATE = "bad certificate"  # the CSMS's: path, time, name, strength, revoked (A00.FR.310)
    OLD_TLS = "old TLS"  # the CSMS offers nothing newer than TLS 1.1
    NO_COMMON_CIPHERS = "no common cipher suite"  # the CSMS offers unsuitable suites only
    CLIENT_CERTIFICATE_REFUSED = "client certificate refused"  # the CSMS does not accept ours, or wants one
    KEY_UNUSABLE = "key unusable"  # our own private key or certificate cannot be used (TPM gone, file damaged)
    TLS_FAILED = "TLS failed"  # any other way in which TLS could not be agreed
    BAD_FRAME = "bad frame"  # binary, too large, not UTF-8
    CLOSED = "closed"  # the other side closed, or we did


class Received(msgspec.Struct, frozen=True):
    """A text frame from the CSMS."""

    text: str


class LinkUp(msgspec.Struct, frozen=True):
    """The WebSocket of network slot `slot` is open and the subprotocol agreed. `root_sha256`: fingerprint (hexadecimal)
    of the root certificate in which the CSMS's path ended, empty without TLS.
    """

    slot: int
    root_sha256: str = ""


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


class KeyMade(msgspec.Struct, frozen=True):
    """MakeKey ended. `key_id` names the new private key from now on; `problem` None: it succeeded."""

    request_id: str
    key_id: str = ""
    csr_pem: str = ""
    problem: str | None = None


class JobDone(msgspec.Struct, frozen=True):
    """A long job ended. `problem` None: it succeeded; `result`: what it found, in the job's own words."""

    job_id: str
    problem: str | None = None
    result: str = ""


class ContractShown(msgspec.Struct, frozen=True):
    """A vehicle shows its contract certificate (C07): PEM, its own first, and the eMAID it gives, empty: none."""

    evse_id: int
    chain_pem: str
    emaid: str = ""


class EvCertificateWanted(msgspec.Struct, frozen=True):
    """A vehicle wants a contract certificate, its first or a newer one (M01, M02): the message with which it asks, EXI
    in Base64, and the schema that this has.
    """

    evse_id: int
    action: CertificateAction
    schema_version: str
    exi_request: str


class ShellSecurityEvent(msgspec.Struct, frozen=True):
    """The shell saw something of security relevance: `kind` is the standard's name for it (security_events.py),
    `tech_info` says who and where. Never a secret.
    """

    kind: str
    tech_info: str = ""


class MemoryMeasured(msgspec.Struct, frozen=True):
    """How much room is left. `ram_used`: share of the memory the process may have, None where nothing limits it;
    `disk_free_bytes`: on the file system of the store, None where that cannot be told.
    """

    ram_used: float | None
    disk_free_bytes: int | None


class TimeStepped(msgspec.Struct, frozen=True):
    """The wall clock moved by `by_s` seconds against the monotonic clock (NTP, operator, CSMS)."""

    by_s: float


class SignalMeasured(msgspec.Struct, frozen=True):
    """The level of the radio link to the world; `dbm` None: there is no radio link."""

    dbm: float | None


Event = (
    SignalMeasured
    | Received
    | LinkUp
    | LinkDown
    | StatusArrived
    | StatusLost
    | KeyMade
    | JobDone
    | ContractShown
    | EvCertificateWanted
    | ShellSecurityEvent
    | MemoryMeasured
    | TimeStepped
)
