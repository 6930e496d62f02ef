"""What is made of an updater that refuses, is not there, or says nothing."""

import asyncio
import socket
import threading
from pathlib import Path

import msgspec
import pytest

from chargerd import updater_client
from chargerd.jobs import JobFailed
from chargerd.ocpp.jobs import Finding
from chargerd.updater_client import UpdaterClient
from firmware.errors import Refusal
from firmware.updater import Answer


def asked(path: Path, reply: bytes | None) -> tuple[str, str]:
    """How mark_good fails with an updater that gives this; None: it hangs up."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            if reply is not None:
                connection.send(reply)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with pytest.raises(JobFailed) as failure:
            asyncio.run(UpdaterClient(path).mark_good())
    finally:
        thread.join()
        listener.close()
    return str(failure.value), failure.value.result


@pytest.mark.parametrize(
    "refusal, finding",
    [
        (Refusal.MEDIUM_FAILED, ""),
        (Refusal.ON_TRIAL, ""),
        (Refusal.INSTALLER_FAILED, ""),
        (Refusal.NOT_ALLOWED, ""),
        (Refusal.BAD_SIGNATURE, Finding.REFUSED),
        (Refusal.WRONG_HARDWARE, Finding.REFUSED),
        (Refusal.ROLLED_BACK, Finding.REFUSED),
        (Refusal.BAD_CHUNK, Finding.REFUSED),
    ],
)
def test_a_refusal_is_of_the_device_or_of_the_bundle(tmp_path: Path, refusal: Refusal, finding: str) -> None:
    text, result = asked(tmp_path / "s", msgspec.json.encode(Answer(refusal=refusal, why="because")))
    assert "because" in text
    assert result == finding


@pytest.mark.parametrize("reply", [None, b"nonsense", b"[]"])
def test_no_answer_leaves_it_open_what_was_done(tmp_path: Path, reply: bytes | None) -> None:
    assert asked(tmp_path / "s", reply)[1] == Finding.UNKNOWN


def test_where_nobody_listens_nothing_was_done(tmp_path: Path) -> None:
    with pytest.raises(JobFailed) as failure:
        asyncio.run(UpdaterClient(tmp_path / "nobody").activate("0" * 64))
    assert failure.value.result == ""


def test_an_updater_that_does_not_end_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updater_client, "MARK_GOOD_WITHIN_S", 0.1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        with pytest.raises(JobFailed) as failure:
            asyncio.run(UpdaterClient(tmp_path / "s").mark_good())
    assert failure.value.result == Finding.UNKNOWN
