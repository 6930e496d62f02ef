"""What one block tells all others. Downward wishes are method calls on constructor arguments; upward news goes
through here.
"""

from enum import StrEnum

import msgspec

from chargerd.ocpp.messages.enums import GetCertificateIdUse
from chargerd.ocpp.variables import AnyVariable


class Registration(StrEnum):
    """Where the station stands with its CSMS (B01-B03); NONE before the first BootNotification answer."""

    NONE = "None"
    ACCEPTED = "Accepted"
    PENDING = "Pending"
    REJECTED = "Rejected"


class RegistrationChanged(msgspec.Struct, frozen=True):
    """A BootNotification was answered."""

    registration: Registration


class VariableChanged(msgspec.Struct, frozen=True):
    """A device model value was set by the CSMS and has been stored."""

    variable: AnyVariable
    evse_id: int | None = None


class TransactionStarted(msgspec.Struct, frozen=True):
    """A transaction began on this EVSE."""

    evse_id: int
    transaction_id: str


class TransactionAuthorized(msgspec.Struct, frozen=True):
    """The transaction's energy is now authorized; with a vehicle present this is the power-path moment (K01.FR.42)."""

    evse_id: int
    transaction_id: str


class TransactionEnded(msgspec.Struct, frozen=True):
    """A transaction ended on this EVSE."""

    evse_id: int
    transaction_id: str


class AvailabilityChanged(msgspec.Struct, frozen=True):
    """The CSMS put something in or out of service."""


class ReservationsChanged(msgspec.Struct, frozen=True):
    """A reservation was used, or somebody took an EVSE of which others must keep one."""


class SecurityEvent(msgspec.Struct, frozen=True):
    """Something of security relevance happened (appendix list of A04); `kind` is the event's standard name."""

    kind: str
    tech_info: str = ""


class CredentialsOffered(msgspec.Struct, frozen=True):
    """There is a new password or client certificate; the next connection tries it, and that comes at once."""


class CertificatesChanged(msgspec.Struct, frozen=True):
    """Something of this kind was installed, or is gone."""

    kind: GetCertificateIdUse


class KeysReleased(msgspec.Struct, frozen=True):
    """A private key may not be needed any more; after all blocks have heard it, those that are needed are told."""


class ClockSet(msgspec.Struct, frozen=True):
    """The wall clock moved by `by_s` seconds; every wall-clock deadline has to be computed anew."""

    by_s: float


News = (
    RegistrationChanged
    | VariableChanged
    | TransactionStarted
    | TransactionAuthorized
    | TransactionEnded
    | AvailabilityChanged
    | ReservationsChanged
    | SecurityEvent
    | CertificatesChanged
    | CredentialsOffered
    | KeysReleased
    | ClockSet
)
