"""Jobs end exactly once, and an upload says what became of it, whatever the server is like."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chargerd import jobs as jobs_module
from chargerd.jobs import MAX_JOBS, JobFailed, Jobs, Uploader
from chargerd.ocpp.effects import StartJob
from chargerd.ocpp.events import Event, JobDone
from chargerd.ocpp.jobs import Upload, upload_job
from chargerd.tls import file_server_context
from tests.chargerd.certificates import Authority
from tests.chargerd.test_http_client import read_request

NOTHING = msgspec.Raw(b"{}")


class Shell:
    """Jobs whose ends are collected."""

    def __init__(self, **kinds: Callable[[msgspec.Raw], Awaitable[None]]) -> None:
        self.ends: list[Event] = []
        self._ended = asyncio.Event()
        self.jobs = Jobs(self._end, kinds)

    def _end(self, event: Event) -> None:
        self.ends.append(event)
        self._ended.set()

    def start(self, kind: str, job_id: str = "1", arguments: msgspec.Raw = NOTHING) -> None:
        self.jobs.start(StartJob(job_id, kind, arguments))

    async def until_ended(self, count: int = 1) -> None:
        async with asyncio.timeout(5.0):
            while len(self.ends) < count:
                self._ended.clear()
                await self._ended.wait()
        await asyncio.sleep(0.02)


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


async def works(_arguments: msgspec.Raw) -> None:
    await asyncio.sleep(0)


async def fails(_arguments: msgspec.Raw) -> None:
    raise JobFailed("no way", "PermissionDenied")


async def breaks(_arguments: msgspec.Raw) -> None:
    raise KeyError("a fault of ours with a secret")


async def lasts(_arguments: msgspec.Raw) -> None:
    await asyncio.sleep(60.0)


@pytest.mark.parametrize(
    "kind, problem, result",
    [
        ("works", None, ""),
        ("fails", "no way", "PermissionDenied"),
        ("breaks", "breaks failed (KeyError)", ""),
        ("unknown", "unknown is not known here", ""),
    ],
)
def test_a_job_ends_once_and_never_while_it_is_started(kind: str, problem: str | None, result: str) -> None:
    async def story() -> None:
        shell = Shell(works=works, fails=fails, breaks=breaks)
        shell.start(kind)
        assert shell.ends == []
        await shell.until_ended()
        assert shell.ends == [JobDone("1", problem, result)]
        shell.jobs.cancel("1")
        await asyncio.sleep(0.02)
        assert len(shell.ends) == 1

    play(story)


@pytest.mark.parametrize("after_s", [None, 0.02])
def test_a_job_that_is_cancelled_ends_once_even_before_it_began(after_s: float | None) -> None:
    async def story() -> None:
        shell = Shell(lasts=lasts)
        shell.start("lasts")
        if after_s is not None:
            await asyncio.sleep(after_s)
        shell.jobs.cancel("1")
        shell.jobs.cancel("1")
        await shell.until_ended()
        assert shell.ends == [JobDone("1", "cancelled", "")]

    play(story)


def test_only_so_many_jobs_run_at_once() -> None:
    async def story() -> None:
        shell = Shell(lasts=lasts, works=works)
        for number in range(MAX_JOBS + 2):
            shell.start("lasts", str(number))
        await shell.until_ended(2)
        assert {end.problem for end in shell.ends if isinstance(end, JobDone)} == {f"{MAX_JOBS} jobs run already"}
        shell.jobs.cancel("0")
        await shell.until_ended(3)
        shell.start("works", "again")
        await shell.until_ended(4)
        assert shell.ends[-1] == JobDone("again", None, "")
        await shell.jobs.close()

    play(story)


def test_a_process_that_stops_hears_of_no_job_any_more() -> None:
    async def story() -> None:
        shell = Shell(lasts=lasts)
        shell.start("lasts")
        await asyncio.sleep(0.01)
        await shell.jobs.close()
        await asyncio.sleep(0.01)
        assert shell.ends == []

    play(story)


# ---- uploads ----

Received = list[tuple[list[str], bytes]]


def upload(
    answers: dict[str, bytes],
    *,
    path: str = "/logs/",
    credentials: str = "",
    server_context: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
    **fields: Any,
) -> tuple[JobDone, Received]:
    """One upload to a server that answers each method as said; other methods with 405."""
    received: Received = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines, body = await read_request(reader)
        received.append((lines, body))
        writer.write(answers.get(lines[0].partition(" ")[0], b"HTTP/1.1 405 No\r\n\r\n"))
        await writer.drain()
        writer.close()

    async def whole() -> JobDone:
        shell = Shell(upload=Uploader(file_server_context, lambda oldest, latest: f"diagnostics {oldest} {latest}"))
        async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_context) as server:
            port = server.sockets[0].getsockname()[1]
            scheme = "http" if server_context is None else "https"
            location = f"{scheme}://{credentials}{host}:{port}{path}"
            order = Upload(**{"location": location, "filename": "log.txt", "content": "a\nü\n"} | fields)
            shell.jobs.start(upload_job("1", order))
            await shell.until_ended()
        (end,) = shell.ends
        assert isinstance(end, JobDone)
        return end

    return asyncio.run(whole()), received


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def test_N01_FR_14_a_file_is_put_where_the_url_says() -> None:
    end, received = upload({"PUT": OK}, credentials="user:secret@")
    assert end == JobDone("1", None, "")
    ((lines, body),) = received
    assert lines[0] == "PUT /logs/log.txt HTTP/1.1"
    assert "Authorization: Basic dXNlcjpzZWNyZXQ=" in lines
    assert 'Content-Disposition: attachment; filename="log.txt"' in lines
    assert body == "a\nü\n".encode()


def test_a_url_that_names_a_file_is_taken_as_it_is() -> None:
    _, received = upload({"PUT": OK}, path="/store/7?signature=a/")
    assert received[0][0][0] == "PUT /store/7?signature=a/ HTTP/1.1"


def test_the_diagnostics_are_written_when_they_are_sent() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    end, received = upload({"PUT": OK}, content=None, oldest=moment)
    assert end.problem is None
    assert received[0][1] == b"diagnostics 2026-01-01 00:00:00+00:00 None"


@pytest.mark.parametrize("unknown", [404, 405, 501])
def test_N01_FR_19_a_server_that_knows_no_put_gets_a_form_with_the_name_of_the_file(unknown: int) -> None:
    end, received = upload({"PUT": f"HTTP/1.1 {unknown} No\r\n\r\n".encode(), "POST": OK})
    assert end == JobDone("1", None, "")
    lines, body = received[1]
    assert lines[0] == "POST /logs/ HTTP/1.1"
    assert 'Content-Disposition: attachment; filename="log.txt"' in lines
    kind = next(line for line in lines if line.startswith("Content-Type: "))
    boundary = kind.partition("boundary=")[2]
    head, _, rest = body.partition(b"\r\n\r\n")
    assert head.decode().split("\r\n") == [
        f"--{boundary}",
        'Content-Disposition: form-data; name="uploadfile"; filename="log.txt"',
        "Content-Type: application/octet-stream",
    ]
    assert rest == "a\nü\n".encode() + f"\r\n--{boundary}--\r\n".encode()


@pytest.mark.parametrize(
    "status, result",
    [
        (400, "BadMessage"),
        (401, "PermissionDenied"),
        (403, "PermissionDenied"),
        (404, "UploadFailure"),
        (405, "NotSupportedOperation"),
        (413, "UploadFailure"),
        (500, "UploadFailure"),
        (501, "NotSupportedOperation"),
        (503, "UploadFailure"),
    ],
)
def test_N01_FR_10_what_the_server_says_becomes_a_status(status: int, result: str) -> None:
    answer = f"HTTP/1.1 {status} No\r\n\r\n".encode()
    end, _ = upload({"PUT": answer, "POST": answer}, credentials="user:secret@")
    assert end.result == result
    assert end.problem is not None
    assert f"HTTP {status}" in end.problem
    assert "secret" not in end.problem


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    away = f"HTTP/1.1 {status} Moved\r\nLocation: http://127.0.0.2:9/\r\n\r\n".encode()
    end, received = upload({"PUT": away})
    assert (end.result, len(received)) == ("UploadFailure", 1)
    assert end.problem is not None
    assert "redirects are not followed" in end.problem


@pytest.mark.parametrize(
    "location, result", [("http://127.0.0.1:1/", "UploadFailure"), ("http://127.0.0.1:99999/", "UploadFailure")]
)
def test_a_server_that_is_not_there_is_a_failure(location: str, result: str) -> None:
    end, received = upload({}, location=location)
    assert (end.result, received) == (result, [])


def test_a_server_that_speaks_no_http_is_a_bad_message() -> None:
    assert upload({"PUT": b"220 ready\r\n\r\n"})[0].result == "BadMessage"


def test_a_server_that_takes_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "UPLOAD_WITHIN_S", 0.2)
    end, _ = upload({"PUT": b"HTTP/1.1 100 Continue\r\n\r\n"}, content="x" * 3_000_000)
    assert end == JobDone("1", "not sent within 0.2 s", "UploadFailure")


# ---- TLS ----


def test_N01_FR_15_the_roots_of_the_csms_vouch_for_a_file_server(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = serving(authority.issue("localhost"))
    end, received = upload({"PUT": OK}, server_context=context, host="localhost", roots_pem=(authority.root_pem,))
    assert (end.problem, len(received)) == (None, 1)


def test_N01_FR_16_the_roots_of_the_system_do_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    end, _ = upload({"PUT": OK}, server_context=serving(authority.issue("localhost")), host="localhost")
    assert end.problem is None


@pytest.mark.parametrize(
    "name, days, trusted", [("localhost", 30, False), ("localhost", -1, True), ("other", 30, True)]
)
def test_nothing_is_sent_to_a_server_that_does_not_verify(tmp_path: Path, name: str, days: int, trusted: bool) -> None:
    authority = Authority(tmp_path)
    root = authority.root_pem if trusted else Authority(tmp_path, "Another root").root_pem
    context = serving(authority.issue(name, days=days))
    end, received = upload({"PUT": OK}, server_context=context, host="localhost", roots_pem=(root,))
    assert (end.result, received) == ("UploadFailure", [])
    assert end.problem is not None
    assert "does not verify" in end.problem


def test_a_root_that_cannot_be_read_is_a_failure() -> None:
    end, _ = upload({}, location="https://127.0.0.1:1/", roots_pem=("nonsense",))
    assert end.result == "UploadFailure"


def serving(key_and_certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(key_and_certificate)
    return context
