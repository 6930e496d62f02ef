"""The jobs of the world's shell: files are sent to a file server in memory, each in a moment."""

from chargerd import codec
from chargerd.conformance.files import FOLDER, Files
from chargerd.ocpp.effects import StartJob
from chargerd.ocpp.events import JobDone
from chargerd.ocpp.jobs import MAX_ARGUMENT_BYTES, UPLOAD, Upload

FILE_URL = "http://files.test"
TAKES_S = 0.2


class Uploads:
    """Jobs that run, and what they send to."""

    def __init__(self) -> None:
        self.files = Files()
        self._ends: dict[str, float] = {}
        self._orders: dict[str, StartJob] = {}

    def start(self, order: StartJob, mono: float) -> None:
        """A job begins; one that is held ends only when it is cancelled."""
        assert order.kind == UPLOAD, f"the shell knows no {order.kind}"
        self._orders[order.job_id] = order
        held = FOLDER in self._upload(order).location and self.files.holds()
        self._ends[order.job_id] = float("inf") if held else mono + TAKES_S

    def cancel(self, job_id: str, mono: float) -> None:
        """A job is to stop, if it has not ended."""
        if job_id in self._ends:
            self._ends[job_id] = mono
            del self._orders[job_id]

    def die(self) -> None:
        """The process that ran them is gone."""
        self._ends.clear()
        self._orders.clear()

    def due(self, mono: float) -> list[JobDone]:
        """The jobs that end now."""
        over = [job_id for job_id, end_mono in self._ends.items() if end_mono <= mono]
        for job_id in over:
            del self._ends[job_id]
        return [self._end(job_id, self._orders.pop(job_id, None)) for job_id in over]

    def _end(self, job_id: str, order: StartJob | None) -> JobDone:
        if order is None:
            return JobDone(job_id, "cancelled")
        upload = self._upload(order)
        if not upload.location.startswith(FILE_URL):
            return JobDone(job_id, "nobody is there", "UploadFailure")
        content = "diagnostics" if upload.content is None else upload.content
        status = self.files.take(upload.location.removeprefix(FILE_URL) + upload.filename, content.encode())
        return JobDone(job_id) if status < 300 else JobDone(job_id, f"HTTP {status}", "UploadFailure")

    @staticmethod
    def _upload(order: StartJob) -> Upload:
        return codec.decode(Upload, order.arguments, max_bytes=MAX_ARGUMENT_BYTES)
