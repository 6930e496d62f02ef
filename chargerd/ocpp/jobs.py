"""What the shell is asked to do in long jobs: the kinds of StartJob, their arguments, and how each ends in JobDone.

One job is one attempt; whether and when there is another is the core's decision.
"""

import re
from datetime import datetime

import msgspec

from chargerd import codec
from chargerd.ocpp.effects import StartJob

UPLOAD = "upload"
"""Send a file by HTTP. Arguments: Upload. A `problem` comes with the UploadLogStatus it amounts to as `result`."""

MAX_ARGUMENT_BYTES = 4 * 1024 * 1024
"""The longest security log, whatever is in its rows, is an eighth of it."""


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A file and where to send it. `location`: a URL that begins with http:// or https:// and may hold a password.

    `content` None: the diagnostics of this station, which the shell writes, of the time from `oldest` to `latest`.
    `roots_pem`: trusted besides the roots of the system.
    """

    location: str
    filename: str
    content: str | None
    oldest: datetime | None = None
    latest: datetime | None = None
    roots_pem: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Upload({self.filename} to {public_location(self.location)})"


def upload_job(job_id: str, upload: Upload) -> StartJob:
    """The effect that starts it."""
    return StartJob(job_id, UPLOAD, msgspec.Raw(codec.encode(upload)))


def public_location(url: str) -> str:
    """A URL as it may be shown: without user, password, and whatever a query lets its bearer do."""
    return re.sub(r"//[^/?#]*@", "//", url).partition("?")[0]
