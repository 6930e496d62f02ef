"""All durable state of the station: one SQLite file with named values and ordered queues, written synchronously.

What `transaction()` covers is on disk completely or not at all, whatever kills the process or the power. The file
belongs to one process at a time. Values are JSON, decoded strictly into the type that is asked for.
"""

import contextlib
import os
import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from chargerd import codec

T = TypeVar("T")

PAGE_BYTES = 1024
"""A queued message is about 1 kB; small pages keep the bytes written per commit, and so the wear of flash, low."""

ROWS_PER_READ = 100
"""Rows handed out by one `rows` call unless the caller says otherwise: memory stays flat however long a queue is."""

MAX_VALUE_BYTES = 16 * 1024 * 1024
"""No value of ours comes near this; a longer one is not ours."""

MIGRATIONS = (
    """
    CREATE TABLE value (
        namespace TEXT NOT NULL, key TEXT NOT NULL, json BLOB NOT NULL, PRIMARY KEY (namespace, key)
    ) WITHOUT ROWID;
    CREATE TABLE row (
        id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, subject TEXT NOT NULL, json BLOB NOT NULL
    );
    CREATE INDEX row_by_queue ON row (queue, id);
    CREATE INDEX row_by_subject ON row (queue, subject);
    """,
    """
    CREATE TABLE named (
        id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, key TEXT NOT NULL, json BLOB NOT NULL, UNIQUE (namespace, key)
    );
    INSERT INTO named (namespace, key, json) SELECT namespace, key, json FROM value;
    DROP TABLE value;
    ALTER TABLE named RENAME TO value;
    DROP INDEX row_by_queue;
    DROP INDEX row_by_subject;
    """,
)
"""MIGRATIONS[n] takes a file from schema version n to n + 1; an entry never changes once released.

Each page that a commit touches is written, so the second version has as few as can be: a value keeps its place when it
changes (a table keyed by anything but an integer moves it to pages of its own), and rows have no index. A search walks
past the rows of other queues instead: at most the 1000 of the security log lie between those of the outbox.
"""

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PERMIT = "make its directory exist and writable for the user of the service"
_STOP_OTHER = "stop the other station process that uses the same state directory"
_RENEW = "restart the service: the file is then moved aside and a new one begun"
_REMEDIES = {
    sqlite3.SQLITE_FULL: ("the disk is full", "free space on the file system that holds the file"),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened or created", _PERMIT),
    sqlite3.SQLITE_READONLY: ("is not writable", _PERMIT),
    sqlite3.SQLITE_PERM: ("is not accessible", _PERMIT),
    sqlite3.SQLITE_BUSY: ("is in use by another process", _STOP_OTHER),
    sqlite3.SQLITE_LOCKED: ("is in use by another process", _STOP_OTHER),
    sqlite3.SQLITE_CORRUPT: ("is damaged", _RENEW),
    sqlite3.SQLITE_NOTADB: ("is damaged", _RENEW),
    sqlite3.SQLITE_IOERR: ("cannot be read or written", "check the storage medium (system log) and the free space"),
}


class StoreError(Exception):
    """The state could not be read or kept. `path`: which file, `what` happened, `remedy`: what to do about it."""

    def __init__(self, path: str, what: str, remedy: str) -> None:
        super().__init__(f"{path}: {what}; {remedy}")
        self.path = path
        self.what = what
        self.remedy = remedy


class StoredValueError(StoreError):
    """One stored value does not have the form that this version of the software expects; all others are fine.

    `row_id`: the queue row that holds it, None for a named value.
    """

    def __init__(self, path: str, what: str, row_id: int | None = None) -> None:
        super().__init__(
            path, what, "it was written by another version of the software: remove it, or go back to that version"
        )
        self.row_id = row_id


class Store:
    """Named values and ordered queues in one file. Every method raises StoreError when the file fails."""

    def __init__(self, path: str) -> None:
        """Open or begin the file at `path` (":memory:": nothing is kept). A damaged one is moved aside; see
        `take_notes`.
        """
        self._path = path
        self.is_new = False
        """Nothing was kept before."""
        self.was_damaged = False
        """What was kept before could not be used and was moved aside."""
        self._notes: list[str] = []
        self.commits = 0
        self._in_transaction = False
        self._begun = False
        self._failure: StoreError | None = None
        with self._translated():
            self._db = self._opened()
            # Who forgets a store, or fails while it opens one, leaves no lock on the file behind.
            self._closing = weakref.finalize(self, self._db.close)
            self._migrate()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside are one commit, made at the end; an exception undoes them. Without writes it is free.

        A write that failed fails the whole transaction, even if somebody inside caught the StoreError.
        """
        assert not self._in_transaction, "can't nest: the outermost caller decides what belongs together"
        self._in_transaction = True
        try:
            yield
            self._commit()
        except BaseException:
            if self._begun:
                self._roll_back()
            raise
        finally:
            self._in_transaction = False
            self._begun = False
            self._failure = None

    def get(self, namespace: str, key: str, kind: type[T]) -> T | None:
        """The value under `key`, None when there is none. Raises StoredValueError when it is no `kind`."""
        found = self._one("SELECT json FROM value WHERE namespace = ? AND key = ?", namespace, key)
        return None if found is None else self._decoded(found[0], kind, f"value {namespace}/{key}")

    def put(self, namespace: str, key: str, value: object) -> None:
        """Set the value under `key`."""
        self._write(
            """INSERT INTO value (namespace, key, json) VALUES (?, ?, ?)
               ON CONFLICT (namespace, key) DO UPDATE SET json = excluded.json""",
            namespace,
            key,
            codec.encode(value),
        )

    def delete(self, namespace: str, key: str) -> None:
        """Remove the value under `key`, if there is one."""
        self._write("DELETE FROM value WHERE namespace = ? AND key = ?", namespace, key)

    def clear(self, namespace: str) -> None:
        """Remove all values of a namespace."""
        self._write("DELETE FROM value WHERE namespace = ?", namespace)

    def has(self, namespace: str, key: str) -> bool:
        """Whether there is a value under `key`, readable or not."""
        return self._one("SELECT 1 FROM value WHERE namespace = ? AND key = ?", namespace, key) is not None

    def size_bytes(self, namespace: str) -> int:
        """How many bytes the keys and values of a namespace are."""
        found = self._one(
            "SELECT coalesce(sum(length(key) + length(json)), 0) FROM value WHERE namespace = ?", namespace
        )
        assert found is not None, "can't be empty: sum() always gives a row"
        return int(found[0])

    def find(self, namespace: str, key: str, kind: type[T]) -> T | None:
        """The value under `key`, None when there is none that is a `kind`: what another version wrote is put aside
        with a note. Whoever stopped at it would stop again at every start; whoever deleted it would take it away from
        who installs the right version.
        """
        found = self._one("SELECT json FROM value WHERE namespace = ? AND key = ?", namespace, key)
        return None if found is None else self._usable(namespace, key, found[0], kind)

    def items(self, namespace: str, kind: type[T]) -> list[tuple[str, T]]:
        """All keys and values of a namespace, ordered by key, that are a `kind`; the others are put aside as by
        `find`.
        """
        found = self._all("SELECT key, json FROM value WHERE namespace = ? ORDER BY key", namespace)
        usable = ((key, self._usable(namespace, key, raw, kind)) for key, raw in found)
        return [(key, value) for key, value in usable if value is not None]

    def keys(self, namespace: str) -> list[str]:
        """All keys of a namespace, in order; whatever their values are."""
        return [str(row[0]) for row in self._all("SELECT key FROM value WHERE namespace = ? ORDER BY key", namespace)]

    def put_aside(self, namespace: str, key: str) -> None:
        """Move a value that cannot be used to the namespace "<namespace>.unreadable", where nobody looks for it."""
        self._write(
            "UPDATE OR REPLACE value SET namespace = ? WHERE namespace = ? AND key = ?",
            f"{namespace}.unreadable",
            namespace,
            key,
        )

    def take_notes(self) -> list[str]:
        """What people should know: a file that was moved aside, values that could not be read. Each is told once."""
        notes, self._notes = self._notes, []
        return notes

    def append(self, queue: str, value: object, subject: str = "") -> int:
        """Add a row at the end of `queue`; its id is greater than that of any row before it, removed ones included."""
        return self._write(
            "INSERT INTO row (queue, subject, json) VALUES (?, ?, ?)", queue, subject, codec.encode(value)
        )

    def head(self, queue: str, kind: type[T]) -> tuple[int, T] | None:
        """The oldest row as (id, value), None when the queue is empty."""
        return next(iter(self.rows(queue, kind, limit=1)), None)

    def rows(self, queue: str, kind: type[T], after: int = 0, limit: int = ROWS_PER_READ) -> list[tuple[int, T]]:
        """At most `limit` rows with an id above `after`, oldest first."""
        found = self._all(
            "SELECT id, json FROM row WHERE queue = ? AND id > ? ORDER BY id LIMIT ?", queue, after, limit
        )
        return [(row_id, self._decoded(raw, kind, f"row {row_id} of queue {queue}", row_id)) for row_id, raw in found]

    def replace(self, queue: str, row_id: int, value: object) -> None:
        """Give a row a new value; its place stays."""
        self._write("UPDATE row SET json = ? WHERE queue = ? AND id = ?", codec.encode(value), queue, row_id)

    def remove(self, queue: str, row_id: int) -> None:
        """Take a row out of the queue, if it is there."""
        self._write("DELETE FROM row WHERE queue = ? AND id = ?", queue, row_id)

    def set_aside(self, queue: str, row_id: int) -> None:
        """Move a row that cannot be used to the queue "<queue>.unreadable": nothing is lost, the next one follows."""
        self._write("UPDATE row SET queue = ? WHERE queue = ? AND id = ?", f"{queue}.unreadable", queue, row_id)

    def trim(self, queue: str, keep: int) -> None:
        """Remove the oldest rows until `keep` (at least 1) are left."""
        self._write(
            """DELETE FROM row WHERE queue = ? AND id <
               (SELECT id FROM row WHERE queue = ? ORDER BY id DESC LIMIT 1 OFFSET ?)""",
            queue,
            queue,
            keep - 1,
        )

    def count(self, queue: str, subject: str | None = None) -> int:
        """How many rows there are, all or those of one subject."""
        if subject is None:
            found = self._one("SELECT count(*) FROM row WHERE queue = ?", queue)
        else:
            found = self._one("SELECT count(*) FROM row WHERE queue = ? AND subject = ?", queue, subject)
        assert found is not None, "can't be empty: count() always gives a row"
        return int(found[0])

    def last_id(self, queue: str) -> int:
        """The id of the newest row, 0 when the queue is empty."""
        found = self._one("SELECT id FROM row WHERE queue = ? ORDER BY id DESC LIMIT 1", queue)
        return 0 if found is None else int(found[0])

    def close(self) -> None:
        """Fold everything into the one file and let go of it."""
        with self._translated():
            self._db.close()

    def _opened(self) -> sqlite3.Connection:
        if self._path == ":memory:":
            return _connected(self._path)
        # SQLite calls this an I/O error, or notices with the first write only.
        if not _is_writable(Path(self._path)):
            raise StoreError(self._path, "is not writable", _PERMIT)
        try:
            return _checked(self._path)
        except sqlite3.DatabaseError as error:
            if _primary(error) not in _DAMAGED:
                raise
            aside = _moved_aside(Path(self._path))
            self.was_damaged = True
            self._notes.append(f"store: {self._path} was damaged ({error}), moved to {aside} and a new one begun")
        return _checked(self._path)

    def _migrate(self) -> None:
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        if version > len(MIGRATIONS):
            self._db.close()
            what = f"has schema version {version}, this software knows {len(MIGRATIONS)} at most"
            raise StoreError(self._path, what, "install the newer version again, or start with another state directory")
        self.is_new = version == 0
        # Also proves at start, not at the first transaction of a customer, that the file can be written.
        self._db.execute("BEGIN IMMEDIATE")
        for step in MIGRATIONS[version:]:
            for statement in filter(str.strip, step.split(";")):
                self._db.execute(statement)
        if version == len(MIGRATIONS):
            self._db.execute("ROLLBACK")
            return
        self._db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        self._db.execute("COMMIT")

    def _write(self, statement: str, *values: object) -> int:
        try:
            with self._translated():
                if self._in_transaction and not self._begun:
                    self._db.execute("BEGIN IMMEDIATE")
                    self._begun = True
                row_id = self._db.execute(statement, values).lastrowid
        except StoreError as error:
            self._failure = error if self._in_transaction else None
            raise
        if not self._in_transaction:
            self.commits += 1
        return row_id or 0

    def _one(self, statement: str, *values: object) -> tuple[bytes] | None:
        with self._translated():
            found: tuple[bytes] | None = self._db.execute(statement, values).fetchone()
            return found

    def _all(self, statement: str, *values: object) -> list[tuple[Any, bytes]]:
        with self._translated():
            return self._db.execute(statement, values).fetchall()

    def _commit(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._begun:
            with self._translated():
                self._db.execute("COMMIT")
            self.commits += 1

    def _roll_back(self) -> None:
        # SQLite undoes by itself on a full disk or I/O error; a second ROLLBACK then says "no transaction".
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("ROLLBACK")

    def _usable(self, namespace: str, key: str, raw: bytes, kind: type[T]) -> T | None:
        """The value, None when it is no `kind`: then it is put aside with a note."""
        try:
            return self._decoded(raw, kind, f"value {namespace}/{key}")
        except StoredValueError as error:
            self._notes.append(f"store: {namespace}/{key} was set aside ({error})")
            self.put_aside(namespace, key)
            return None

    def _decoded(self, raw: bytes, kind: type[T], place: str, row_id: int | None = None) -> T:
        try:
            return codec.decode(kind, raw, max_bytes=MAX_VALUE_BYTES)
        except codec.CodecError as error:
            what = f"{place} is not readable as {kind.__name__}: {error}"
            raise StoredValueError(self._path, what, row_id) from error

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            what, remedy = _REMEDIES.get(_primary(error), ("failed", "check the storage medium and the system log"))
            raise StoreError(self._path, f"{what} ({error})", remedy) from error
        except OSError as error:
            raise StoreError(self._path, f"cannot be moved aside ({error})", "make its directory writable") from error


def _primary(error: sqlite3.Error) -> int:
    """The primary result code; the upper bits only refine it (sqlite.org/rescode.html)."""
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) or 0) & 0xFF


def _is_writable(path: Path) -> bool:
    """Whether the file, and those SQLite keeps beside it, may be written; a missing directory is found by opening."""
    try:
        folder_is_fine = not path.parent.exists() or os.access(path.parent, os.W_OK | os.X_OK)
        return folder_is_fine and (not path.exists() or os.access(path, os.W_OK))
    except OSError:  # a folder above may not even be looked into
        return False


def _create_private(path: str) -> None:
    """Make the file readable for its owner alone: it holds passwords and tokens. What SQLite adds inherits that."""
    with contextlib.suppress(OSError):  # SQLite tells what is wrong in its own words
        if path != ":memory:":
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _connected(path: str) -> sqlite3.Connection:
    _create_private(path)
    # One thread uses a store; but a forgotten one is closed by whichever thread happens to collect it.
    db = sqlite3.connect(path, timeout=0.0, isolation_level=None, check_same_thread=False)
    try:
        db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        # One owner: a second station process on the same state would send everything twice.
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        # Deleted rows hold tokens; the free pages must not keep them for whoever finds the card.
        db.execute("PRAGMA secure_delete = ON")
    except sqlite3.Error:
        db.close()
        raise
    return db


def _checked(path: str) -> sqlite3.Connection:
    """Opened and found sound. Raises sqlite3.DatabaseError with a code of _DAMAGED when it is not."""
    db = _connected(path)
    try:
        verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error:
        db.close()
        raise
    if verdict != "ok":
        db.close()
        error = sqlite3.DatabaseError(str(verdict))
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error
    return db


def _moved_aside(path: Path) -> Path:
    """Rename the file and its write-ahead log to the first free "<name>.damaged-<n>"; the new path."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for suffix in ("-wal", "-shm", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside
