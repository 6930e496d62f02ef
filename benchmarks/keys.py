"""TLS handshakes with the station's key in a file and in a TPM, side by side; the memory that the TPM costs; and what
fifty certificates cost at a start.

The TPM is swtpm: the figures hold what our side of it costs, and no chip's time for a signature.
"""

import json
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.charger import Charger
from benchmarks.csms import Csms
from benchmarks.keys_client import HANDSHAKES, KINDS
from benchmarks.table import Row
from chargerd.certificates import read_one
from chargerd.ocpp import certificate_book
from chargerd.ocpp.certificate_book import root_row
from chargerd.ocpp.effects import ClientCertificate
from chargerd.ocpp.messages.enums import GetCertificateIdUse
from chargerd.store import Store
from tests.chargerd.certificates import Authority
from tests.chargerd.key_stands import ClientAuthority
from tests.swtpm import Swtpm, free_places

CERTIFICATES = 50
STARTS = 10

MEMORY_AIM_MB = 5.0
VISIBLE_S = 0.02
"""A start that takes so much longer would be noticed in the table of starts."""


class Handshakes(msgspec.Struct, frozen=True):
    """Milliseconds, by kind of key. `load`: to put key and certificate into a context, in a worker thread; `handshake`:
    TCP connection, TLS 1.3 and the certificate of either side, on the loop. `memory_mb`: RSS of a process that has done
    one handshake.
    """

    load: dict[str, list[float]]
    handshake: dict[str, list[float]]
    memory_mb: dict[str, float]


class Starts(msgspec.Struct, frozen=True):
    """Processor seconds of the station from exec to BootNotification, by number of certificates in its store."""

    seconds: dict[int, list[float]]


def measure(progress: Callable[[str], None]) -> tuple[Handshakes, Starts]:
    with tempfile.TemporaryDirectory() as name, Swtpm(Path(name)) as tpm:
        folder = Path(name)
        authority, clients = Authority(folder), ClientAuthority(folder)
        # Keys are made in another process: what is loaded for that is not what the station's use of a key costs.
        for kind in KINDS:
            made = _child("make", kind, folder, tpm.tcti, 0)
            client = ClientCertificate(made["key_id"], clients.sign(made["csr_pem"]))
            (folder / f"{kind}.json").write_bytes(msgspec.json.encode(client))
        with _server(authority, clients) as port:
            progress(f"{HANDSHAKES} handshakes with each kind of key")
            times = _child("handshakes", "both", folder, tpm.tcti, port)
            memory: dict[str, float] = {}
            for kind in KINDS:
                free_places(tpm.tcti)
                memory[kind] = _child("memory", kind, folder, tpm.tcti, port)
    return Handshakes(times["load"], times["handshake"], memory), _measure_starts(progress)


def rows(measured: tuple[Handshakes, Starts]) -> list[Row]:
    handshakes, starts = measured
    medians = {kind: statistics.median(handshakes.handshake[kind]) for kind in KINDS}
    extra_mb = handshakes.memory_mb["tpm"] - handshakes.memory_mb["file"]
    none, fifty = (statistics.median(starts.seconds[count]) for count in (0, CERTIFICATES))
    return [
        Row(
            "TLS 1.3 handshake, client key in a TPM (swtpm)",
            _milliseconds(handshakes.handshake["tpm"]),
            f"file: {_milliseconds(handshakes.handshake['file'])}; **{medians['tpm'] / medians['file']:.2f} times**",
        ),
        Row(
            "– to get the key ready before, in a worker thread",
            _milliseconds(handshakes.load["tpm"]),
            f"key in a file: {_milliseconds(handshakes.load['file'])}",
        ),
        Row(
            "Memory for the use of a TPM, after a handshake",
            f"RSS {extra_mb:.1f} MB more",
            f"key in a file: RSS {handshakes.memory_mb['file']:.1f} MB",
            aim=f"at most {MEMORY_AIM_MB:.0f} MB",
            met=extra_mb <= MEMORY_AIM_MB,
        ),
        Row(
            f"CPU of the station, exec to BootNotification, {CERTIFICATES} certificates",
            _seconds(starts.seconds[CERTIFICATES]),
            f"none: {_seconds(starts.seconds[0])}",
            aim="no visible cost",
            met=fifty - none < VISIBLE_S,
        ),
    ]


def _seconds(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} s ({min(values):.2f} to {max(values):.2f}, {len(values)} starts)"


def _milliseconds(values: list[float]) -> str:
    ordered = sorted(values)
    return f"p50 {statistics.median(ordered):.2f}, p95 {ordered[int(len(ordered) * 0.95)]:.2f} ms"


def _measure_starts(progress: Callable[[str], None]) -> Starts:
    """With and without certificates in turn; a state directory that has seen one start, so nothing is taken over."""
    csms = Csms()
    url = csms.start()
    seconds: dict[int, list[float]] = {0: [], CERTIFICATES: []}
    with tempfile.TemporaryDirectory() as name:
        folders = {count: Path(name) / str(count) for count in seconds}
        for count, folder in folders.items():
            folder.mkdir()
            _boot(folder, csms, url)
            _fill(folder, count)
        for number in range(1, STARTS + 1):
            progress(f"start {number} of {STARTS} with and without certificates")
            for count, folder in folders.items():
                seconds[count].append(_boot(folder, csms, url))
    csms.stop()
    return Starts(seconds)


def _boot(folder: Path, csms: Csms, url: str) -> float:
    csms.booted.clear()
    with Charger("bench.toml", url, state=folder) as charger:
        charger.wait_for(csms.booted.is_set, "the BootNotification")
        return charger.cpu_s("station")


def _fill(folder: Path, count: int) -> None:
    store = Store(str(folder / "station.sqlite"))
    with tempfile.TemporaryDirectory() as name, store.transaction():
        for number in range(count):
            root = read_one(ClientAuthority(Path(name), f"Root {number}").root)
            row = root_row(GetCertificateIdUse.CSMS_ROOT_CERTIFICATE, root)
            store.put(certificate_book.NAMESPACE, row.key, row)
    store.close()


# ---- A server for the handshakes, in threads of its own ------------------------------------------------------------


class _server:  # noqa: N801  a context manager that reads like a function
    """Accepts, shakes hands, hangs up."""

    def __init__(self, authority: Authority, clients: ClientAuthority) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(authority.issue("localhost"))
        self._context.load_verify_locations(clients.ca_file)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.num_tickets = 0
        self._listener = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> int:
        threading.Thread(target=self._serve, daemon=True).start()
        port: int = self._listener.getsockname()[1]
        return port

    def __exit__(self, *_error: object) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with suppress(OSError), self._context.wrap_socket(connection, server_side=True) as done:
                    done.sendall(b"!")


def _child(what: str, kind: str, folder: Path, tcti: str, port: int) -> Any:
    command = [sys.executable, "-m", "benchmarks.keys_client", what, kind, str(folder), tcti, str(port)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
