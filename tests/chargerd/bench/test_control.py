"""The control socket: newline-delimited JSON, one reply a request, in order, whatever is sent."""

import asyncio
import json
import os
import stat
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from chargerd.access import Role
from chargerd.bench.control import MAX_REQUEST_BYTES, ControlSocket
from chargerd.bench.verbs import BenchError, complete, find
from tests.chargerd.callers import ask_as, open_folder


class Echo:
    """Serves every verb of the table by telling what it was asked."""

    async def do(self, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        verb = find(name)
        return {"did": verb.name, "given": complete(verb, given)}


def converse(path: Path, talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> None:
    async def run() -> None:
        control = ControlSocket(path, Echo())
        await control.start()
        reader, writer = await asyncio.open_unix_connection(path)
        try:
            async with asyncio.timeout(10):
                await talk(reader, writer)
        finally:
            writer.close()
            await writer.wait_closed()
            await control.stop()

    asyncio.run(run())
    assert not path.exists()


def test_each_request_gets_one_reply_in_order(tmp_path: Path) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'{"verb": "plug_in"}\n{"verb": "nix"}\n{"verb": "limit", "evse": 2, "amps": 8}\n')
        first, second, third = [json.loads(await reader.readline()) for _ in range(3)]
        assert first == {"ok": True, "did": "plug_in", "given": {"evse": 1}}
        assert second["ok"] is False
        assert second["error"].startswith("unknown verb 'nix'; known verbs: plug_in")
        assert third == {"ok": True, "did": "limit", "given": {"evse": 2, "amps": 8.0}}

    converse(tmp_path / "control", talk)


@pytest.mark.parametrize(
    "line, complaint",
    [
        (b"\n", "not JSON"),
        (b"plug_in 1\n", "not JSON"),
        (b"\xff\xfe\n", "not JSON"),
        (b"[" * 20_000 + b"\n", "not JSON"),
        (b"[]\n", 'no "verb"'),
        (b"7\n", 'no "verb"'),
        (b"{}\n", 'no "verb"'),
        (b'{"verb": 7}\n', 'no "verb"'),
        (b'{"verb": "limit", "evse": 1}\n', "limit: amps is missing; usage: limit [evse] amps"),
        (b'{"verb": "limit", "evse": {}, "amps": 1}\n', "limit: evse: {} is no whole number"),
        (b'{"verb": "limit", "amps": 1, "volts": 1}\n', "limit: unknown argument 'volts'"),
        (b'{"verb": "limit", "amps": NaN}\n', "limit: amps: nan is no number"),
    ],
)
def test_what_is_wrong_is_said_and_the_next_request_is_served(tmp_path: Path, line: bytes, complaint: str) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(line + b'{"verb": "link_up"}\n')
        refusal = json.loads(await reader.readline())
        assert refusal["ok"] is False
        assert refusal["error"].startswith(complaint)
        assert json.loads(await reader.readline())["ok"] is True

    converse(tmp_path / "control", talk)


def test_a_line_without_an_end_is_refused_and_hung_up_on(tmp_path: Path) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x" * (2 * MAX_REQUEST_BYTES + 1))
        assert "a request may have" in json.loads(await reader.readline())["error"]
        assert await reader.read() == b""

    converse(tmp_path / "control", talk)


def test_a_socket_file_of_a_dead_bench_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "control"
    path.touch()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'{"verb": "link_up"}\n')
        assert json.loads(await reader.readline())["ok"] is True

    converse(path, talk)


def test_a_second_bench_on_the_same_socket_is_told_so(tmp_path: Path) -> None:
    async def talk(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        with pytest.raises(BenchError, match="another bench listens there"):
            await ControlSocket(tmp_path / "control", Echo()).start()

    converse(tmp_path / "control", talk)


@pytest.mark.parametrize("path", ["/nowhere/at/all/control", "/proc/control", "/tmp/" + "x" * 200])
def test_a_path_that_cannot_be_used_is_named(path: str) -> None:
    with pytest.raises(BenchError, match=r"--control /.*; name a path in an existing, writable directory"):
        asyncio.run(ControlSocket(Path(path), Echo()).start())


def test_a_bench_is_for_the_user_who_runs_it() -> None:
    async def run(folder: Path) -> None:
        control = ControlSocket(folder / "control", Echo())
        await control.start()
        assert stat.S_IMODE((folder / "control").stat().st_mode) == 0o600
        (folder / "control").chmod(0o666)  # not even then
        (reply,) = await ask_as(folder / "control", Role.NOBODY, {"verb": "plug_in"})
        await control.stop()
        assert reply["ok"] is (os.geteuid() != 0)  # who is not root has no other user to be

    with open_folder() as folder:
        asyncio.run(run(folder))
