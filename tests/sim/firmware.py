"""The jobs of the world's shell that are about firmware: a file server in memory, and under the station a machine with
slots, launcher and updater, all real but for sockets and time.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from chargerd import codec
from chargerd.bench.machine import Machine
from chargerd.config import FirmwareSettings
from chargerd.conformance.files import Files
from chargerd.downloads import Folder
from chargerd.firmware_jobs import verified
from chargerd.jobs import JobFailed
from chargerd.ocpp.effects import StartJob
from chargerd.ocpp.events import JobDone
from chargerd.ocpp.jobs import (
    ACTIVATE,
    DISCARD,
    DOWNLOAD,
    MARK_GOOD,
    MAX_ARGUMENT_BYTES,
    STAGE,
    VERIFY,
    Activate,
    Check,
    Download,
    Finding,
    Stage,
)
from chargerd.ocpp.settings import FirmwareConfig
from chargerd.slot_facts import SlotFacts, slot_facts
from chargerd.updater_client import OF_THE_DEVICE
from firmware import updater
from firmware.updater import Answer, Updater

FIRMWARE_URL = "http://firmware.test"
TAKES_S = {DOWNLOAD: 1.0, VERIFY: 0.2, STAGE: 0.5, ACTIVATE: 0.2, MARK_GOOD: 0.2, DISCARD: 0.0}
HEALTHY_S, OFFLINE_GRACE_S, GIVE_UP_S = 3.0, 20.0, 40.0


class Bay:
    """Where updates happen. `stage_sees`: every file that was handed to the updater, for who looks after it."""

    def __init__(self, first_version: str = "1.0.0", *, unsigned: bool = False) -> None:
        self._home = tempfile.mkdtemp(prefix="bay-")
        home = Path(self._home)
        self.machine = Machine(home / "machine", first_version)
        self.files = Files()
        self.folder = Folder(home / "firmware")
        self.folder.keep_only(None)
        self.boots = 1
        self.refuses: dict[str, JobDone] = {}
        self.stage_sees: list[bytes] = []
        self.lost_answers: set[str] = set()
        self._unsigned = unsigned
        self._facts = self._read()
        self._ends: dict[str, tuple[float, StartJob | None]] = {}
        self._does: dict[str, Callable[[msgspec.Raw], str | None]] = {
            DOWNLOAD: self._download,
            VERIFY: self._verify,
            STAGE: self._stage,
            ACTIVATE: self._activate,
            MARK_GOOD: self._mark_good,
            DISCARD: lambda _arguments: self.folder.keep_only(None),
        }

    def config(self) -> FirmwareConfig:
        """What the shell tells the core at a start."""
        return msgspec.structs.replace(self._facts.config, give_up_s=GIVE_UP_S)

    @property
    def version(self) -> str:
        """Of what runs."""
        return self._facts.version

    def boot(self) -> None:
        """The machine is started anew."""
        self.boots += 1
        self.machine.start()
        self._facts = self._read()

    def close(self) -> None:
        shutil.rmtree(self._home, ignore_errors=True)

    def _read(self) -> SlotFacts:
        settings = FirmwareSettings(
            settings=str(self.machine.settings_file),
            allow_unsigned=self._unsigned,
            healthy_s=HEALTHY_S,
            offline_grace_s=OFFLINE_GRACE_S,
        )
        facts = slot_facts(settings, f"boot {getattr(self, 'boots', 1)}")
        assert facts is not None
        return facts

    # ------------------------------------------------------------------ jobs

    def start(self, order: StartJob, mono: float) -> None:
        """A job begins; a download that is held ends only when it is cancelled."""
        held = order.kind == DOWNLOAD and self.files.holds()
        self._ends[order.job_id] = (float("inf") if held else mono + TAKES_S[order.kind], order)

    def knows(self, job_id: str) -> bool:
        """Whether it is one of these."""
        return job_id in self._ends

    def cancel(self, job_id: str, mono: float) -> None:
        """A job is to stop, if it has not ended."""
        if job_id in self._ends:
            self._ends[job_id] = (mono, None)

    def die(self) -> None:
        """The process that ran them is gone."""
        self._ends.clear()

    def due(self, mono: float) -> list[JobDone]:
        """The jobs that end now."""
        over = {job_id: order for job_id, (end_mono, order) in self._ends.items() if end_mono <= mono}
        for job_id in over:
            del self._ends[job_id]
        return [self._end(job_id, order) for job_id, order in over.items()]

    def is_at(self, kind: str) -> bool:
        """A job of this kind runs."""
        return any(order is not None and order.kind == kind for _end_mono, order in self._ends.values())

    def finish(self, kind: str) -> None:
        """A job of this kind is done at once, and nobody is told: its process is about to die."""
        for _end_mono, order in self._ends.values():
            if order is not None and order.kind == kind:
                self._does[kind](order.arguments)

    def _end(self, job_id: str, order: StartJob | None) -> JobDone:
        if order is None:
            return JobDone(job_id, "cancelled")
        if order.kind in self.refuses:
            return msgspec.structs.replace(self.refuses[order.kind], job_id=job_id)
        try:
            result = self._does[order.kind](order.arguments)
        except JobFailed as failure:
            return JobDone(job_id, str(failure), failure.result)
        if order.kind in self.lost_answers:
            return JobDone(job_id, "the updater did not answer", Finding.UNKNOWN)
        return JobDone(job_id, None, result or "")

    def _download(self, arguments: msgspec.Raw) -> None:
        order = codec.decode(Download, arguments, max_bytes=MAX_ARGUMENT_BYTES)
        self.folder.keep_only(order.key)
        offered = self.files.offered(order.location.removeprefix(FIRMWARE_URL))
        if offered is None:
            raise JobFailed("HTTP 404")
        self.folder.file(order.key).write_bytes(offered.read_bytes())

    def _verify(self, arguments: msgspec.Raw) -> str:
        order = codec.decode(Check, arguments, max_bytes=MAX_ARGUMENT_BYTES)
        file = self._opened(order.key)
        try:
            return codec.encode(verified(file, order, self._facts.device())).decode()
        finally:
            os.close(file)

    def _stage(self, arguments: msgspec.Raw) -> None:
        order = codec.decode(Stage, arguments, max_bytes=MAX_ARGUMENT_BYTES)
        file = self._opened(order.check.key)
        try:
            found = verified(file, order.check, self._facts.device())
            if found.manifest_sha256 != order.manifest_sha256:
                raise JobFailed("another file", Finding.REFUSED)
            self.stage_sees.append(os.pread(file, 1 << 30, 0))
            self._ask(updater.Stage(), [file])
        finally:
            os.close(file)

    def _activate(self, arguments: msgspec.Raw) -> None:
        order = codec.decode(Activate, arguments, max_bytes=MAX_ARGUMENT_BYTES)
        self._ask(updater.Activate(order.manifest_sha256))

    def _mark_good(self, _arguments: msgspec.Raw) -> None:
        self._ask(updater.MarkGood())

    def _ask(self, request: Any, files: list[int] | None = None) -> Answer:
        real = Updater(self.machine.place(), lambda _line: None)
        answer = real.answer(os.geteuid(), msgspec.json.encode(request), files or [])
        if answer.refusal:
            raise JobFailed(answer.why, "" if answer.refusal in OF_THE_DEVICE else Finding.REFUSED)
        return answer

    def _opened(self, key: str) -> int:
        try:
            return self.folder.open(key)
        except OSError as error:
            raise JobFailed("it is not there") from error
