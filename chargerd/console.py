"""The station's local console: a UNIX socket on which `chargerctl` and the bench ask what is going on.

Newline-delimited JSON, one reply a request, as the control socket of the bench speaks it. Nobody outside the machine
can reach it: there is no listener on any network. Inside, anybody may knock; what a caller may do is decided by who it
is (chargerd/access.py), before its first byte is read. However many knock and however slowly they read, the console
takes a small part of the process's time and of its memory.
"""

import asyncio
import json
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from chargerd.access import GROUPS, STACK_VERBS, VERBS, Caller, Gate, Role, caller_of, gate_of_this_machine, how_to_get

MAX_REQUEST_BYTES = 16 * 1024
MAX_CLIENTS = 24
MAX_CLIENTS_OF_ONE_USER = 8
CLIENT_IDLE_S = 300.0

TAKEN_WITHIN_S = 10.0
"""A client that does not take its answer within this time is hung up on."""

REST = 3.0
"""After each answer the console rests this many times as long as the answer took: a quarter of the time is its own."""

TELL_AGAIN_AFTER_S = 60.0
"""A caller who tries again and again is told of once in this time."""

Verb = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""One verb: the request in, the reply's fields out. Raises ConsoleError for a request it refuses."""


class ConsoleError(Exception):
    """A request that cannot be served: what is wrong and what would be right."""


class Access(msgspec.Struct, frozen=True):
    """Somebody used a verb that needs `role`, or was not allowed to."""

    uid: int
    verb: str
    role: Role
    accepted: bool


class Console:
    """Serves `verbs` on the socket `path` to those whose role allows it."""

    def __init__(
        self,
        path: Path,
        verbs: Mapping[str, Verb],
        *,
        gate: Gate | None = None,
        on_access: Callable[[Access], None] | None = None,
    ) -> None:
        """`gate` None: the groups of this machine. `on_access` is told of technicians, and of all who were refused."""
        assert verbs.keys() <= VERBS.keys(), f"who may use {sorted(verbs.keys() - VERBS.keys())}? See access.VERBS"
        self._path = path
        self._verbs = verbs
        self._gate = gate or gate_of_this_machine()
        self._on_access = on_access or (lambda _access: None)
        self._server: asyncio.Server | None = None
        self._clients: Counter[int] = Counter()
        self._turn = asyncio.Lock()
        self._told_mono: dict[tuple[int, str], float] = {}

    async def start(self) -> None:
        """Listen; a socket file left by a dead process is replaced. Raises OSError."""
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(str(self._path))
            self._path.chmod(0o666)  # who may do what is asked of the kernel, not of the file
            self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=MAX_REQUEST_BYTES)
        except BaseException:
            listener.close()
            raise

    async def stop(self) -> None:
        """Stop listening and remove the socket file."""
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            caller = caller_of(writer.get_extra_info("socket"))
        except OSError:  # gone already
            writer.close()
            return
        self._clients[caller.uid] += 1
        try:
            if self._gate.role_of(caller) is Role.NOBODY and not self._gate.is_stack(caller):
                self._tell(Access(caller.uid, "console", Role.READER, accepted=False))
                writer.write(_line(_refusal(f"you may not look here: {how_to_get(Role.READER)}")))
            elif self._has_room_for(caller):
                await self._converse(reader, writer, caller)
        except (ConnectionError, TimeoutError, asyncio.CancelledError):
            writer.transport.abort()  # what it has not taken by now need not be kept for it
        finally:
            self._clients[caller.uid] -= 1
            self._clients += Counter()  # forgets who has none
            writer.close()

    def _has_room_for(self, caller: Caller) -> bool:
        """Nobody keeps the others out, and nobody keeps root out."""
        if self._clients[caller.uid] > MAX_CLIENTS_OF_ONE_USER:
            return False
        return self._clients.total() <= MAX_CLIENTS or self._gate.is_master(caller)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, caller: Caller) -> None:
        while True:
            try:
                line = await asyncio.wait_for(reader.readline(), CLIENT_IDLE_S)
            except ValueError:
                writer.write(_line(_refusal(f"request longer than {MAX_REQUEST_BYTES} bytes")))
                await asyncio.wait_for(writer.drain(), TAKEN_WITHIN_S)
                return
            if not line:
                return
            await self._answer_in_turn(line, writer, caller)
            await asyncio.wait_for(writer.drain(), TAKEN_WITHIN_S)

    async def _answer_in_turn(self, line: bytes, writer: asyncio.StreamWriter, caller: Caller) -> None:
        """One answer at a time, and then a rest in which the station does its work."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            began = loop.time()
            writer.write(_line(self.answer(line, caller)))
            await asyncio.sleep(REST * (loop.time() - began))

    def answer(self, line: bytes, caller: Caller) -> Mapping[str, Any]:
        """The reply to one request line; never raises for anything a client can send."""
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return _refusal('not JSON; expected one object a line, e.g. {"verb": "status"}')
        if not isinstance(request, dict) or not isinstance(request.get("verb"), str):
            return _refusal(f'no "verb"; known verbs: {", ".join(sorted(self._verbs))}')
        name = request["verb"]
        verb = self._verbs.get(name)
        if verb is None:
            return _refusal(f"unknown verb {name!r}; known verbs: {', '.join(sorted(self._verbs))}")
        needed = VERBS[name]
        by_stack = name in STACK_VERBS and self._gate.is_stack(caller)
        accepted = by_stack or self._gate.role_of(caller) >= needed
        if (needed is Role.TECHNICIAN and not by_stack) or not accepted:
            self._tell(Access(caller.uid, name, needed, accepted))
        if not accepted:
            return _refusal(f"{name} is for members of {GROUPS[needed]}: {how_to_get(needed)}")
        try:
            return {"ok": True} | dict(verb(request))
        except ConsoleError as error:
            return _refusal(str(error))

    def _tell(self, access: Access) -> None:
        now_mono = time.monotonic()
        about = (access.uid, f"{access.verb} {access.accepted}")
        if now_mono < self._told_mono.get(about, float("-inf")) + TELL_AGAIN_AFTER_S:
            return
        self._told_mono = {who: at for who, at in self._told_mono.items() if now_mono < at + TELL_AGAIN_AFTER_S}
        self._told_mono[about] = now_mono
        self._on_access(access)


def _refusal(error: str) -> dict[str, Any]:
    return {"ok": False, "error": error}


def _line(reply: Mapping[str, Any]) -> bytes:
    return json.dumps(reply, separators=(",", ":"), default=str).encode() + b"\n"
