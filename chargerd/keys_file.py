"""Private keys on disk: the folder that holds them, and keys that are nothing but their file.

A key file is private from its first moment (its user's alone, mode 0600), and one that others can read is not used any
more: what they read is a copy of the station. A key is complete on disk before anybody hears its name.
"""

import os
import re
import ssl
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from chargerd.identity import IdentityError, KeyFacts
from chargerd.ocpp.effects import MakeKey

SUFFIX = ".pem"
MAX_KEY_BYTES = 16 * 1024
PLACES = {"file": "file", "tpm": "TPM"}
"""The first word of a key id, and what people call it."""

_KEY_ID = re.compile(r"(file|tpm)-[0-9a-f]{32}")


class KeyFolder:
    """The files, by key id. The folder belongs to the station's user, mode 0700; it is made with the first key."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, key_id: str, pem: bytes) -> None:
        """Put a new key on the disk, for good. Raises IdentityError."""
        try:
            self.path.mkdir(mode=0o700, exist_ok=True)
            _write_private(self._file(key_id), pem)
            sync_folder(self.path)
        except OSError as error:
            raise IdentityError(
                f"{self.path}: a key cannot be kept ({error.strerror}); check space and owner"
            ) from error

    @contextmanager
    def opened(self, key_id: str) -> Iterator[int]:
        """A descriptor of the key's file, checked to be private. Raises IdentityError."""
        path = self._file(key_id)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise IdentityError(f"{path}: no such key; the station needs a new certificate for a new key") from error
        except OSError as error:
            raise IdentityError(f"{path}: cannot be read ({error.strerror}); is it the station's own?") from error
        try:
            if problem := self._why_not_private(os.fstat(descriptor)):
                raise IdentityError(f"{path}: {problem}")
            yield descriptor
        finally:
            os.close(descriptor)

    def destroy_all_but(self, key_ids: frozenset[str]) -> None:
        """Remove every other key. Raises IdentityError."""
        try:
            doomed = [path for path in self._files() if path.stem not in key_ids]
            for path in doomed:
                path.unlink(missing_ok=True)
            if doomed:
                sync_folder(self.path)
        except OSError as error:
            raise IdentityError(f"{self.path}: an old key cannot be destroyed ({error.strerror})") from error

    def describe(self) -> tuple[KeyFacts, ...]:
        """Each key, the oldest first."""
        facts = []
        for path in self._files():
            with suppress(FileNotFoundError):
                found = path.lstat()
                made_utc = datetime.fromtimestamp(found.st_mtime, UTC)
                place = PLACES[path.stem.partition("-")[0]]
                facts.append(KeyFacts(path.stem, place, made_utc, self._why_not_private(found)))
        return tuple(sorted(facts, key=lambda fact: fact.made_utc))

    def _files(self) -> list[Path]:
        """What looks like a key; nothing else in the folder is ours to touch."""
        return [path for path in self.path.glob("*" + SUFFIX) if _KEY_ID.fullmatch(path.stem)]

    def _file(self, key_id: str) -> Path:
        if not _KEY_ID.fullmatch(key_id):
            raise IdentityError(f"{key_id[:50]!r} is not the name of a key")
        return self.path / f"{key_id}{SUFFIX}"

    def _why_not_private(self, file: os.stat_result) -> str | None:
        """Why this key may be known to others, with the remedy."""
        folder = self.path.stat()
        if not stat.S_ISREG(file.st_mode):
            return "is no ordinary file; remove it and have a new key made"
        if folder.st_uid not in {os.geteuid(), 0} and os.geteuid() != 0:
            return f"{self.path} belongs to another user; give it to the station's (chown -R)"
        if file.st_uid != folder.st_uid:
            return "belongs to another user than its folder; others may know the key, have a new one made"
        if (file.st_mode | folder.st_mode) & 0o077:
            return "others can read it; if they should not have, have a new key made, then chmod go= on file and folder"
        return None


class FileKeys:
    """Keys that are their file: whoever has the file is the station."""

    prefix = "file"

    def make(self, request: MakeKey) -> tuple[bytes, str]:
        """See KeyPlace."""
        from chargerd.csr import new_file_key  # noqa: PLC0415  see there

        return new_file_key(request)

    def use(self, _pem: bytes, _context: ssl.SSLContext, load: Callable[[], None]) -> None:
        """See KeyPlace."""
        load()


def sync_folder(path: Path) -> None:
    """What was made or removed in the folder is so after a power cut. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_private(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
