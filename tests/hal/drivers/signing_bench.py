"""A signing meter on a pseudo-terminal with the driver that makes it sign, and the check of what it signed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from hal.drivers.meter_signing import Settings, SigningModbusMeter
from hal.sim.meter_server import MeterServer
from hal.types import EvseFacts, MeterSample, SigningPhase
from tests.hal.drivers.signing_books import BOOKS, SigningBook
from tests.hal.plants import World, charging

NOW = datetime(2026, 7, 1, 12, 0, 0, tzinfo=timezone(timedelta(hours=2)))
USER = "04A2B3C4D5E680"


@dataclass(frozen=True)
class Bench:
    world: World
    book: SigningBook
    meter: SigningModbusMeter

    def until(self, phase: SigningPhase, readings: int = 25) -> list[MeterSample]:
        """Read until the meter is so far, each second; every sample on the way."""
        samples = []
        for _ in range(readings):
            samples.append(self.meter.read())
            self.world.wait(1)
            if self.meter.signing().phase is phase:
                return samples
        raise AssertionError(f"{self.meter.signing()} after {readings} readings")


@contextmanager
def bench_of(name: str, run: Path, book: SigningBook | None = None, world: World | None = None) -> Iterator[Bench]:
    world = world or charging(EvseFacts(max_amps=32, phases=3))
    book = book or BOOKS[name]()
    server = MeterServer(world.evse, name, 1, run / "meter", book)
    settings: Any = {"map": name, "port": str(run / "meter"), "baud": 115200, "timeout_ms": 200}
    meter = SigningModbusMeter(Settings(**settings, evse_id="DE*ABC*E1"), world.slot("meter"))
    yield Bench(world, book, meter)
    meter.close()
    server.close()


def verified(document: bytes, key: bytes) -> dict[str, Any]:
    """The payload of a document whose signature is right, with the key from the meter."""
    mark, payload, signature = document.split(b"|")
    assert mark == b"OCMF"
    public = load_der_public_key(key)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(bytes.fromhex(json.loads(signature)["SD"]), payload, ec.ECDSA(hashes.SHA256()))
    decoded: dict[str, Any] = json.loads(payload)
    return decoded
