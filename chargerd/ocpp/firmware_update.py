"""One firmware update as a value (L01, L02): which step it is at, what the CSMS was told, and where each thing that
happens leads. Pure; whoever stores the value before the world hears of it can be killed at any moment.

    SCHEDULED -> DOWNLOADING -> VERIFYING -> WAITING -> STAGING -> ACTIVATING -> REBOOTING -> CONFIRMING

A step is something that still has to be done, so a restart does it again: a download goes on where it broke off, and
what was written to a slot is written anew. Only what comes after the slot was activated is found out, never assumed:
which slot the machine has started says whether the new version runs.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from chargerd.ocpp.messages.enums import FirmwareStatus as Status
from chargerd.ocpp.messages.firmware_management import UpdateFirmware

RETRIES, RETRY_INTERVAL_S = 3, 60
"""Where the CSMS leaves it to us."""

MAX_RETRIES, MIN_RETRY_INTERVAL_S = 100, 1
"""Bounds on what a CSMS may ask for."""

MAX_RESUMES = 10
"""So many restarts may interrupt one update. An update that ends its process each time must not go on for ever."""


class Step(StrEnum):
    """What is to be done next."""

    SCHEDULED = "scheduled"  # begin, at retrieveDateTime
    DOWNLOADING = "downloading"
    VERIFYING = "verifying"
    WAITING = "waiting"  # for installDateTime, and until nobody charges
    STAGING = "staging"  # written to the slot that does not run
    ACTIVATING = "activating"
    REBOOTING = "rebooting"
    CONFIRMING = "confirming"  # the new version runs, and has to show that it can


CANCELLABLE = frozenset({Step.SCHEDULED, Step.DOWNLOADING, Step.VERIFYING, Step.WAITING, Step.STAGING})
"""Up to here nothing of it would run by itself: the other slot is not the next to start (L01.FR.24, L01.FR.27)."""

FINAL = frozenset(
    {
        Status.DOWNLOAD_FAILED,
        Status.INVALID_SIGNATURE,
        Status.INSTALLATION_FAILED,
        Status.INSTALL_VERIFICATION_FAILED,
        Status.INSTALLED,
    }
)
"""Each update is told exactly one of these, and nothing after it."""

FOLLOWS: Mapping[Status | None, frozenset[Status]] = {
    None: frozenset({Status.DOWNLOAD_SCHEDULED, Status.DOWNLOADING}),
    Status.DOWNLOAD_SCHEDULED: frozenset({Status.DOWNLOADING, Status.DOWNLOAD_FAILED}),
    Status.DOWNLOADING: frozenset({Status.DOWNLOAD_PAUSED, Status.DOWNLOADED, Status.DOWNLOAD_FAILED}),
    Status.DOWNLOAD_PAUSED: frozenset({Status.DOWNLOADING, Status.DOWNLOAD_FAILED}),
    Status.DOWNLOADED: frozenset(
        {
            Status.SIGNATURE_VERIFIED,
            Status.INVALID_SIGNATURE,
            Status.INSTALL_SCHEDULED,
            Status.INSTALLING,
            Status.INSTALLATION_FAILED,
        }
    ),
    Status.SIGNATURE_VERIFIED: frozenset({Status.INSTALL_SCHEDULED, Status.INSTALLING, Status.INSTALLATION_FAILED}),
    Status.INSTALL_SCHEDULED: frozenset({Status.INSTALLING, Status.INSTALLATION_FAILED}),
    Status.INSTALLING: frozenset(
        {
            Status.INSTALL_REBOOTING,
            Status.INSTALL_VERIFICATION_FAILED,
            Status.INVALID_SIGNATURE,
            Status.INSTALLATION_FAILED,
            Status.INSTALLED,
        }
    ),
    Status.INSTALL_REBOOTING: frozenset({Status.INSTALLED, Status.INSTALLATION_FAILED}),
}
"""What may be told after what (figure 118 of part 2)."""


class Slots(msgspec.Struct, frozen=True, kw_only=True):
    """What the launcher has started: the slot, the bundle in it, and which start of the machine this is."""

    slot: str
    manifest_sha256: str
    start_id: str


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """An update that is under way. `key`: our own name for it. `certificate_pem`, `signature`: empty where the request
    had none. `retries`: further attempts to download. `told`: the last status. `resumes`: restarts that it may still
    see.

    `manifest_sha256`, `version`: of the bundle, once verified. `before`: what ran when the installation began.
    """

    key: str
    request_id: int
    location: str
    retrieve_utc: datetime
    install_utc: datetime | None
    certificate_pem: str
    signature: str
    retries: int
    interval_s: int
    step: Step = Step.SCHEDULED
    told: Status | None = None
    resumes: int = MAX_RESUMES
    manifest_sha256: str = ""
    version: str = ""
    before: Slots | None = None

    @property
    def signed(self) -> bool:
        """Whether the CSMS sent what proves the file (L01), or not (L02)."""
        return bool(self.certificate_pem)


class Moved(msgspec.Struct, frozen=True):
    """Where something led: the update as it is now, None: it has ended; and what the CSMS is to be told, in order."""

    update: Update | None
    tell: tuple[Status, ...] = ()


def accepted(key: str, request: UpdateFirmware) -> Update:
    """What a request asks for."""
    firmware = request.firmware
    retries = RETRIES if request.retries is None else request.retries
    interval_s = RETRY_INTERVAL_S if request.retry_interval is None else request.retry_interval
    return Update(
        key=key,
        request_id=request.request_id,
        location=firmware.location,
        retrieve_utc=firmware.retrieve_date_time,
        install_utc=firmware.install_date_time,
        certificate_pem=firmware.signing_certificate or "",
        signature=firmware.signature or "",
        retries=max(0, min(retries, MAX_RETRIES)),
        interval_s=max(interval_s, MIN_RETRY_INTERVAL_S),
    )


def _to(update: Update, step: Step, *tell: Status) -> Moved:
    """A status that was told last is not told again."""
    news = tuple(status for status in tell if status is not update.told)
    return Moved(msgspec.structs.replace(update, step=step, told=news[-1] if news else update.told), news)


def failed(status: Status) -> Moved:
    """It ends with a final status."""
    assert status in FINAL, f"can't happen because {status} is no end"
    return Moved(None, (status,))


# ---- download and verification ----


def postponed(update: Update) -> Moved:
    """It is not yet time to begin (L01.FR.13)."""
    return _to(update, Step.SCHEDULED, Status.DOWNLOAD_SCHEDULED)


def downloading(update: Update) -> Moved:
    """An attempt begins, the first or after a pause."""
    return _to(update, Step.DOWNLOADING, Status.DOWNLOADING)


def paused(update: Update) -> Moved:
    """Something else is more urgent (L01.FR.14)."""
    return _to(update, Step.DOWNLOADING, Status.DOWNLOAD_PAUSED)


def attempt_failed(update: Update) -> Moved:
    """One attempt to download has failed; only the last is told (L01.FR.30)."""
    if update.retries <= 0:
        return failed(Status.DOWNLOAD_FAILED)
    return Moved(msgspec.structs.replace(update, retries=update.retries - 1))


def downloaded(update: Update) -> Moved:
    """The whole file is there."""
    return _to(update, Step.VERIFYING, Status.DOWNLOADED)


def verified(update: Update, manifest_sha256: str, version: str) -> Moved:
    """Signature and bundle are as they should be; the signature is told of where there was one to verify."""
    known = msgspec.structs.replace(update, manifest_sha256=manifest_sha256, version=version)
    return _to(known, Step.WAITING, *((Status.SIGNATURE_VERIFIED,) if update.signed else ()))


def bundle_refused(update: Update) -> Moved:
    """The file is what was signed, and its content is not for this station: the first step of an installation fails, at
    once and not at its hour (L01.FR.29).
    """
    first = (Status.SIGNATURE_VERIFIED,) if update.signed else ()
    return Moved(None, (*first, Status.INSTALLING, Status.INSTALL_VERIFICATION_FAILED))


# ---- installation ----


def waiting(update: Update) -> Moved:
    """It is not yet time to install, or somebody charges (L01.FR.16, L01.FR.34)."""
    return _to(update, Step.WAITING, Status.INSTALL_SCHEDULED)


def installing(update: Update, running: Slots) -> Moved:
    """The other slot is written from now on. `running`: what runs meanwhile."""
    return _to(msgspec.structs.replace(update, before=running), Step.STAGING, Status.INSTALLING)


def staged(update: Update) -> Moved:
    """The slot holds what was signed."""
    return _to(update, Step.ACTIVATING)


def activated(update: Update) -> Moved:
    """The next start of the machine takes the new slot, or may: which it was is seen then (L01.FR.32 a)."""
    return _to(update, Step.REBOOTING, Status.INSTALL_REBOOTING)


def confirmed() -> Moved:
    """The new version has run well for long enough, and stays (L01.FR.28)."""
    return Moved(None, (Status.INSTALLED,))


def cancelled(update: Update) -> Moved:
    """A newer request takes its place (L01.FR.24)."""
    before_the_file = update.step in {Step.SCHEDULED, Step.DOWNLOADING}
    return failed(Status.DOWNLOAD_FAILED if before_the_file else Status.INSTALLATION_FAILED)


# ---- after a restart ----


def restarted(update: Update, running: Slots | None) -> Moved:
    """The process starts, and finds this update under way. `running`: what the launcher has started, None: it does not
    say.

    The truth about what comes after the activation: the new slot runs, or it does not; and if the machine has not been
    started anew at all, that is still to come.
    """
    if update.before is None or update.step in {Step.SCHEDULED, Step.DOWNLOADING, Step.VERIFYING, Step.WAITING}:
        return _resumed(update, update.step)
    if _runs(update, running):
        return Moved(msgspec.structs.replace(update, step=Step.CONFIRMING))
    if update.step in {Step.STAGING, Step.ACTIVATING}:
        return _resumed(update, Step.STAGING)  # writing the slot anew takes back whatever was done with it
    if running is not None and running.start_id == update.before.start_id:
        return _resumed(update, Step.REBOOTING)
    return failed(Status.INSTALLATION_FAILED)


def _runs(update: Update, running: Slots | None) -> bool:
    """By its content and its place: a bundle may be installed over itself."""
    if running is None or update.before is None:
        return False
    return running.manifest_sha256 == update.manifest_sha256 != "" and running.slot != update.before.slot


def _resumed(update: Update, step: Step) -> Moved:
    if update.resumes <= 0:
        before_the_file = step in {Step.SCHEDULED, Step.DOWNLOADING}
        return failed(Status.DOWNLOAD_FAILED if before_the_file else Status.INSTALLATION_FAILED)
    # Waiting for its hour costs nothing, however often the process starts meanwhile.
    costs = step not in {Step.SCHEDULED, Step.WAITING}
    return Moved(msgspec.structs.replace(update, step=step, resumes=update.resumes - costs))
