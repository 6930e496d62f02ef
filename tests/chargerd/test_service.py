"""Notification over a real socket, a watchdog that must be earned, logs into full pipes, credentials."""

import asyncio
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chargerd import service
from chargerd.service import CredentialError, LogWriter, Progress, Watchdog


class Manager:
    """The receiving end of NOTIFY_SOCKET, as the service manager has it."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind(str(path))

    def heard(self) -> list[str]:
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return messages


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    yield manager
    manager.socket.close()


@pytest.fixture
def watched(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> Manager:
    monkeypatch.setenv("WATCHDOG_USEC", "2000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    return manager


def test_ready_status_and_stopping_reach_the_manager_in_one_line_each(manager: Manager) -> None:
    service.ready("bench board")
    service.status("two\nlines")
    service.stopping("SIGTERM")
    assert manager.heard() == ["READY=1\nSTATUS=bench board", "STATUS=two lines", "STOPPING=1\nSTATUS=SIGTERM"]


def test_a_clock_is_confirmed_by_the_file_of_the_time_service_alone(tmp_path: Path) -> None:
    sign = tmp_path / "synchronized"
    assert not service.follows_time_server(sign)
    sign.touch()
    assert service.follows_time_server(sign)


def test_without_a_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not service.notify("READY=1")


def test_a_manager_that_is_gone_is_no_reason_to_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    assert not service.notify("READY=1")


def test_the_watchdog_is_fed_only_when_everybody_moved(watched: Manager) -> None:
    progress = Progress("loop", "pilot")
    watchdog = Watchdog(progress)
    assert not watchdog.feed(0.0)
    progress.moved("loop")
    assert not watchdog.feed(0.1)
    assert progress.owing() == {"pilot"}
    progress.moved("pilot")
    assert watchdog.feed(0.2)
    assert watched.heard() == ["WATCHDOG=1"]


def test_after_a_feed_everybody_has_to_move_again_and_a_late_one_is_caught_up(watched: Manager) -> None:
    progress = Progress("loop")
    watchdog = Watchdog(progress)
    progress.moved("loop")
    assert watchdog.feed(0.0)
    assert not watchdog.feed(0.6)
    progress.moved("loop")
    assert watchdog.feed(0.62)
    assert watched.heard() == ["WATCHDOG=1"] * 2


def test_the_watchdog_is_not_fed_more_often_than_four_times_in_its_timeout(watched: Manager) -> None:
    progress = Progress("loop")
    watchdog = Watchdog(progress)
    fed = 0
    for tick in range(200):
        progress.moved("loop")
        fed += watchdog.feed(tick * 0.02)
    assert fed == 8
    assert len(watched.heard()) == 8


@pytest.mark.parametrize(
    "usec, pid, timeout_s",
    [
        ("2000000", None, 2.0),
        ("500000", "own", 0.5),
        ("2000000", "1", None),
        ("0", None, None),
        ("-5", None, None),
        ("soon", None, None),
        (None, None, None),
    ],
)
def test_the_watchdog_timeout_is_taken_from_the_manager_if_it_is_meant_for_us(
    monkeypatch: pytest.MonkeyPatch, usec: str | None, pid: str | None, timeout_s: float | None
) -> None:
    for name, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", str(os.getpid()) if pid == "own" else pid)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert service.watchdog_timeout_s() == timeout_s


def test_an_unwatched_process_never_feeds(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    progress = Progress("loop")
    watchdog = Watchdog(progress)
    progress.moved("loop")
    assert not watchdog.feed(1.0)
    assert manager.heard() == []


def test_the_asyncio_feeder_feeds_on_progress_and_stops_without(
    watched: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "40000")

    async def live() -> tuple[int, int]:
        progress = Progress("pump")
        feeder = asyncio.create_task(service.feed_watchdog(progress))
        fed = 0
        for _ in range(400):
            progress.moved("pump")
            await asyncio.sleep(0.005)
            fed += len(watched.heard())
            if fed >= 3:
                break
        await asyncio.sleep(0.05)  # what was earned before the pump stopped moving
        watched.heard()
        await asyncio.sleep(0.1)
        feeder.cancel()
        return fed, len(watched.heard())

    fed, fed_after_stop = asyncio.run(live())
    assert fed >= 3
    assert fed_after_stop == 0


def test_a_credential_is_read_without_its_line_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "csms-password").write_bytes("grün und geheim \n".encode())
    assert service.credential("csms-password") == "grün und geheim "
    assert service.credential("other") is None


def test_without_a_credentials_directory_there_is_no_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert service.credential("csms-password") is None


@pytest.mark.parametrize("content, says", [(b"\xff\xfe", "not UTF-8 text"), (b"x" * 70_000, "larger than")])
def test_an_unusable_credential_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, says: str
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "csms-password").write_bytes(content)
    with pytest.raises(CredentialError, match=f"csms-password: {says}"):
        service.credential("csms-password")


LOGGING_PROCESS = """
import logging, sys, time
from chargerd import service
service.set_up_logging("test")
log = logging.getLogger("area")
began = time.monotonic()
for number in range(int(sys.argv[1])):
    log.warning("line %d %s", number, "x" * 100)
print(time.monotonic() - began, flush=True)
"""


def test_lines_reach_stderr_with_level_and_area_and_are_flushed_at_exit() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOGGING_PROCESS, "50"], capture_output=True, text=True, check=True, timeout=30
    )
    lines = done.stderr.splitlines()
    assert len(lines) == 50
    assert lines[49].split(" ", 1)[1] == "warning area: line 49 " + "x" * 100


def test_a_full_pipe_stalls_neither_the_caller_nor_the_exit() -> None:
    reader, writer = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", LOGGING_PROCESS, "20000"], stderr=writer, stdout=subprocess.PIPE, text=True
    ) as process:
        os.close(writer)
        began = time.monotonic()
        assert process.wait(timeout=30) == 0
        assert time.monotonic() - began < 15
        assert process.stdout is not None
        assert float(process.stdout.read()) < 5
    os.close(reader)


def test_lines_that_nobody_reads_are_dropped_and_their_number_is_told() -> None:
    reader, writer = os.pipe()
    many = LOGGING_PROCESS + "\nsys.stdin.read()\nlog.warning('after')"
    with subprocess.Popen(
        [sys.executable, "-c", many, "5000"], stderr=writer, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    ) as process:
        os.close(writer)
        assert process.stdout is not None
        assert process.stdout.readline()
        assert process.stdin is not None
        process.stdin.close()
        with os.fdopen(reader) as told:
            lines = told.read().splitlines()
        assert process.wait(timeout=30) == 0
    dropped = [line for line in lines if "lines dropped" in line]
    assert dropped
    assert sum(int(line.split("log: ")[1].split()[0]) for line in dropped) + len(lines) - len(dropped) == 5001


def test_stderr_is_the_journal_only_when_the_manager_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    assert not service.is_stderr_the_journal()
    stderr = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{stderr.st_dev}:{stderr.st_ino}")
    assert service.is_stderr_the_journal()


def test_an_exception_is_logged_with_its_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    writer = LogWriter("test", to_journal=False)
    try:
        raise ValueError("the value")
    except ValueError:
        record = logging.LogRecord("area", logging.ERROR, __file__, 1, "it broke", None, sys.exc_info())
    writer.handle(record)
    assert writer.flush_and_stop()
    told = capfd.readouterr().err
    assert "error area: it broke\n  Traceback" in told
    assert "ValueError: the value" in told


HOSTILE = "x\n12:00:00 error control: contactor welded\r\x1b[2J\x00\u2028\x9b1m\ud800" + "long" * 1000


def test_what_others_sent_stays_in_its_line_and_is_cut(capfd: pytest.CaptureFixture[str]) -> None:
    writer = LogWriter("test", to_journal=False)
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        broken = sys.exc_info()
    for number, trouble in enumerate((None, broken)):
        writer.handle(logging.LogRecord("area", logging.WARNING, __file__, 1, "said %s", (HOSTILE,), trouble))
        writer.handle(logging.LogRecord("area", logging.INFO, __file__, 1, f"next {number}", None, None))
    assert writer.flush_and_stop()
    told = capfd.readouterr().err
    first, second, third, *trace, last = told.split("\n")[:-1]
    assert "warning area: said x\\x0a12:00:00 error control: contactor welded\\x0d\\x1b[2J\\x00\\x2028" in first
    assert len(first) < service.MAX_LOG_CHARACTERS + 200
    assert second.endswith("info area: next 0")
    assert third[9:] == first[9:]
    assert trace
    assert all(line.startswith("  ") for line in trace)  # set in: none of them is a line of its own
    assert last.endswith("info area: next 1")
    assert all(letter.isprintable() for letter in told.replace("\n", ""))
