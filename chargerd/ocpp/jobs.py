"""What the shell is asked to do in long jobs: the kinds of StartJob, their arguments, and how each ends in JobDone.

One job is one attempt; whether and when there is another is the core's decision.
"""

import re
from datetime import datetime
from enum import StrEnum

import msgspec

from chargerd import codec
from chargerd.ocpp.effects import StartJob

UPLOAD = "upload"
"""Send a file by HTTP. Arguments: Upload. A `problem` comes with the UploadLogStatus it amounts to as `result`."""

DOWNLOAD = "download"
"""Fetch firmware by HTTP, going on where an attempt before it ended. Arguments: Download."""

VERIFY = "verify"
"""Look at firmware that was downloaded. Arguments: Check; a success comes with Verified in JSON as `result`."""

STAGE = "stage"
"""Look at it again and, as long as the same file is open, have it written to the slot that does not run. Arguments:
Stage.
"""

ACTIVATE = "activate"
"""Have the machine start that slot next time. Arguments: Activate."""

MARK_GOOD = "mark-good"
"""Have the slot that runs kept. Arguments: none."""

DISCARD = "discard"
"""Remove whatever was downloaded. Arguments: none."""

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


class Finding(StrEnum):
    """What a failed job of an update amounts to, as its `result`; empty: it was not done, and nothing was changed."""

    INVALID_CERTIFICATE = "invalid certificate"  # the one that should have signed the file, by now
    INVALID_SIGNATURE = "invalid signature"  # of the file
    REFUSED = "refused"  # the bundle: its own signature, its content, or not for this station
    UNKNOWN = "unknown"  # it may have been done


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """`key`: the update's; what was fetched of another is dropped. `roots_pem`: trusted besides those of the system."""

    key: str
    location: str
    roots_pem: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Download({public_location(self.location)})"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """`certificate_pem` empty: there is no signature of the file to be checked (L02). `roots_pem`, `revocations_pem`:
    of the manufacturer. `at_utc`: it is that late at least.
    """

    key: str
    certificate_pem: str
    signature: str
    roots_pem: tuple[str, ...]
    revocations_pem: tuple[str, ...]
    at_utc: datetime


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """The bundle that was verified."""

    manifest_sha256: str
    version: str


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """`manifest_sha256`: of the bundle that is meant; another one is refused."""

    check: Check
    manifest_sha256: str


class Activate(msgspec.Struct, frozen=True, kw_only=True):
    """`manifest_sha256`: of the bundle that was staged."""

    manifest_sha256: str


def upload_job(job_id: str, upload: Upload) -> StartJob:
    """The effect that starts it."""
    return StartJob(job_id, UPLOAD, msgspec.Raw(codec.encode(upload)))


def job(job_id: str, kind: str, arguments: msgspec.Struct | None = None) -> StartJob:
    """The effect that starts a job of this kind."""
    return StartJob(job_id, kind, msgspec.Raw(b"{}" if arguments is None else codec.encode(arguments)))


def public_location(url: str) -> str:
    """A URL as it may be shown: without user, password, and whatever a query lets its bearer do."""
    return re.sub(r"//[^/?#]*@", "//", url).partition("?")[0]
