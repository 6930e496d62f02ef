"""The console: one reply a request, nothing a client sends can hurt it, and it is nobody's business outside."""

import asyncio
import contextlib
import json
import socket
import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from chargerd.console import MAX_CLIENTS, MAX_REQUEST_BYTES, Console, ConsoleError


def refuse(_request: Mapping[str, Any]) -> Mapping[str, Any]:
    raise ConsoleError("not today; ask tomorrow")


VERBS = {"echo": lambda request: {"said": request.get("word")}, "refuse": refuse}


@asynccontextmanager
async def console(tmp_path: Path) -> AsyncIterator[Path]:
    path = tmp_path / "console"
    running = Console(path, VERBS)
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
            replies = await ask(path, b'{"verb": "echo", "word": 1}\n', b'{"verb": "echo", "word": "two"}\n')
            assert replies == [{"ok": True, "said": 1}, {"ok": True, "said": "two"}]

    asyncio.run(story())


@pytest.mark.parametrize(
    "line, told",
    [
        (b"hello", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 10_000, "not JSON"),
        (b"[]", 'no "verb"; known verbs: echo, refuse'),
        (b"{}", 'no "verb"'),
        (b'{"verb": 5}', 'no "verb"'),
        (b'{"verb": "link_down"}', "unknown verb 'link_down'; known verbs: echo, refuse"),
        (b'{"verb": "refuse"}', "not today; ask tomorrow"),
    ],
)
def test_a_wrong_request_is_told_what_would_be_right(line: bytes, told: str) -> None:
    reply = Console(Path("unused"), VERBS).answer(line)
    assert reply["ok"] is False
    assert told in reply["error"]


def test_a_request_that_is_too_long_is_told_and_ends_the_conversation(tmp_path: Path) -> None:
    async def story() -> None:
        async with console(tmp_path) as path:
            (reply,) = await ask(path, b'{"verb": "' + b"x" * 2 * MAX_REQUEST_BYTES + b'"}\n')
            assert str(MAX_REQUEST_BYTES) in reply["error"]
            assert (await ask(path, b'{"verb": "echo"}\n'))[0]["ok"]

    asyncio.run(story())


def test_clients_that_hang_about_are_bounded_and_those_that_leave_make_room(tmp_path: Path) -> None:
    async def story() -> None:
        async with console(tmp_path) as path:
            lingering = [await asyncio.open_unix_connection(path) for _ in range(MAX_CLIENTS)]
            reader, writer = await asyncio.open_unix_connection(path)
            assert await reader.read() == b""
            writer.close()
            lingering.pop()[1].close()
            async with asyncio.timeout(5):
                while True:
                    reader, writer = await asyncio.open_unix_connection(path)
                    with contextlib.suppress(ConnectionError):
                        writer.write(b'{"verb": "echo"}\n')
                        if await reader.readline():
                            break
            writer.close()
            for _, other in lingering:
                other.close()

    asyncio.run(story())


def test_the_socket_is_for_its_user_and_group_and_a_dead_one_is_replaced(tmp_path: Path) -> None:
    async def story() -> None:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(tmp_path / "console"))
        async with console(tmp_path) as path:
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            assert (await ask(path, b'{"verb": "echo"}\n'))[0]["ok"]
        assert not path.exists()

    asyncio.run(story())


def test_a_path_that_cannot_be_used_is_an_OSError(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        asyncio.run(Console(tmp_path / "nowhere" / "console", VERBS).start())
