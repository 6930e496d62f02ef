"""The updater's socket: who may ask what, with what in hand, and what it answers."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from firmware.disk import Folder
from firmware.errors import Refusal
from firmware.place import Place, say_started
from firmware.slots import Name, State
from firmware.updater import MAX_REQUEST_BYTES, ActivationError, Answer, Updater, inherited_listener
from tests.firmware.kit import STARTED, MemoryFile, good, key_list, settings_in, signed_list

ROOT = Path(__file__).resolve().parents[2]
SHA256 = "0" * 64


@pytest.fixture
def place(tmp_path: Path) -> Place:
    for name in ("slots", "state"):
        (tmp_path / name).mkdir()
    (tmp_path / "firmware-keys").write_bytes(signed_list(key_list(), "root-1").encode())
    made = Place(settings_in(tmp_path), Folder(tmp_path / "slots"), Folder(tmp_path / "state"), key_list())
    say_started(made.settings, STARTED)
    return made


@pytest.fixture
def updater(place: Place) -> Updater:
    return Updater(place, lambda _: None)


def ask(updater: Updater, request: object, files: list[int] | None = None, uid: int = 0) -> Answer:
    packet = request if isinstance(request, bytes) else json.dumps(request).encode()
    return updater.answer(uid, packet, files or [])


def test_the_three_verbs_in_their_order(updater: Updater, place: Place) -> None:
    with MemoryFile(good()) as file:
        staged = ask(updater, {"verb": "stage"}, [file])
    assert (staged.refusal, staged.version, staged.security_version) == ("", "2.0.0", 2)
    activated = ask(updater, {"verb": "activate", "manifest_sha256": staged.manifest_sha256})
    assert activated == staged
    assert place.record().primary is Name.B
    say_started(place.settings, msgspec.structs.replace(STARTED, slot=Name.B))
    assert ask(updater, {"verb": "mark-good"}) == staged
    assert place.record().b.state is State.GOOD


def test_a_refusal_is_answered_by_name_and_with_a_line_to_read(updater: Updater) -> None:
    with MemoryFile(good(product="other")) as file:
        answer = ask(updater, {"verb": "stage"}, [file])
    assert answer.refusal == "wrong-product"
    assert answer.why == "is for other, and this is acme-charger"
    assert answer.version == ""


@pytest.mark.parametrize(
    "request_",
    [
        b"", b"{}", b"[]", b"null", b"\xff", b'"stage"', {"verb": "format"}, {"verb": "stage", "path": "/etc/passwd"},
        {"verb": "activate"}, {"verb": "activate", "manifest_sha256": "x"}, {"verb": None}, b"[" * 4000,
        {"verb": "activate", "manifest_sha256": SHA256, "slot": "a"}, {"verb": "mark-good", "slot": "b"},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_request_is_refused_as_such(updater: Updater, request_: object) -> None:
    with MemoryFile(good()) as file:
        answer = ask(updater, request_, [file] if b"stage" in json.dumps(str(request_)).encode() else [])
    assert answer.refusal == Refusal.BAD_REQUEST


def test_the_number_of_descriptors_must_be_right(updater: Updater) -> None:
    with MemoryFile(good()) as file:
        for request, files in (
            ({"verb": "stage"}, []),
            ({"verb": "stage"}, [file, file]),
            ({"verb": "mark-good"}, [file]),
            ({"verb": "activate", "manifest_sha256": SHA256}, [file]),
        ):
            assert ask(updater, request, files).refusal == Refusal.BAD_REQUEST


def test_nobody_else_may_ask(updater: Updater, place: Place) -> None:
    assert ask(updater, {"verb": "mark-good"}, uid=4242).refusal == Refusal.NOT_ALLOWED
    named = Place(
        msgspec.structs.replace(place.settings, users=("nobody", "no-such-user")), place.slots, place._state, key_list()
    )
    allowed = Updater(named, lambda _: None)
    assert ask(allowed, {"verb": "activate", "manifest_sha256": SHA256}, uid=65534).refusal == Refusal.NOTHING_STAGED
    assert ask(allowed, {"verb": "mark-good"}, uid=4242).refusal == Refusal.NOT_ALLOWED


def test_a_medium_that_fails_is_an_answer_too(updater: Updater, place: Place) -> None:
    assert isinstance(place.slots, Folder)
    with MemoryFile(good()) as file:
        place._state.make_directory("slots.new")
        answer = ask(updater, {"verb": "stage"}, [file])
    assert answer.refusal == Refusal.MEDIUM_FAILED
    assert place.record().slot(Name.B).state is not State.STAGED


# ---- over a real socket ----


class Serving:
    """An updater that listens, and the lines it says."""

    def __init__(self, place: Place, path: Path) -> None:
        self.path = path
        self.lines: list[str] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(path))
        self._listener.listen()
        updater = Updater(place, self.lines.append)
        self.thread = threading.Thread(target=updater.run, args=(self._listener, 0.5), daemon=True)
        self.thread.start()

    def ask(self, packet: bytes, files: list[int] | None = None) -> bytes:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.settimeout(10)
            client.connect(str(self.path))
            socket.send_fds(client, [packet], files or [])
            return client.recv(4096)

    def close(self) -> None:
        self.thread.join(10)
        self._listener.close()
        assert not self.thread.is_alive()


@pytest.fixture
def serving(place: Place, tmp_path: Path) -> Iterator[Serving]:
    made = Serving(place, tmp_path / "updater.sock")
    yield made
    made.close()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_bundle_goes_over_the_socket_as_a_descriptor(serving: Serving) -> None:
    with MemoryFile(good()) as file:
        answer = json.loads(serving.ask(b'{"verb":"stage"}', [file]))
    assert answer["version"] == "2.0.0"
    assert serving.lines == ["updater: done (Stage, version 2.0.0)"]


def test_every_descriptor_that_was_passed_is_closed_again(serving: Serving) -> None:
    with MemoryFile(b"no bundle") as file:
        before = open_files()
        for packet, files in (
            (b'{"verb":"stage"}', [file]),
            (b'{"verb":"stage"}', [file] * 3),
            (b"nonsense", [file]),
            (b"x" * (MAX_REQUEST_BYTES + 1), [file]),
            (b'{"verb":"stage"}', [file] * 20),
        ):
            serving.ask(packet, files)
        assert open_files() == before


def test_too_much_in_one_packet_gets_no_answer_and_the_next_request_gets_one(serving: Serving) -> None:
    assert serving.ask(b"x" * (MAX_REQUEST_BYTES + 1)) == b""
    assert json.loads(serving.ask(b"{}"))["refusal"] == "bad-request"


def test_a_client_that_says_nothing_or_leaves_does_no_harm(serving: Serving) -> None:
    for _ in range(3):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.connect(str(serving.path))
    assert json.loads(serving.ask(b"{}"))["refusal"] == "bad-request"


def test_it_is_gone_when_nobody_asks(serving: Serving) -> None:
    serving.thread.join(5)
    assert not serving.thread.is_alive()


# ---- started by systemd's socket ----

ACTIVATED = """
import os, sys
sys.argv = ["firmware", "updater", "--settings", sys.argv[1]]
os.environ["LISTEN_PID"] = str(os.getpid())
from firmware.__main__ import main
sys.exit(main())
"""


def test_the_program_serves_the_socket_it_inherits(place: Place, tmp_path: Path) -> None:
    settings = tmp_path / "firmware.toml"
    told = msgspec.structs.asdict(place.settings)
    settings.write_text("\n".join(f"{name} = {json.dumps(value)}" for name, value in told.items()))
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(tmp_path / "activated.sock"))
    listener.listen()
    program = subprocess.Popen(
        [sys.executable, "-c", f"import os; os.dup2({listener.fileno()}, 3); " + "import sys\n" + ACTIVATED, settings],
        pass_fds=[listener.fileno()],
        cwd=ROOT, env={**os.environ, "LISTEN_FDS": "1"}, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client, MemoryFile(good()) as file:
            client.settimeout(30)
            client.connect(str(tmp_path / "activated.sock"))
            socket.send_fds(client, [b'{"verb":"stage"}'], [file])
            assert json.loads(client.recv(4096))["version"] == "2.0.0"
    finally:
        program.kill()
        program.communicate()
        listener.close()


def test_without_its_socket_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LISTEN_FDS", raising=False)
    with pytest.raises(ActivationError, match=r"systemctl start chargerd-updater\.socket"):
        inherited_listener()
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_PID", "1")
    with pytest.raises(ActivationError):
        inherited_listener()
