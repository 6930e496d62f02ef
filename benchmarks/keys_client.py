"""The client's side of benchmarks/keys.py, in a process of its own that has loaded nothing but what a station has."""

import json
import socket
import ssl
import sys
import time
from pathlib import Path
from typing import Any, Literal

import msgspec

from chargerd.config import IdentitySettings
from chargerd.keys import Keys
from chargerd.ocpp.effects import ClientCertificate, KeyUse, MakeKey

HANDSHAKES = 300
LOADS = 30
KINDS: tuple[Literal["file", "tpm"], ...] = ("file", "tpm")


def _make(keys: Keys, kind: str) -> Any:
    made = keys.make(MakeKey(request_id="", use=KeyUse.STATION, common_name=kind, organization="Example"))
    return {"key_id": made.key_id, "csr_pem": made.csr_pem}


def _memory(keys: Keys, client: ClientCertificate, folder: Path, port: int) -> float:
    _shake_hands(_loaded(keys, client, folder), port)
    fields = Path("/proc/self/smaps_rollup").read_text().split()
    return int(fields[fields.index("Rss:") + 1]) * 1024 / 1e6


def _handshakes(keys: dict[str, Keys], clients: dict[str, ClientCertificate], folder: Path, port: int) -> Any:
    load: dict[str, list[float]] = {kind: [] for kind in KINDS}
    handshake: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(LOADS):
        for kind in KINDS:
            began = time.perf_counter()
            _loaded(keys[kind], clients[kind], folder)
            load[kind].append((time.perf_counter() - began) * 1e3)
            time.sleep(0.1)  # the key has left the TPM again
    contexts = {kind: _loaded(keys[kind], clients[kind], folder) for kind in KINDS}
    for _ in range(HANDSHAKES):
        for kind in KINDS:
            began = time.perf_counter()
            _shake_hands(contexts[kind], port)
            handshake[kind].append((time.perf_counter() - began) * 1e3)
    return {"load": load, "handshake": handshake}


def _loaded(keys: Keys, client: ClientCertificate, folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(folder / "Test-root.pem")
    keys.load_into(context, client)
    keys.settled()
    return context


def _shake_hands(context: ssl.SSLContext, port: int) -> None:
    """Until the server has accepted our certificate, which in TLS 1.3 is after our side of the handshake."""
    with socket.create_connection(("127.0.0.1", port)) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with context.wrap_socket(raw, server_hostname="localhost") as connection:
            if connection.recv(1) != b"!":
                raise SystemExit("the server did not accept the handshake")


def _main(what: str, kind: str, folder: Path, tcti: str, port: int) -> None:
    keys: dict[str, Keys] = {each: Keys(IdentitySettings(keys=each, tpm=tcti), folder / "keys") for each in KINDS}
    if what == "make":
        print(json.dumps(_make(keys[kind], kind)))
        return
    clients: dict[str, ClientCertificate] = {
        each: msgspec.json.decode((folder / f"{each}.json").read_bytes(), type=ClientCertificate) for each in KINDS
    }
    if what == "memory":
        print(json.dumps(_memory(keys[kind], clients[kind], folder, port)))
    else:
        print(json.dumps(_handshakes(keys, clients, folder, port)))


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
