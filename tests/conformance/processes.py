"""The second way: both real processes on a bench board, over a real WebSocket, in real time."""

import asyncio
import threading
import time
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from chargerd.bench.rig import Rig, RigSettings
from chargerd.bench.verbs import BenchError
from chargerd.conformance.case import Case
from chargerd.conformance.file_wire import FileServer
from chargerd.conformance.files import Files
from chargerd.conformance.peer import Peer
from chargerd.conformance.schemas import check
from chargerd.conformance.wire import WireServer

BOARD = Path(__file__).resolve().parents[1] / "sim" / "board.toml"
PASSWORD = "sixteen-or-more-characters"

T = TypeVar("T")


class RealSurroundings:
    """A rig in a thread of its own; verbs go to it."""

    evses = 2

    def __init__(self, case: Case, settings: Mapping[str, str], state_dir: Path) -> None:
        self._wires: list[WireServer] = []
        self._file_servers: list[FileServer] = []
        url, self.peer = self.another_csms()
        self._settings = RigSettings(
            board=BOARD,
            identity="WORLD",
            csms_url=url,
            password=PASSWORD,
            state_dir=state_dir,
            variables={**settings, **case.settings},
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rig", daemon=True)
        self._thread.start()
        self._rig: Rig | None = None

    def power_on(self) -> None:
        self._rig = Rig(self._settings)
        self._run(self._rig.start())

    def now_mono(self) -> float:
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def act(self, verb: str, arguments: Mapping[str, Any]) -> str | None:
        try:
            self._run(self._running.do(verb, arguments))
        except BenchError as error:
            return str(error)
        return None

    def power_cycle(self, off_s: float) -> None:
        for process in ("control", "station"):
            self._running.kill(process)
        self._run(self._running.stop())
        time.sleep(off_s)
        self.power_on()

    def another_csms(self) -> tuple[str, Peer]:
        wire = WireServer(Peer(lambda: datetime.now(UTC), check), ("127.0.0.1", 0), password=PASSWORD)
        self._wires.append(wire)
        return wire.url, wire.peer

    def file_server(self) -> tuple[str, Files]:
        server = FileServer(("127.0.0.1", 0))
        self._file_servers.append(server)
        return server.url, server.files

    def close(self) -> None:
        if self._rig is not None:
            self._run(self._rig.stop())
        for wire in self._wires:
            wire.close()
        for server in self._file_servers:
            server.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def _running(self) -> Rig:
        assert self._rig is not None, "the case has not switched the station on"
        return self._rig

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60.0)
