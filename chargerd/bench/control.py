"""The control socket of the bench: newline-delimited JSON, one reply a request, in order, for the user who runs it."""

import asyncio
import contextlib
import json
import os
from pathlib import Path

from chargerd.access import caller_of
from chargerd.bench.verbs import BenchError, ServesVerbs

MAX_REQUEST_BYTES = 64 * 1024
EXPECTED = 'expected one JSON object a line, e.g. {"verb": "plug_in", "evse": 1}'


class ControlSocket:
    """Serves all verbs of `rig` on the UNIX socket `path`."""

    def __init__(self, path: Path, rig: ServesVerbs) -> None:
        self._path = path
        self._rig = rig
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Listen. Raises BenchError when the path cannot be used."""
        try:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            if await _is_served(self._path):
                raise BenchError(f"--control {self._path}: another bench listens there; end it or name another path")
            self._path.unlink(missing_ok=True)
            self._server = await asyncio.start_unix_server(self._welcome, path=self._path, limit=MAX_REQUEST_BYTES)
            self._path.chmod(0o600)
        except OSError as error:
            raise BenchError(
                f"--control {self._path}: {error.strerror or error}; name a path in an existing, writable directory"
            ) from error

    async def stop(self) -> None:
        """Stop listening, hang up and remove the socket."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
            serving = list(self._clients.values())
            for writer in self._clients:
                writer.close()
            await asyncio.gather(*serving, return_exceptions=True)

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients[writer] = asyncio.create_task(self._serve(reader, writer))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            caller = caller_of(writer.get_extra_info("socket"))
            if caller.uid not in {0, os.getuid()}:
                await _reply(writer, _refusal("a bench is for the user who runs it"))
                return
            while line := await reader.readline():
                await _reply(writer, await self.answer(line))
        except ValueError:
            # Where the next request begins in an endless line, nobody can tell: answer and hang up.
            await _reply(writer, _refusal(f"a request may have {MAX_REQUEST_BYTES} bytes"))
        except OSError:  # it has gone
            pass
        finally:
            del self._clients[writer]
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def answer(self, line: bytes) -> dict[str, object]:
        """The reply to one request line; never raises for anything a client can send."""
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return _refusal(f"not JSON; {EXPECTED}")
        if not isinstance(request, dict) or not isinstance(request.get("verb"), str):
            return _refusal(f'no "verb"; {EXPECTED}')
        verb = request.pop("verb")
        try:
            return {"ok": True} | await self._rig.do(verb, request)
        except BenchError as error:
            return _refusal(str(error))


async def _reply(writer: asyncio.StreamWriter, reply: dict[str, object]) -> None:
    with contextlib.suppress(ConnectionError):
        writer.write(json.dumps(reply, default=str).encode() + b"\n")
        await writer.drain()


def _refusal(error: str) -> dict[str, object]:
    return {"ok": False, "error": error}


async def _is_served(path: Path) -> bool:
    """Whether somebody alive listens on `path`; a file left by a dead bench is in nobody's way."""
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return True
