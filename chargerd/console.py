"""The station's local console: a UNIX socket on which `chargerctl` and the bench ask what is going on.

Newline-delimited JSON, one reply a request, as the control socket of the bench speaks it. It reads; the only verbs
that change anything belong to the bench and are refused on a real charger. Nobody outside the machine can reach it:
there is no listener on any network, and the mode of the socket lets in its user, its group and root.
"""

import asyncio
import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

MAX_REQUEST_BYTES = 16 * 1024
MAX_CLIENTS = 16
CLIENT_IDLE_S = 300.0

Verb = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""One verb: the request in, the reply's fields out. Raises ConsoleError for a request it refuses."""


class ConsoleError(Exception):
    """A request that cannot be served: what is wrong and what would be right."""


class Console:
    """Serves `verbs` on the socket `path` to its user and group, and root."""

    def __init__(self, path: Path, verbs: Mapping[str, Verb]) -> None:
        self._path = path
        self._verbs = verbs
        self._server: asyncio.Server | None = None
        self._clients = 0

    async def start(self) -> None:
        """Listen; a socket file left by a dead process is replaced. Raises OSError."""
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(str(self._path))
            self._path.chmod(0o660)  # before anybody can be heard
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
        self._clients += 1
        try:
            if self._clients <= MAX_CLIENTS:
                await self._converse(reader, writer)
        except (ConnectionError, TimeoutError, asyncio.CancelledError):
            pass
        finally:
            self._clients -= 1
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                line = await asyncio.wait_for(reader.readline(), CLIENT_IDLE_S)
            except ValueError:
                writer.write(_line({"ok": False, "error": f"request longer than {MAX_REQUEST_BYTES} bytes"}))
                await writer.drain()
                return
            if not line:
                return
            writer.write(_line(self.answer(line)))
            await writer.drain()

    def answer(self, line: bytes) -> Mapping[str, Any]:
        """The reply to one request line; never raises for anything a client can send."""
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return {"ok": False, "error": 'not JSON; expected one object a line, e.g. {"verb": "status"}'}
        if not isinstance(request, dict) or not isinstance(request.get("verb"), str):
            return {"ok": False, "error": f'no "verb"; known verbs: {", ".join(sorted(self._verbs))}'}
        verb = self._verbs.get(request["verb"])
        if verb is None:
            return {
                "ok": False,
                "error": f"unknown verb {request['verb']!r}; known verbs: {', '.join(sorted(self._verbs))}",
            }
        try:
            return {"ok": True} | dict(verb(request))
        except ConsoleError as error:
            return {"ok": False, "error": str(error)}


def _line(reply: Mapping[str, Any]) -> bytes:
    return json.dumps(reply, separators=(",", ":"), default=str).encode() + b"\n"
