"""Everything the station wants done, as values. The shell performs them in order and decides nothing."""

from datetime import datetime
from enum import StrEnum

import msgspec

from chargerd.evse.types import Orders


class SendText(msgspec.Struct, frozen=True):
    """Send this text frame to the CSMS."""

    text: str


class SetOrders(msgspec.Struct, frozen=True):
    """Hand this snapshot to the control process."""

    orders: Orders


class ClientCertificate(msgspec.Struct, frozen=True):
    """Who the station is in TLS. `key_id`: the shell's name of the private key, which never comes here. `chain_pem`:
    the station's certificate first, then those that signed it, without the root.
    """

    key_id: str
    chain_pem: str


class OpenLink(msgspec.Struct, frozen=True, kw_only=True):
    """Connect. `ping_interval_s` 0: send no pings. `password` None: no Basic authentication (security profile 3).

    For a wss URL: `roots_pem` are the only roots that are trusted (none: those of the system); `client` is shown to
    the CSMS (profile 3); `wildcards` accepts a certificate for *.example.com (AllowCSMSTLSWildcards); `clock_floor`:
    it is certainly not earlier than this, whatever the clock of the machine says.
    """

    slot: int
    url: str
    identity: str
    password: str | None
    security_profile: int
    ping_interval_s: float
    connect_timeout_s: float
    client: ClientCertificate | None = None
    roots_pem: tuple[str, ...] = ()
    wildcards: bool = False
    clock_floor: datetime | None = None

    def __repr__(self) -> str:
        return f"OpenLink(slot={self.slot}, {self.url}, profile {self.security_profile})"


class KeyUse(StrEnum):
    """What a private key is for."""

    STATION = "station"  # TLS towards the CSMS
    V2G = "v2g"  # TLS towards the vehicle (ISO 15118)


class MakeKey(msgspec.Struct, frozen=True, kw_only=True):
    """Make a new private key and a request to have it signed (RFC 2986); both come back as KeyMade.

    `common_name`, `organization` and, where not empty, `country` and `domain_component` make the subject.
    """

    request_id: str
    use: KeyUse
    common_name: str
    organization: str
    country: str = ""
    domain_component: str = ""


class KeepKeys(msgspec.Struct, frozen=True):
    """Private keys made by MakeKey that are still needed, and all that are: every other may be destroyed."""

    key_ids: tuple[str, ...]


class SetPing(msgspec.Struct, frozen=True):
    """Ping the open link at this interval from now on (0: never)."""

    interval_s: float


class CloseLink(msgspec.Struct, frozen=True):
    """Close the link; `why` is for the log."""

    why: str


class StartJob(msgspec.Struct, frozen=True):
    """Start a long job (download, upload, collection); its end comes back as JobDone."""

    job_id: str
    kind: str
    arguments: msgspec.Raw


class CancelJob(msgspec.Struct, frozen=True):
    """Stop a job early; it still ends in a JobDone."""

    job_id: str


class Reboot(msgspec.Struct, frozen=True):
    """Restart the station's software. `machine`: and the machine under it, so that another slot can be started."""

    why: str
    machine: bool = False


class SetTime(msgspec.Struct, frozen=True):
    """The CSMS says it is `utc` now."""

    utc: datetime


class Severity(StrEnum):
    """How loud a note is."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Note(msgspec.Struct, frozen=True):
    """A line for the log: `area: what happened (values)`. Never a secret."""

    severity: Severity
    text: str


Effect = (
    SendText
    | SetOrders
    | OpenLink
    | SetPing
    | CloseLink
    | MakeKey
    | KeepKeys
    | StartJob
    | CancelJob
    | Reboot
    | SetTime
    | Note
)
