"""What the bench offers is what its name says, judged as a device judges it."""

import base64
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from chargerd.bench.machine import FIRST_SECURITY_VERSION, Machine
from chargerd.bench.updates import KINDS, UpdateDesk
from chargerd.bench.verbs import BenchError
from firmware.errors import FirmwareError, Refusal
from firmware.verify import Verifier

NOW = "2026-01-01T00:00:00Z"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "m", "1.0.0")


@pytest.fixture
def desk(machine: Machine) -> Iterator[UpdateDesk]:
    found = UpdateDesk(machine)
    yield found
    found.close()


def fetched(request: dict[str, Any]) -> bytes:
    with urllib.request.urlopen(request["firmware"]["location"], timeout=10) as reply:
        return bytes(reply.read())


def refusal(machine: Machine, content: bytes) -> Refusal | None:
    verifier = Verifier(machine.place().device(FIRST_SECURITY_VERSION))
    try:
        verifier.feed(content)
        verifier.finish()
    except FirmwareError as refused:
        return refused.refusal
    return None


@pytest.mark.parametrize(
    "kind, why",
    [
        ("good", None),
        ("wrong-signature", None),
        ("wrong-hardware", Refusal.WRONG_HARDWARE),
        ("downgrade", Refusal.ROLLED_BACK),
    ],
)
def test_each_kind_is_refused_for_its_own_reason(
    machine: Machine, desk: UpdateDesk, kind: str, why: Refusal | None
) -> None:
    request: Any = desk.request(kind, 0.1, NOW)
    content = fetched(request)
    assert refusal(machine, content) is why
    path = machine.folder / "fetched"
    path.write_bytes(content)
    key = machine.maker
    assert len(base64.b64decode(request["firmware"]["signature"])) > 60
    assert request["firmware"]["signingCertificate"] == key.certificate_pem


def test_a_file_that_is_missing_is_missing_and_each_request_has_its_own_number(desk: UpdateDesk) -> None:
    first: Any = desk.request("missing", 0.0, NOW)
    with pytest.raises(HTTPError):
        fetched(first)
    second: Any = desk.request("good", 1.0, NOW)
    assert (first["requestId"], second["requestId"]) == (1, 2)
    assert len(fetched(second)) > 1_000_000


@pytest.mark.parametrize("kind, megabytes", [("best", 1.0), ("good", -1.0), ("good", 1e6)])
def test_what_there_is_not_is_said(desk: UpdateDesk, kind: str, megabytes: float) -> None:
    with pytest.raises(BenchError, match=", ".join(KINDS)):
        desk.request(kind, megabytes, NOW)
