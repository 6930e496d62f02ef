"""Firmware on the bench: a file server with what a CSMS may offer, right and wrong, and the requests for it."""

import msgspec

from chargerd.bench.machine import FIRST_SECURITY_VERSION, Machine
from chargerd.bench.maker import HARDWARE, OTHER_HARDWARE
from chargerd.bench.verbs import BenchError
from chargerd.conformance.file_wire import FileServer

MAX_MEGABYTES = 200.0

KINDS = {
    "good": "a newer version, which is installed",
    "wrong-signature": "the file of one version with the signature of another",
    "wrong-hardware": "signed, and for another kind of charger",
    "downgrade": "signed, and below the version that this charger must not fall below",
    "missing": "a file that is not there",
}


class UpdateDesk:
    """Makes the files as they are asked for. It listens on loopback until `close`."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._server = FileServer(("127.0.0.1", 0))
        self._requests = 0

    def request(self, kind: str, megabytes: float, now: str) -> dict[str, object]:
        """UpdateFirmware for a file of this kind, `megabytes` of data in it. May take seconds. Raises BenchError."""
        if kind not in KINDS or not 0 <= megabytes <= MAX_MEGABYTES:
            raise BenchError(f"update: expected one of {', '.join(KINDS)}, and 0 to {MAX_MEGABYTES:g} MB")
        self._requests += 1
        level = FIRST_SECURITY_VERSION - (kind == "downgrade")
        hardware = OTHER_HARDWARE if kind == "wrong-hardware" else HARDWARE
        maker, version = self._machine.maker, f"{self._requests + 1}.0.0"
        release = maker.release(version, level, hardware=hardware, payload_bytes=int(megabytes * 1e6))
        if kind == "wrong-signature":
            release = msgspec.structs.replace(release, signature=maker.release(f"{version}-other", level).signature)
        path = f"/firmware/{self._requests}"
        if kind != "missing":
            self._server.files.offers[path] = release.file
        firmware = {
            "location": f"{self._server.url}{path}",
            "retrieveDateTime": now,
            "signingCertificate": release.certificate_pem,
            "signature": release.signature,
        }
        return {"requestId": self._requests, "retries": 1, "retryInterval": 1, "firmware": firmware}

    def close(self) -> None:
        """Listen no more."""
        self._server.close()
