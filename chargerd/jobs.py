"""Long jobs of the core as tasks: each StartJob ends in exactly one JobDone, whatever happens to it.

A kind of job is a function of its arguments (chargerd/ocpp/jobs.py) that returns when it is done and raises JobFailed
when it could not be done. A kind that tells how far it is gets the means to tell when it is made.
"""

import asyncio
import logging
import secrets
import ssl
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial

import msgspec

from chargerd import codec
from chargerd.http_client import HttpError, Url, parsed_url, send
from chargerd.ocpp.effects import StartJob
from chargerd.ocpp.events import Event, JobDone
from chargerd.ocpp.jobs import MAX_ARGUMENT_BYTES, Upload
from chargerd.tls import TrustError

MAX_JOBS = 4
"""So many at once; the core has one at a time, and another while an old one is being cancelled."""

UPLOAD_WITHIN_S = 300.0
UPLOAD_BYTES_PER_S = 128 * 1024
"""A log must not crowd out OCPP on a slow link. The slowest that can be served sends one in the time above."""

log = logging.getLogger("chargerd")

_Outcome = tuple[str | None, str]
"""The `problem` and `result` of a JobDone."""

Work = Callable[[msgspec.Raw], Awaitable[str | None]]
"""What it gives is the `result` of a success, None: there is nothing to say."""


class JobFailed(Exception):
    """A job could not be done: why, and in `result` the job's own word for it."""

    def __init__(self, problem: str, result: str = "") -> None:
        super().__init__(problem)
        self.result = result


class Jobs:
    """Runs jobs. `feed` is called with their JobDone; `kinds`: kind of StartJob -> what does it."""

    def __init__(self, feed: Callable[[Event], None], kinds: Mapping[str, Work]) -> None:
        self._feed = feed
        self._kinds = kinds
        self._running: dict[str, asyncio.Task[_Outcome]] = {}
        self._closed = False

    def start(self, order: StartJob) -> None:
        """Begin a job; its end is fed later, never from in here."""
        task = asyncio.create_task(self._outcome(order), name=f"job-{order.kind}")
        self._running[order.job_id] = task
        task.add_done_callback(partial(self._ended, order.job_id))

    def cancel(self, job_id: str) -> None:
        """Stop a job; one that has ended already has said so."""
        task = self._running.get(job_id)
        if task is not None:
            task.cancel()

    async def close(self) -> None:
        """Stop all jobs; nothing is fed any more."""
        self._closed = True
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, job_id: str, task: "asyncio.Task[_Outcome]") -> None:
        """Called for every task, also one that was cancelled before it ran."""
        del self._running[job_id]
        problem, result = ("cancelled", "") if task.cancelled() else task.result()
        if not self._closed:
            self._feed(JobDone(job_id, problem, result))

    async def _outcome(self, order: StartJob) -> "_Outcome":
        work = self._kinds.get(order.kind)
        if work is None:
            return f"{order.kind} is not known here", ""
        if len(self._running) > MAX_JOBS:
            return f"{MAX_JOBS} jobs run already", ""
        try:
            result = await work(order.arguments)
        except JobFailed as failure:
            return str(failure), failure.result
        except Exception as error:
            log.exception("jobs: %s failed", order.kind)
            return f"{order.kind} failed ({type(error).__name__})", ""
        return None, result or ""


class Uploader:
    """The kind "upload": PUT, or where the server does not know that, POST.

    `trust`: roots -> a context for https. `diagnostics`: what to send of a time where the order has no content.
    """

    def __init__(
        self,
        trust: Callable[[tuple[str, ...]], ssl.SSLContext],
        diagnostics: Callable[[datetime | None, datetime | None], str],
    ) -> None:
        self._trust = trust
        self._diagnostics = diagnostics

    async def __call__(self, arguments: msgspec.Raw) -> None:
        """One attempt. Raises JobFailed."""
        order = codec.decode(Upload, arguments, max_bytes=MAX_ARGUMENT_BYTES)
        content = self._diagnostics(order.oldest, order.latest) if order.content is None else order.content
        try:
            async with asyncio.timeout(UPLOAD_WITHIN_S):
                await self._upload(order, parsed_url(order.location), content.encode())
        except TimeoutError as error:
            raise JobFailed(f"not sent within {UPLOAD_WITHIN_S:g} s", "UploadFailure") from error
        except TrustError as error:
            raise JobFailed(str(error), "UploadFailure") from error
        except HttpError as error:
            raise JobFailed(str(error), "BadMessage" if error.malformed else "UploadFailure") from error

    async def _upload(self, order: Upload, url: Url, content: bytes) -> None:
        # Loading the roots of the system takes longer than the loop should stand still.
        context = await asyncio.to_thread(self._trust, order.roots_pem) if url.secure else None
        put = with_filename(url, order.filename)
        headers = {"Content-Type": "text/plain; charset=utf-8", "Content-Disposition": _disposition(order.filename)}
        reply = await send("PUT", put, headers, content, context=context, bytes_per_s=UPLOAD_BYTES_PER_S)
        if reply.status in _UNKNOWN_METHOD:
            kind, body = as_form(order.filename, content)
            reply = await send("POST", url, kind, body, context=context, bytes_per_s=UPLOAD_BYTES_PER_S)
        if not 200 <= reply.status < 300:
            redirect = ", and redirects are not followed" if 300 <= reply.status < 400 else ""
            raise JobFailed(f"{url.origin}: HTTP {reply.status}{redirect}", _RESULTS.get(reply.status, "UploadFailure"))


_UNKNOWN_METHOD = frozenset({404, 405, 501})
"""Many a server that takes a POST knows no such place for a PUT."""

_RESULTS = {
    400: "BadMessage",
    401: "PermissionDenied",
    403: "PermissionDenied",
    405: "NotSupportedOperation",
    415: "BadMessage",
    422: "BadMessage",
    501: "NotSupportedOperation",
}
"""HTTP status -> UploadLogStatus."""


def with_filename(url: Url, filename: str) -> Url:
    """A place for PUT: where the URL names a folder, the file in it."""
    path, mark, query = url.target.partition("?")
    return msgspec.structs.replace(url, target=f"{path}{filename}{mark}{query}") if path.endswith("/") else url


def as_form(filename: str, content: bytes) -> tuple[Mapping[str, str], bytes]:
    """Headers and body of a form with one file (N01.FR.19)."""
    boundary = secrets.token_hex(16)
    before = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="uploadfile"; filename="{filename}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    body = before.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Content-Disposition": _disposition(filename),
    }
    return headers, body


def _disposition(filename: str) -> str:
    return f'attachment; filename="{filename}"'
