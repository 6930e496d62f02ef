"""Asking a local socket: an answer, or one line that says what to do."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chargerd.ctl.asking import CtlError, ask, bench_socket, find_socket


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        yield listener


def answering(listener: socket.socket, reply: bytes) -> list[bytes]:
    """Answer one request with `reply` from another thread, then hang up; the request comes in the list."""
    heard: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            heard.append(connection.recv(65536))
            connection.sendall(reply)

    threading.Thread(target=serve, daemon=True).start()
    return heard


def test_a_reply_comes_without_its_ok(listener: socket.socket, tmp_path: Path) -> None:
    heard = answering(listener, b'{"ok": true, "amps": 10}\n')
    assert ask(tmp_path / "s", "limit", {"evse": 1}) == {"amps": 10}
    assert heard == [b'{"verb": "limit", "evse": 1}\n']


@pytest.mark.parametrize(
    "reply, complaint",
    [
        (b'{"ok": false, "error": "unknown verb"}\n', "unknown verb"),
        (b'{"ok": false}\n', "refused"),
        (b"", "closed without an answer; try again"),
        (b'{"ok": true', "closed without an answer; try again"),
        (b"HTTP/1.1 400 Bad Request\n", "no answer of a station or bench; name another --socket"),
        (b"[]\n", "no answer of a station or bench"),
        (b'{"amps": 10}\n', "no answer of a station or bench"),
    ],
)
def test_what_is_no_answer_is_told_in_a_line(
    listener: socket.socket, tmp_path: Path, reply: bytes, complaint: str
) -> None:
    answering(listener, reply)
    with pytest.raises(CtlError) as error:
        ask(tmp_path / "s", "status")
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)


def test_who_is_refused_before_the_question_was_read_learns_why(listener: socket.socket, tmp_path: Path) -> None:
    def refuse() -> None:
        connection, _ = listener.accept()
        connection.sendall(b'{"ok": false, "error": "you may not look here"}\n')
        connection.close()

    threading.Thread(target=refuse, daemon=True).start()
    with pytest.raises(CtlError, match="you may not look here"):
        ask(tmp_path / "s", "status", {"more": "than the socket takes at once" * 100_000})


def test_a_socket_where_nobody_listens_is_told(tmp_path: Path) -> None:
    with pytest.raises(CtlError, match=r"nobody listens there; is the station .* or a bench running"):
        ask(tmp_path / "nix", "status")
    (tmp_path / "file").touch()
    with pytest.raises(CtlError, match="nobody listens there"):
        ask(tmp_path / "file", "status")
    with pytest.raises(CtlError, match="name the socket of a station or bench"):
        ask(tmp_path / ("x" * 200), "status")


def test_the_socket_that_was_named_is_taken(tmp_path: Path) -> None:
    assert find_socket(tmp_path / "s") == tmp_path / "s"


def test_the_bench_of_a_user_listens_in_the_users_own_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert bench_socket() == Path("/run/user/7/chargerd-bench.sock")
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert bench_socket().parent.name.startswith("chargerd-")
