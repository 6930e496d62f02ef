"""Block N, logs: the CSMS has the security log or the diagnostics uploaded (N01).

One upload at a time, in attempts; what became of it is told in messages that are kept until the CSMS has them. Which
request is under way is on disk, so that an upload that ends with the process is not left open.
"""

import re
from collections.abc import Callable
from datetime import datetime

import msgspec

from chargerd.clock import Now
from chargerd.ocpp.block import Block, Handlers, StationContext, Triggers
from chargerd.ocpp.effects import CancelJob, Severity
from chargerd.ocpp.events import JobDone
from chargerd.ocpp.jobs import Upload, public_location, upload_job
from chargerd.ocpp.messages.diagnostics import GetLog, GetLogResponse, LogStatusNotification
from chargerd.ocpp.messages.enums import Log, LogStatus, MessageTrigger, UploadLogStatus
from chargerd.ocpp.messages.types import StatusInfo
from chargerd.ocpp.messages.wire import Wire
from chargerd.ocpp.outbox import LOG_STATUS
from chargerd.ocpp.rpc import CallFailure
from chargerd.ocpp.security_log import SecurityLog

NAMESPACE, UNDER_WAY_KEY = "logs", "under_way"

RETRIES, RETRY_INTERVAL_S = 2, 60
"""Where the CSMS leaves it to us."""

MAX_RETRIES, MIN_RETRY_INTERVAL_S = 100, 1
"""Bounds on what a CSMS may ask for."""


class _UnderWay(msgspec.Struct):
    """The upload of now. `retries`: further attempts that are left; `job_id` None: it waits for `retry_at_mono`."""

    request_id: int
    upload: Upload
    retries: int
    interval_s: int
    job_id: str | None = None
    retry_at_mono: float = 0.0


class Logs(Block):
    """GetLog and LogStatusNotification."""

    def __init__(self, ctx: StationContext, security_log: SecurityLog, roots: Callable[[], tuple[str, ...]]) -> None:
        """`roots`: those that the CSMS is verified with, which may sign for a file server as well (N01.FR.15)."""
        super().__init__(ctx)
        self._security_log = security_log
        self._roots = roots
        self._now: _UnderWay | None = None
        self._cancelled: set[str] = set()
        self._started_mono = 0.0

    def handlers(self) -> Handlers:
        """N01."""
        return {GetLog: self._get_log}

    def triggers(self) -> Triggers:
        """Whether an upload is under way (F06.FR.14, F06.FR.15)."""
        return {MessageTrigger.LOG_STATUS_NOTIFICATION: self._send_triggered}

    def on_start(self, now: Now) -> None:
        """An upload that a restart has cut off has failed."""
        self._started_mono = now.mono
        cut_off = self.ctx.store.find(NAMESPACE, UNDER_WAY_KEY, int)
        if cut_off is not None:
            self._tell(UploadLogStatus.UPLOAD_FAILURE, cut_off, now)
            self.ctx.store.delete(NAMESPACE, UNDER_WAY_KEY)

    def next_deadline(self) -> float | None:
        """When the next attempt is due."""
        return None if self._now is None or self._now.job_id is not None else self._now.retry_at_mono

    def on_time(self, now: Now) -> None:
        """Try again if it is time."""
        if self._now is not None and self._now.job_id is None and now.mono >= self._now.retry_at_mono:
            self._attempt(self._now, now)

    def job_done(self, event: JobDone, now: Now) -> bool:
        """A job ended; whether it was one of ours."""
        if event.job_id in self._cancelled:
            self._cancelled.discard(event.job_id)
            return True
        upload = self._now
        if upload is None or event.job_id != upload.job_id:
            return False
        upload.job_id = None
        where = f"{upload.upload.filename} to {public_location(upload.upload.location)}"
        if event.problem is None:
            self.ctx.note(Severity.INFO, f"logs: sent {where}")
            self._end(upload, UploadLogStatus.UPLOADED, now)  # N01.FR.09
        elif upload.retries > 0:
            upload.retries -= 1
            self.ctx.note(
                Severity.WARNING, f"logs: {event.problem}, {upload.retries + 1} attempts are left for {where}"
            )
        else:
            self.ctx.note(Severity.ERROR, f"logs: {event.problem}, given up to send {where}")
            self._end(upload, _status(event.result), now)  # N01.FR.10: after all attempts
        return True

    # ------------------------------------------------------------------ GetLog

    def _get_log(self, request: GetLog, now: Now) -> GetLogResponse:
        if not self.ctx.online:
            return _rejected("CSNotAccepted", "BootNotification has not been accepted")  # B02: nothing may be told yet
        if (problem := why_not_location(request.log.remote_location)) is not None:
            return _rejected("InvalidURL", problem)
        upload = self._upload(request, now)
        if upload is None:
            return _rejected("NotFound", "there is nothing of that time")  # N01.FR.05
        status = LogStatus.ACCEPTED
        if self._now is not None:  # N01.FR.12, N01.FR.20
            status = LogStatus.ACCEPTED_CANCELED
            self._cancel(self._now, now)
        self._begin(request, upload, now)
        return GetLogResponse(status=status, filename=upload.filename)  # N01.FR.01

    def _upload(self, request: GetLog, now: Now) -> Upload | None:
        """The one file that is wanted (N01.FR.02); None: there is nothing of that time."""
        oldest, latest = request.log.oldest_timestamp, request.log.latest_timestamp
        content = None
        if request.log_type is Log.SECURITY_LOG:  # N01.FR.03
            rows = self._security_log.span(oldest, latest)
            if not rows:
                return None
            content = self._security_log.text(rows, self.ctx.config.identity)
        elif not self._has_diagnostics(oldest, latest, now):
            return None
        return Upload(
            location=request.log.remote_location,
            filename=self._filename(request.log_type, now),
            content=content,
            oldest=oldest,
            latest=latest,
            roots_pem=self._roots(),
        )

    def _has_diagnostics(self, oldest: datetime | None, latest: datetime | None, now: Now) -> bool:
        """N01.FR.04: what is known is of the time since the start, by the clock as it is now."""
        started_utc = now.utc_at(self._started_mono)
        since, until = oldest or started_utc, latest or now.utc
        return since <= until and since <= now.utc and until >= started_utc

    def _filename(self, log_type: Log, now: Now) -> str:
        identity = re.sub(r"[^A-Za-z0-9._-]", "_", self.ctx.config.identity)
        kind = "security-log" if log_type is Log.SECURITY_LOG else "diagnostics"
        return f"{identity}-{kind}-{now.utc:%Y%m%dT%H%M%SZ}.txt"

    # ------------------------------------------------------------------ the upload

    def _begin(self, request: GetLog, upload: Upload, now: Now) -> None:
        retries = RETRIES if request.retries is None else request.retries
        interval_s = RETRY_INTERVAL_S if request.retry_interval is None else request.retry_interval
        self._now = _UnderWay(
            request_id=request.request_id,
            upload=upload,
            retries=max(0, min(retries, MAX_RETRIES)),
            interval_s=max(interval_s, MIN_RETRY_INTERVAL_S),
        )
        self.ctx.store.put(NAMESPACE, UNDER_WAY_KEY, request.request_id)
        self._tell(UploadLogStatus.UPLOADING, request.request_id, now)  # N01.FR.08: once, for all attempts
        self._attempt(self._now, now)

    def _attempt(self, upload: _UnderWay, now: Now) -> None:
        upload.job_id = self.ctx.new_id()
        upload.retry_at_mono = now.mono + upload.interval_s
        self.ctx.do(upload_job(upload.job_id, upload.upload))

    def _cancel(self, upload: _UnderWay, now: Now) -> None:
        if upload.job_id is not None:
            self._cancelled.add(upload.job_id)
            self.ctx.do(CancelJob(upload.job_id))
        self._end(upload, UploadLogStatus.ACCEPTED_CANCELED, now)

    def _end(self, upload: _UnderWay, status: UploadLogStatus, now: Now) -> None:
        self._now = None
        self.ctx.store.delete(NAMESPACE, UNDER_WAY_KEY)
        self._tell(status, upload.request_id, now)

    def _tell(self, status: UploadLogStatus, request_id: int, now: Now) -> None:
        """Kept until it has arrived: whoever waits for the file must not wait for ever (N01.FR.07, N01.FR.13)."""
        self.ctx.queue(LogStatusNotification(status=status, request_id=request_id), now, subject=LOG_STATUS)

    def _send_triggered(self, _evse_id: int | None, now: Now) -> bool:
        message = LogStatusNotification(status=UploadLogStatus.IDLE)
        if self._now is not None:
            message = LogStatusNotification(status=UploadLogStatus.UPLOADING, request_id=self._now.request_id)
        self.ctx.rpc.call(message, now, _ignore_response, _ignore_failure)
        return True


def why_not_location(url: str) -> str | None:
    """Why nothing can be sent to this URL; None: it can be tried."""
    if re.fullmatch(r"[!-~]+", url) is None:
        return "a URL has neither spaces nor characters beyond ASCII"
    scheme, separator, rest = url.partition("://")
    if scheme.lower() not in {"http", "https"} or not separator:
        return "only http:// and https:// are supported (FileTransferProtocols)"
    return None if re.split(r"[/?#]", rest)[0].rpartition("@")[2] else "there is no host in it"


def _status(result: str) -> UploadLogStatus:
    """What a job says its failure amounts to."""
    try:
        return UploadLogStatus(result)
    except ValueError:
        return UploadLogStatus.UPLOAD_FAILURE


def _rejected(reason_code: str, info: str) -> GetLogResponse:
    return GetLogResponse(
        status=LogStatus.REJECTED, status_info=StatusInfo(reason_code=reason_code, additional_info=info)
    )


def _ignore_response(_response: Wire, _now: Now) -> None:
    pass


def _ignore_failure(_failure: CallFailure, _now: Now) -> None:
    pass
