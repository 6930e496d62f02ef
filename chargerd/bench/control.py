"""The control socket of the bench: newline-delimited JSON, one reply a request, in order."""

import asyncio
import json
from pathlib import Path

from chargerd.bench.rig import Rig
from chargerd.bench.verbs import BenchError

MAX_REQUEST_BYTES = 64 * 1024


class ControlSocket:
    """Serves all verbs of `rig` on the UNIX socket `path`."""

    def __init__(self, path: Path, rig: Rig) -> None:
        self._path = path
        self._rig = rig
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises BenchError when the path cannot be used."""
        try:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            if await _is_served(self._path):
                raise BenchError(f"--control {self._path}: another bench listens there; end it or name another path")
            self._path.unlink(missing_ok=True)
            self._server = await asyncio.start_unix_server(self._serve, path=self._path, limit=MAX_REQUEST_BYTES)
        except OSError as error:
            raise BenchError(
                f"--control {self._path}: {error.strerror or error}; name a path in an existing, writable directory"
            ) from error

    async def stop(self) -> None:
        """Stop listening and remove the socket."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                reply = await self.answer(line)
                writer.write(json.dumps(reply, default=str).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass
        finally:
            writer.close()

    async def answer(self, line: bytes) -> dict[str, object]:
        """The reply to one request line; never raises for anything a client can send."""
        try:
            request = json.loads(line)
            verb = request.pop("verb")
            return {"ok": True} | await self._rig.do(verb, request)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {
                "ok": False,
                "error": 'expected one JSON object a line with a "verb", e.g. {"verb": "plug_in", "evse": 1}',
            }
        except BenchError as error:
            return {"ok": False, "error": str(error)}


async def _is_served(path: Path) -> bool:
    """Whether somebody alive listens on `path`; a file left by a dead bench is in nobody's way."""
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    return True
