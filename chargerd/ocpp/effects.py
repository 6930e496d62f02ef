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


class OpenLink(msgspec.Struct, frozen=True, kw_only=True):
    """Connect. `ping_interval_s` 0: send no pings. `password` None: no Basic authentication (security profile 3)."""

    slot: int
    url: str
    identity: str
    password: str | None
    security_profile: int
    ping_interval_s: float
    connect_timeout_s: float

    def __repr__(self) -> str:
        return f"OpenLink(slot={self.slot}, {self.url}, profile {self.security_profile})"


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
    """Restart the station's software (and the machine, where the shell may)."""

    why: str


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


Effect = SendText | SetOrders | OpenLink | SetPing | CloseLink | StartJob | CancelJob | Reboot | SetTime | Note
