"""The console: one reply a request, nothing a client sends can hurt it, and it is nobody's business outside."""

import asyncio
import contextlib
import json
import os
import socket
import stat
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from chargerd import console as console_module
from chargerd.access import Caller, Gate, Role
from chargerd.console import MAX_CLIENTS_OF_ONE_USER, MAX_REQUEST_BYTES, Access, Console, ConsoleError, Verb
from tests.chargerd.callers import STRANGER, ask_as, gate_for, open_folder


def refuse(_request: Mapping[str, Any]) -> Mapping[str, Any]:
    raise ConsoleError("not today; ask tomorrow")


VERBS: dict[str, Verb] = {
    "status": lambda request: {"said": request.get("word")},
    "user_limit": refuse,
    "link_up": lambda _request: {"done": True},
}
ROOT = Caller(0, frozenset())


@asynccontextmanager
async def console(
    tmp_path: Path,
    verbs: Mapping[str, Verb] = VERBS,
    gate: Gate | None = None,
    heard: list[Access] | None = None,
) -> AsyncIterator[Path]:
    path = tmp_path / "console"
    running = Console(path, verbs, gate=gate, on_access=None if heard is None else heard.append)
    await running.start()
    try:
        yield path
    finally:
        await running.stop()


async def ask(path: Path, *lines: bytes) -> list[dict[str, Any]]:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"".join(lines))
    writer.write_eof()
    replies = await reader.read()
    writer.close()
    return [json.loads(line) for line in replies.splitlines()]


def test_each_request_gets_its_reply_in_order(tmp_path: Path) -> None:
    async def story() -> None:
        async with console(tmp_path) as path:
            replies = await ask(path, b'{"verb": "status", "word": 1}\n', b'{"verb": "status", "word": "two"}\n')
            assert replies == [{"ok": True, "said": 1}, {"ok": True, "said": "two"}]

    asyncio.run(story())


@pytest.mark.parametrize(
    "line, told",
    [
        (b"hello", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 10_000, "not JSON"),
        (b"[]", 'no "verb"; known verbs: link_up, status, user_limit'),
        (b"{}", 'no "verb"'),
        (b'{"verb": 5}', 'no "verb"'),
        (b'{"verb": "explode"}', "unknown verb 'explode'; known verbs: link_up, status, user_limit"),
        (b'{"verb": "user_limit"}', "not today; ask tomorrow"),
    ],
)
def test_a_wrong_request_is_told_what_would_be_right(line: bytes, told: str) -> None:
    reply = Console(Path("unused"), VERBS).answer(line, ROOT)
    assert reply["ok"] is False
    assert told in reply["error"]


def test_a_request_that_is_too_long_is_told_and_ends_the_conversation(tmp_path: Path) -> None:
    async def story() -> None:
        async with console(tmp_path) as path:
            (reply,) = await ask(path, b'{"verb": "' + b"x" * 2 * MAX_REQUEST_BYTES + b'"}\n')
            assert str(MAX_REQUEST_BYTES) in reply["error"]
            assert (await ask(path, b'{"verb": "status"}\n'))[0]["ok"]

    asyncio.run(story())


def test_clients_that_hang_about_are_bounded_and_those_that_leave_make_room(tmp_path: Path) -> None:
    async def story() -> None:
        async with console(tmp_path) as path:
            lingering = [await asyncio.open_unix_connection(path) for _ in range(MAX_CLIENTS_OF_ONE_USER)]
            reader, writer = await asyncio.open_unix_connection(path)
            assert await reader.read() == b""
            writer.close()
            lingering.pop()[1].close()
            async with asyncio.timeout(5):
                while True:
                    reader, writer = await asyncio.open_unix_connection(path)
                    with contextlib.suppress(ConnectionError):
                        writer.write(b'{"verb": "status"}\n')
                        if await reader.readline():
                            break
            writer.close()
            for _, other in lingering:
                other.close()

    asyncio.run(story())


def test_the_socket_lets_everybody_knock_and_a_dead_one_is_replaced(tmp_path: Path) -> None:
    async def story() -> None:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(tmp_path / "console"))
        async with console(tmp_path) as path:
            assert stat.S_IMODE(path.stat().st_mode) == 0o666
            assert (await ask(path, b'{"verb": "status"}\n'))[0]["ok"]
        assert not path.exists()

    asyncio.run(story())


def test_a_path_that_cannot_be_used_is_an_OSError(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        asyncio.run(Console(tmp_path / "nowhere" / "console", VERBS).start())


# ---------------------------------------------------------------- who may do what


@pytest.mark.parametrize(
    "role, allowed",
    [
        (Role.NOBODY, []),
        (Role.READER, ["status"]),
        (Role.OPERATOR, ["status", "user_limit"]),
        (Role.TECHNICIAN, ["status", "user_limit", "link_up"]),
    ],
)
def test_another_user_may_do_what_its_group_allows_and_is_told_how_to_get_the_rest(
    role: Role, allowed: list[str]
) -> None:
    async def story(folder: Path) -> None:
        done: list[str] = []

        def does(name: str) -> Verb:
            def verb(_request: Mapping[str, Any]) -> Mapping[str, Any]:
                done.append(name)
                return {}

            return verb

        verbs = {name: does(name) for name in VERBS}
        async with console(folder, verbs, gate_for(role)) as path:
            replies = await ask_as(path, role, *({"verb": name} for name in verbs))
        assert done == allowed
        groups = {"status": "chargerd-read", "user_limit": "chargerd-operator", "link_up": "chargerd-tech"}
        refused = [name for name in verbs if name not in allowed] if role else ["status"]
        assert [reply["ok"] for reply in replies] == [True] * len(allowed) + [False] * len(refused)
        for name, reply in zip(refused, replies[len(allowed) :], strict=True):
            assert f'sudo usermod -aG {groups[name]} "$USER"' in reply["error"]

    with open_folder() as folder:
        asyncio.run(story(folder))


def test_the_vehicle_stack_may_use_its_own_verbs_and_no_others_and_is_not_told_of() -> None:
    heard: list[Access] = []
    verbs: dict[str, Verb] = {name: lambda _request: {} for name in ("status", "user_limit", "vehicle", "contract")}
    gate = Gate({Role.READER: 1, Role.TECHNICIAN: 3}, frozenset(), stack_gid=7)
    running = Console(Path("unused"), verbs, gate=gate, on_access=heard.append)

    def allowed(caller: Caller) -> list[str]:
        return [name for name in verbs if running.answer(json.dumps({"verb": name}).encode(), caller)["ok"]]

    assert allowed(Caller(1001, frozenset({7}))) == ["vehicle", "contract"]
    assert [access.verb for access in heard] == ["status", "user_limit"]
    assert allowed(Caller(1002, frozenset({1}))) == ["status"]
    assert allowed(Caller(1003, frozenset({3}))) == list(verbs)


def test_technicians_are_told_of_and_those_who_would_be_and_each_once_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[Access] = []
    now_mono = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_mono[0])
    technician, reader = Caller(1001, frozenset({3})), Caller(1002, frozenset({1}))
    gate = Gate({Role.READER: 1, Role.TECHNICIAN: 3}, frozenset())
    running = Console(Path("unused"), VERBS, gate=gate, on_access=heard.append)
    for _ in range(5):
        assert running.answer(b'{"verb": "link_up"}', technician)["ok"]
        assert running.answer(b'{"verb": "status"}', technician)["ok"]
        assert not running.answer(b'{"verb": "link_up"}', reader)["ok"]
        assert not running.answer(b'{"verb": "user_limit"}', reader)["ok"]
        now_mono[0] += 11.0
    once = [
        Access(1001, "link_up", Role.TECHNICIAN, accepted=True),
        Access(1002, "link_up", Role.TECHNICIAN, accepted=False),
        Access(1002, "user_limit", Role.OPERATOR, accepted=False),
    ]
    assert heard == once
    now_mono[0] += 60.0
    running.answer(b'{"verb": "link_up"}', technician)
    assert heard == [*once, once[0]]


def test_whoever_has_no_role_at_all_is_told_of_as_well() -> None:
    heard: list[Access] = []

    async def story(folder: Path) -> None:
        async with console(folder, gate=gate_for(Role.NOBODY), heard=heard) as path:
            await ask_as(path, Role.NOBODY, {"verb": "status"})
            await ask_as(path, Role.NOBODY, {"verb": "status"})

    with open_folder() as folder:
        asyncio.run(story(folder))
    uid = STRANGER if os.geteuid() == 0 else os.getuid()
    assert heard == [Access(uid, "console", Role.READER, accepted=False)]


def test_a_verb_nobody_gave_a_role_cannot_be_served() -> None:
    with pytest.raises(AssertionError, match=r"who may use \['self_destruct'\]"):
        Console(Path("unused"), {"self_destruct": refuse})


# ---------------------------------------------------------------- bounds


def test_a_client_that_asks_without_end_leaves_the_loop_most_of_its_time(tmp_path: Path) -> None:
    """Each request costs 2 ms; the station's own work must go on in between, whoever asks how much."""

    def slow(_request: Mapping[str, Any]) -> Mapping[str, Any]:
        began = time.perf_counter()
        while time.perf_counter() < began + 0.002:
            pass
        return {}

    async def story() -> None:
        async with console(tmp_path, {"status": slow}) as path:
            writers = [(await asyncio.open_unix_connection(path))[1] for _ in range(4)]
            for writer in writers:
                writer.write(b'{"verb": "status"}\n' * 500)
            loop, longest_s = asyncio.get_running_loop(), 0.0
            end = loop.time() + 1.0
            while (before := loop.time()) < end:
                await asyncio.sleep(0)
                longest_s = max(longest_s, loop.time() - before)
            assert longest_s < 0.1  # all 2000 in one go would be 4 s
            for writer in writers:
                writer.close()

    asyncio.run(story())


def test_a_client_that_does_not_take_its_answers_is_hung_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_module, "TAKEN_WITHIN_S", 0.2)
    big: Verb = lambda _request: {"much": "x" * 1_000_000}  # noqa: E731

    async def story() -> None:
        async with console(tmp_path, {"status": big}) as path:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                client.sendall(b'{"verb": "status"}\n' * 5)
                async with asyncio.timeout(5):
                    while True:
                        if asyncio.all_tasks() == {asyncio.current_task()}:
                            break
                        await asyncio.sleep(0.01)

    asyncio.run(story())


def test_one_user_cannot_keep_the_others_out() -> None:
    async def story(folder: Path) -> None:
        async with console(folder, gate=gate_for(Role.READER)) as path:
            lingering = [await asyncio.open_unix_connection(path) for _ in range(MAX_CLIENTS_OF_ONE_USER + 3)]
            replies = await ask_as(path, Role.READER, {"verb": "status"})
            if os.geteuid() == 0:  # else there is no other user here
                assert [reply["ok"] for reply in replies] == [True]
            for _, writer in lingering:
                writer.close()

    with open_folder() as folder:
        asyncio.run(story(folder))
