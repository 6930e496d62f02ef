"""The second way: both real processes on a bench board, over a real WebSocket, in real time."""

import asyncio
import threading
import time
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from chargerd.bench.machine import Machine
from chargerd.bench.rig import Rig, RigSettings
from chargerd.bench.verbs import BenchError
from chargerd.config import IdentitySettings
from chargerd.conformance.authority import CSMS_ROOT, authority
from chargerd.conformance.case import Case
from chargerd.conformance.door import door
from chargerd.conformance.file_wire import FileServer
from chargerd.conformance.files import Files
from chargerd.conformance.peer import Peer
from chargerd.conformance.schemas import check
from chargerd.conformance.station import Offer
from chargerd.conformance.wire import WireServer
from chargerd.keys import Keys
from chargerd.ocpp.effects import ClientCertificate, KeyUse, MakeKey
from chargerd.ocpp.settings import PROFILE_CLIENT_CERTIFICATE, PROFILE_PLAIN
from chargerd.provisioned import Provisioned, ProvisionedRecord
from tests.conformance.makers import put_up

SERIAL = "WORLD-0001"
"""The board file's."""

BOARD = Path(__file__).resolve().parents[1] / "sim" / "board.toml"
PASSWORD = "sixteen-or-more-characters"

T = TypeVar("T")


class RealSurroundings:
    """A rig in a thread of its own; verbs go to it. `tpm`: where the station's keys are, None: in files."""

    evses = 2

    def __init__(self, case: Case, settings: Mapping[str, str], state_dir: Path, tpm: str | None = None) -> None:
        self._wires: list[WireServer] = []
        self._file_servers: list[FileServer] = []
        profile = case.security_profile or PROFILE_PLAIN
        url, self.peer = self.another_csms(profile, CSMS_ROOT)
        if profile == PROFILE_CLIENT_CERTIFICATE:
            provision(state_dir, IdentitySettings() if tpm is None else IdentitySettings(keys="tpm", tpm=tpm))
        self._machine = Machine(state_dir / "machine", "1.0.0") if case.updates else None
        self._settings = RigSettings(
            board=BOARD,
            identity="WORLD",
            csms_url=url,
            security_profile=profile,
            ca_file=_root_file(self.peer, state_dir),
            password=PASSWORD,
            tpm=tpm,
            state_dir=state_dir,
            variables={**settings, **case.settings},
            machine=self._machine,
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

    def kill_station(self) -> None:
        """SIGKILL; it is started again."""
        self._running.kill("station")

    def power_cycle(self, off_s: float) -> None:
        for process in ("control", "station"):
            self._running.kill(process)
        self._run(self._running.stop())
        time.sleep(off_s)
        if self._machine is not None:
            self._machine.start()
        self.power_on()

    def another_csms(self, security_profile: int, root: str) -> tuple[str, Peer]:
        peer = Peer(lambda: datetime.now(UTC), check)
        peer.door = door(security_profile, PASSWORD, root)
        wire = WireServer(peer, ("127.0.0.1", 0))
        self._wires.append(wire)
        return wire.url, wire.peer

    def file_server(self) -> tuple[str, Files]:
        server = FileServer(("127.0.0.1", 0))
        self._file_servers.append(server)
        return server.url, server.files

    def firmware(self, kind: str) -> tuple[Offer, Files]:
        assert self._machine is not None, "the case has not said that it is about updates"
        url, files = self.file_server()
        return put_up(self._machine, files, url, kind), files

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


def provision(state_dir: Path, identity: IdentitySettings) -> None:
    """Lay down what the station gets in the factory: a key, and a certificate by the CSMS's authority."""
    keys = Keys(identity, state_dir / "keys")
    new = keys.make(MakeKey(request_id="", use=KeyUse.STATION, common_name=SERIAL, organization="chargerd"))
    client = ClientCertificate(new.key_id, authority(CSMS_ROOT).signed(new.csr_pem))
    Provisioned(state_dir / "provisioned").write(ProvisionedRecord(client=client))


def _root_file(peer: Peer, state_dir: Path) -> Path | None:
    """The root of who signs for the CSMS, as a file; None: no TLS is spoken there."""
    if peer.door.authority is None:
        return None
    path = state_dir / "csms-root.pem"
    path.write_text(peer.door.authority.root_pem)
    return path
