"""The file server of a test system over real HTTP: a server in a thread that hands what arrives to Files,
and sends what these offer."""

import re
import select
import shutil
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from chargerd.conformance.files import FOLDER, Files

MAX_FILE_BYTES = 16 * 1024 * 1024
LOOK_EVERY_S = 0.1
BLOCK_BYTES = 256 * 1024


class FileServer:
    """Listens at `address` (port 0: any that is free)."""

    def __init__(self, address: tuple[str, int]) -> None:
        """Raises OSError when nobody can listen there."""
        self.files = Files()
        self._closing = threading.Event()
        handler = type("Handler", (_Handler,), {"files": self.files, "closing": self._closing})
        self._server = ThreadingHTTPServer(address, handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="conformance files", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where files are to be sent, without the folder."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def close(self) -> None:
        """Hang up and listen no more."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    files: Files
    closing: threading.Event

    def do_PUT(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        content = self.rfile.read(min(length, MAX_FILE_BYTES))
        if self.path.startswith(FOLDER) and self.files.holds():
            self._wait_for_the_end()
            return
        self.send_response(self.files.take(self.path, content))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        file = self.files.offered(self.path)
        if file is None:
            self.send_error(404)
        elif self.files.holds():
            self._wait_for_the_end()
        else:
            self._send(file)

    def _send(self, file: Path) -> None:
        """All of it, or what is left of it from a byte on."""
        size, tag = file.stat().st_size, f'"{file.stat().st_mtime_ns:x}"'
        asked = re.fullmatch(r"bytes=([0-9]{1,18})-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked and self.headers.get("If-Range") == tag else 0
        if start >= size:
            start = 0
        self.send_response(206 if start else 200)
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(size - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.end_headers()
        with file.open("rb") as content, suppress(OSError):  # who asked may hang up
            content.seek(start)
            shutil.copyfileobj(content, self.wfile, BLOCK_BYTES)

    def do_POST(self) -> None:
        self.send_error(405)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing: the test tells what happened."""

    def _wait_for_the_end(self) -> None:
        """The sender hangs up, or this server does."""
        while not self.closing.is_set():
            if select.select([self.connection], [], [], LOOK_EVERY_S)[0]:
                break
        self.close_connection = True
