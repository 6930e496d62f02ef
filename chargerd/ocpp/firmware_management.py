"""Block L: new firmware for the station (L01; L02 in a laboratory), and none for others (L03, L04).

What is under way is one value on disk (firmware_update.py), changed in the same transaction in which the message about
it is queued: whenever the power goes, the CSMS hears each status in its order, and one end. Jobs do the work, each
bounded; when one ends, the update moves on. Nobody charges while the other slot is written, and the machine is started
anew only when the CSMS has been told.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from chargerd import codec
from chargerd.clock import Now
from chargerd.codec import CodecError, ErrorCode
from chargerd.ocpp import firmware_update
from chargerd.ocpp.availability import Availability
from chargerd.ocpp.block import Block, Handlers, StationContext, Triggers
from chargerd.ocpp.boot import keep_boot_reason
from chargerd.ocpp.certificate_book import CertificateBook
from chargerd.ocpp.edges import Change
from chargerd.ocpp.effects import CancelJob, Reboot, Severity
from chargerd.ocpp.events import JobDone
from chargerd.ocpp.firmware_signers import Signers
from chargerd.ocpp.firmware_trial import Trial, Verdict
from chargerd.ocpp.firmware_update import CANCELLABLE, FOLLOWS, Moved, Slots, Step, Update
from chargerd.ocpp.jobs import (
    ACTIVATE,
    DISCARD,
    DOWNLOAD,
    MARK_GOOD,
    MAX_ARGUMENT_BYTES,
    STAGE,
    VERIFY,
    Activate,
    Download,
    Finding,
    Stage,
    Verified,
    job,
    public_location,
)
from chargerd.ocpp.logs import why_not_location
from chargerd.ocpp.messages.enums import BootReason, MessageTrigger
from chargerd.ocpp.messages.enums import FirmwareStatus as Status
from chargerd.ocpp.messages.enums import UpdateFirmwareStatus as Answer
from chargerd.ocpp.messages.firmware_management import (
    FirmwareStatusNotification,
    PublishFirmware,
    UnpublishFirmware,
    UpdateFirmware,
    UpdateFirmwareResponse,
)
from chargerd.ocpp.messages.types import StatusInfo
from chargerd.ocpp.messages.wire import Call, Wire
from chargerd.ocpp.news import ClockSet, News, SecurityEvent, TransactionEnded
from chargerd.ocpp.outbox import FIRMWARE_STATUS
from chargerd.ocpp.rpc import CallFailure, CallRefused
from chargerd.ocpp.transactions import Transactions
from chargerd.ocpp.variables import AnyVariable, boolean

NAMESPACE, UNDER_WAY_KEY, LAST_KEY = "firmware", "under_way", "last"

MARK_GOOD_ATTEMPTS, MARK_GOOD_RETRY_S = 5, 30.0

LOOK_EVERY_S = 0.25
"""How often it is looked whether the CSMS has been told, and how the new version does."""

RESTART_WITHIN_S = 120.0
"""A machine that has not been started anew by then is asked for it again."""

ALLOW_NEW_SESSIONS = boolean(
    "ChargingStation",
    "AllowNewSessionsPendingFirmwareUpdate",
    False,
    writable=True,
    required=False,
    doc="Whether vehicles may begin to charge while an update waits for others to end (L01.FR.07).",
)


class _Last(msgspec.Struct, frozen=True):
    """What the CSMS was told last."""

    status: Status
    request_id: int


class FirmwareManagement(Block):
    """UpdateFirmware and FirmwareStatusNotification."""

    def __init__(
        self,
        ctx: StationContext,
        book: CertificateBook,
        transactions: Transactions,
        availability: Availability,
        clock_floor: Callable[[], datetime | None],
    ) -> None:
        """`clock_floor`: it is that late at least, whatever the clock says."""
        super().__init__(ctx)
        config = ctx.config.firmware
        self._book = book
        self._signers = Signers(book, () if config is None else config.revocations_pem, clock_floor)
        self._transactions = transactions
        self._availability = availability
        self._update: Update | None = None
        self._last: _Last | None = None
        self._job_id: str | None = None
        self._of_no_interest: set[str] = set()
        self._paused = False
        self._not_before_mono = 0.0
        self._look_at_mono: float | None = None
        self._deliver_by_mono: float | None = None
        self._trial = Trial(ctx)
        self._mark_good_fails = 0

    # ------------------------------------------------------------------ what the station asks of every block

    def variables(self) -> Iterable[AnyVariable]:
        """Who may charge while an update waits."""
        return (ALLOW_NEW_SESSIONS,)

    def handlers(self) -> Handlers:
        """L01 and L02; the others are for local controllers."""
        return {
            UpdateFirmware: self._update_firmware,
            PublishFirmware: _no_controller,
            UnpublishFirmware: _no_controller,
        }

    def triggers(self) -> Triggers:
        """How the update stands."""
        return {MessageTrigger.FIRMWARE_STATUS_NOTIFICATION: self._send_triggered}

    def on_start(self, now: Now) -> None:
        """Go on with what the last run left, or tell how it ended."""
        self._trial.begin(now)
        self._last = self.ctx.store.find(NAMESPACE, LAST_KEY, _Last)
        update = self.ctx.store.find(NAMESPACE, UNDER_WAY_KEY, Update)
        if update is not None:
            self._update = update
            moved = firmware_update.restarted(update, self._running)
            self._move(moved, now)
            if moved.update is None:
                self._say_what_failed(update)
        self._advance(now)

    def on_change(self, change: Change, now: Now) -> None:
        """Somebody came or went."""
        if self._update is not None:
            self._advance(now)

    def on_news(self, news: News, now: Now) -> None:
        """A transaction has ended, or the clock was set."""
        if self._update is not None and isinstance(news, TransactionEnded | ClockSet):
            self._advance(now)

    def next_deadline(self) -> float | None:
        """When something is to be looked at."""
        return self._look_at_mono

    def on_time(self, now: Now) -> None:
        """Look at it."""
        if self._look_at_mono is not None and now.mono >= self._look_at_mono:
            self._advance(now)

    # ------------------------------------------------------------------ for the blocks above

    @property
    def update(self) -> Update | None:
        """What is under way."""
        return self._update

    @property
    def is_installing(self) -> bool:
        """A restart now would come between the slots."""
        return self._update is not None and self._update.step in {Step.STAGING, Step.ACTIVATING, Step.REBOOTING}

    def pause(self, now: Now) -> None:
        """The station is about to restart for another reason: a download goes on afterwards."""
        if self._update is not None and self._update.step is Step.DOWNLOADING and not self._paused:
            self._paused = True
            self._drop_job()
            self._move(firmware_update.paused(self._update), now)

    def resume(self, now: Now) -> None:
        """It did not restart."""
        self._paused = False
        self._advance(now)

    # ------------------------------------------------------------------ the request

    def _update_firmware(self, request: UpdateFirmware, now: Now) -> UpdateFirmwareResponse:
        firmware = request.firmware
        config = self.ctx.config.firmware
        if config is None:
            return _answer(Answer.REJECTED, "UnsupportedRequest", "there are no slots for firmware in this machine")
        if not self.ctx.online:
            return _answer(Answer.REJECTED, "CSNotAccepted", "BootNotification has not been accepted")
        if firmware.signing_certificate is None and (firmware.signature is not None or not config.unsigned):
            return _answer(Answer.REJECTED, "MissingParam", "only signed firmware is taken")  # L01.FR.11
        if firmware.signing_certificate is not None and (refusal := self._refusal(firmware.signing_certificate, now)):
            return refusal  # L01.FR.21, L01.FR.22
        if self._update is not None and self._update.step not in CANCELLABLE:
            return _answer(Answer.REJECTED, "FwUpdateInProgress", "the update has gone too far")  # L01.FR.27
        if self._update is None and (problem := why_not_location(firmware.location)) is not None:
            return _answer(Answer.REJECTED, "InvalidURL", problem)
        status = Answer.ACCEPTED
        if self._update is not None:  # L01.FR.24: whatever the new request leads to
            status = Answer.ACCEPTED_CANCELED
            self._drop_job()
            self._move(firmware_update.cancelled(self._update), now)
        self._begin(request, now)
        return UpdateFirmwareResponse(status=status)

    def _refusal(self, certificate_pem: str, now: Now) -> UpdateFirmwareResponse | None:
        refusal = self._signers.refusal(certificate_pem, now)
        if refusal is None:
            return None
        status, why = refusal
        self.ctx.publish(SecurityEvent("InvalidFirmwareSigningCertificate", why))  # L01.FR.02
        return _answer(status, "InvalidCertificate", why)

    def _begin(self, request: UpdateFirmware, now: Now) -> None:
        self._paused = False
        self._not_before_mono = now.mono
        self._set(firmware_update.accepted(self.ctx.new_id(), request))
        where = public_location(request.firmware.location)
        self.ctx.note(Severity.INFO, f"firmware: update {request.request_id} from {where} is accepted")
        self._advance(now)

    # ------------------------------------------------------------------ the way

    def _advance(self, now: Now) -> None:
        """Do what the step wants, as far as it can be done now."""
        self._look_at_mono = None
        update = self._update
        if update is not None and self._job_id is None and not self._paused:
            match update.step:
                case Step.SCHEDULED:
                    self._when(update.retrieve_utc, self._download, firmware_update.postponed, now)
                case Step.DOWNLOADING:
                    self._download(update, now)
                case Step.VERIFYING:
                    self._do(VERIFY, self._signers.check(update, now))
                case Step.WAITING:
                    self._when(update.install_utc, self._install, firmware_update.waiting, now)
                case Step.STAGING:
                    stage = Stage(check=self._signers.check(update, now), manifest_sha256=update.manifest_sha256)
                    self._do(STAGE, stage)
                case Step.ACTIVATING:
                    self._do(ACTIVATE, Activate(manifest_sha256=update.manifest_sha256))
                case Step.REBOOTING:
                    self._reboot_when_told(now)
                case Step.CONFIRMING:
                    self._confirm(now)
        self._hold(now)

    def _when(
        self,
        at_utc: datetime | None,
        then: Callable[[Update, Now], None],
        until_then: Callable[[Update], Moved],
        now: Now,
    ) -> None:
        """`then` at this time, or now where there is none or it has passed (L01.FR.05)."""
        assert self._update is not None, "can't happen because a step is of an update"
        wait_s = 0.0 if at_utc is None else (at_utc - now.utc).total_seconds()
        if wait_s <= 0:
            then(self._update, now)
            return
        self._look_at_mono = now.mono + wait_s
        self._move(until_then(self._update), now)

    def _download(self, update: Update, now: Now) -> None:
        if now.mono < self._not_before_mono:
            self._look_at_mono = self._not_before_mono
            return
        self._move(firmware_update.downloading(update), now)
        order = Download(key=update.key, location=update.location, roots_pem=self._book.csms_roots())
        self._do(DOWNLOAD, order)

    def _install(self, update: Update, now: Now) -> None:
        """L01.FR.06: nobody may be charging."""
        if self._anybody_busy():
            self._move(firmware_update.waiting(update), now)
            return
        running = self._running
        if running is None:
            self._move(firmware_update.failed(Status.INSTALLATION_FAILED), now)
            return
        self._move(firmware_update.installing(update, running), now)
        self._advance(now)

    def _reboot_when_told(self, now: Now) -> None:
        """As soon as the CSMS knows, or no answer comes, and nobody charges (L01.FR.33)."""
        self._look_at_mono = now.mono + LOOK_EVERY_S
        if now.mono < self._not_before_mono or self._anybody_charging():
            return
        if self._deliver_by_mono is None:
            self._deliver_by_mono = now.mono + self.ctx.rpc.message_timeout_s
        if self.ctx.online and now.mono < self._deliver_by_mono and self.ctx.outbox.pending():
            return
        keep_boot_reason(self.ctx, BootReason.FIRMWARE_UPDATE)  # B01.FR.09
        self._not_before_mono = now.mono + RESTART_WITHIN_S
        self.ctx.do(Reboot("new firmware is to be started", machine=True))

    def _confirm(self, now: Now) -> None:
        """The new version runs. Where it cannot be kept, another start uses up its tries, or makes it well."""
        self._look_at_mono = now.mono + LOOK_EVERY_S
        verdict = self._trial.verdict(now)
        if verdict is Verdict.GOOD and self._mark_good_fails < MARK_GOOD_ATTEMPTS:
            if now.mono >= self._not_before_mono:
                self._do(MARK_GOOD)
        elif verdict is not Verdict.OPEN and not self._anybody_charging():
            self._trial.begin(now)
            self._mark_good_fails = 0
            keep_boot_reason(self.ctx, BootReason.FIRMWARE_UPDATE)
            self.ctx.do(Reboot("the new firmware does not prove good", machine=True))

    # ------------------------------------------------------------------ jobs

    def job_done(self, event: JobDone, now: Now) -> bool:
        """A job ended; whether it was one of ours."""
        if event.job_id in self._of_no_interest:
            self._of_no_interest.discard(event.job_id)
            return True
        update = self._update
        if update is None or event.job_id != self._job_id:
            return False
        self._job_id = None
        if event.problem is not None:
            self.ctx.note(Severity.WARNING, f"firmware: update {update.request_id}, {update.step}: {event.problem}")
            self._job_failed(update, event.problem, event.result, now)
        else:
            self._job_succeeded(update, event.result, now)
        self._advance(now)
        return True

    def _job_succeeded(self, update: Update, result: str, now: Now) -> None:
        match update.step:
            case Step.DOWNLOADING:
                self._move(firmware_update.downloaded(update), now)
            case Step.VERIFYING:
                self._verified(update, result, now)
            case Step.STAGING:
                self._move(firmware_update.staged(update), now)
            case Step.ACTIVATING:
                self._not_before_mono, self._deliver_by_mono = now.mono, None
                self._move(firmware_update.activated(update), now)
            case Step.CONFIRMING:
                self._move(firmware_update.confirmed(), now)
                self.ctx.publish(SecurityEvent("FirmwareUpdated", f"version {update.version}"))  # L01.FR.31
            case _:
                raise AssertionError(f"can't happen because no job is done while {update.step}")

    def _verified(self, update: Update, result: str, now: Now) -> None:
        try:
            found = codec.decode(Verified, result.encode(), max_bytes=MAX_ARGUMENT_BYTES)
        except CodecError as error:
            raise AssertionError("can't happen because the shell says what it has verified") from error
        self._move(firmware_update.verified(update, found.manifest_sha256, found.version), now)

    def _job_failed(self, update: Update, problem: str, result: str, now: Now) -> None:
        match update.step:
            case Step.DOWNLOADING:
                self._not_before_mono = now.mono + update.interval_s
                self._move(firmware_update.attempt_failed(update), now)
            case Step.VERIFYING | Step.STAGING if result == Finding.INVALID_SIGNATURE:
                self._move(firmware_update.failed(Status.INVALID_SIGNATURE), now)
                self.ctx.publish(SecurityEvent("InvalidFirmwareSignature", problem))  # L01.FR.03
            case Step.VERIFYING | Step.STAGING if result == Finding.INVALID_CERTIFICATE:
                self._move(firmware_update.failed(Status.INVALID_SIGNATURE), now)
                self.ctx.publish(SecurityEvent("InvalidFirmwareSigningCertificate", problem))  # L01.FR.02
            case Step.VERIFYING if result == Finding.REFUSED:
                self._move(firmware_update.bundle_refused(update), now)
            case Step.STAGING if result == Finding.REFUSED:
                self._move(firmware_update.failed(Status.INSTALL_VERIFICATION_FAILED), now)  # L01.FR.29
            case Step.ACTIVATING if result == Finding.UNKNOWN:
                self._not_before_mono, self._deliver_by_mono = now.mono, None
                self._move(firmware_update.activated(update), now)  # the next start shows whether it was
            case Step.CONFIRMING:
                self._mark_good_fails += 1
                self._not_before_mono = now.mono + MARK_GOOD_RETRY_S
            case _:
                self._move(firmware_update.failed(Status.INSTALLATION_FAILED), now)

    def _do(self, kind: str, arguments: msgspec.Struct | None = None) -> None:
        self._job_id = self.ctx.new_id()
        self.ctx.do(job(self._job_id, kind, arguments))

    def _drop_job(self) -> None:
        if self._job_id is not None:
            self._of_no_interest.add(self._job_id)
            self.ctx.do(CancelJob(self._job_id))
            self._job_id = None

    # ------------------------------------------------------------------ what is known, and told

    def _move(self, moved: Moved, now: Now) -> None:
        """Take up where something led: on disk, and in the queue to the CSMS (L01.FR.01, L01.FR.10)."""
        update = self._update
        assert update is not None, "can't happen because only what is under way moves"
        told = update.told
        for status in moved.tell:
            assert status in FOLLOWS[told], f"can't happen because {status} does not follow {told}"
            told = status
            self._last = _Last(status, update.request_id)
            self.ctx.queue(
                FirmwareStatusNotification(status=status, request_id=update.request_id), now, FIRMWARE_STATUS
            )
            self.ctx.note(Severity.INFO, f"firmware: update {update.request_id} is {status}")
        if moved.tell:
            self.ctx.store.put(NAMESPACE, LAST_KEY, self._last)
        if moved.update != update:
            self._set(moved.update)
        if moved.update is None:
            job_id = self.ctx.new_id()
            self._of_no_interest.add(job_id)
            self.ctx.do(job(job_id, DISCARD))

    def _set(self, update: Update | None) -> None:
        self._update = update
        if update is None:
            self.ctx.store.delete(NAMESPACE, UNDER_WAY_KEY)
        else:
            self.ctx.store.put(NAMESPACE, UNDER_WAY_KEY, update)

    def _hold(self, now: Now) -> None:
        """L01.FR.07: who is not here yet has to stay away while others are waited for, and while the slots change."""
        step = None if self._update is None else self._update.step
        waits = step is Step.WAITING and self._is_install_time(now) and not self.ctx.variables[ALLOW_NEW_SESSIONS]
        held = self.ctx.evse_ids if waits or self.is_installing else ()
        if self._availability.hold_for_update(held):
            self._availability.review(now)

    def _is_install_time(self, now: Now) -> bool:
        return self._update is not None and (self._update.install_utc is None or now.utc >= self._update.install_utc)

    def _anybody_busy(self) -> bool:
        return any(self._transactions.is_busy(evse_id) for evse_id in self.ctx.evse_ids)

    def _anybody_charging(self) -> bool:
        return any(self._transactions.running(evse_id) is not None for evse_id in self.ctx.evse_ids)

    @property
    def _running(self) -> Slots | None:
        return None if self.ctx.config.firmware is None else self.ctx.config.firmware.running

    def _say_what_failed(self, update: Update) -> None:
        config = self.ctx.config.firmware
        why = "; ".join(config.passed_over) if config is not None else ""
        self.ctx.note(
            Severity.ERROR,
            f"firmware: update {update.request_id}: version {update.version} does not run ({why or '?'})",
        )

    def _send_triggered(self, _evse_id: int | None, now: Now) -> bool:
        """F06.FR.16, L01.FR.25, L01.FR.26."""
        message = FirmwareStatusNotification(status=Status.IDLE)
        if self._last is not None and self._last.status is not Status.INSTALLED:
            message = FirmwareStatusNotification(status=self._last.status, request_id=self._last.request_id)
        self.ctx.rpc.call(message, now, _ignore_response, _ignore_failure)
        return True


def _answer(status: Answer, reason_code: str, info: str) -> UpdateFirmwareResponse:
    return UpdateFirmwareResponse(
        status=status, status_info=StatusInfo(reason_code=reason_code, additional_info=info[:512])
    )


def _no_controller(request: Call[Wire], _now: Now) -> Wire:
    """L03, L04: what local controllers do for the stations behind them."""
    raise CallRefused(ErrorCode.NOT_SUPPORTED, f"{request.action}: this station is no local controller")


def _ignore_response(_response: Wire, _now: Now) -> None:
    pass


def _ignore_failure(_failure: CallFailure, _now: Now) -> None:
    pass
