import gc
import getpass
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from chargerd.store import MIGRATIONS, Store, StoredValueError, StoreError

ROOT = Path(__file__).resolve().parents[2]


class Point(msgspec.Struct, frozen=True):
    x: int
    at: datetime | None = None


POINT = Point(3, datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC))


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "state.db")


@pytest.fixture
def store(path: str) -> Iterator[Store]:
    opened = Store(path)
    yield opened
    opened.close()


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a process of its own."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


# ---- values ----


def test_the_size_of_a_namespace_is_that_of_its_keys_and_values(store: Store) -> None:
    assert store.size_bytes("space") == 0
    store.put("space", "key", Point(4))
    store.put("elsewhere", "key", Point(4))
    assert store.size_bytes("space") == len("key") + len(msgspec.json.encode(Point(4)))


def test_a_value_comes_back_as_it_was_put(store: Store) -> None:
    store.put("space", "key", POINT)
    assert store.get("space", "key", Point) == POINT
    assert store.get("space", "other", Point) is None
    assert store.get("elsewhere", "key", Point) is None
    store.put("space", "key", Point(4))
    assert store.get("space", "key", Point) == Point(4)
    store.delete("space", "key")
    store.delete("space", "key")
    assert store.get("space", "key", Point) is None


def test_items_are_all_of_one_namespace_in_order_of_key(store: Store) -> None:
    for key in ("b", "a", "ä"):
        store.put("space", key, key)
    store.put("spac", "c", "c")
    assert store.items("space", str) == [("a", "a"), ("b", "b"), ("ä", "ä")]


def test_a_namespace_is_cleared_and_the_others_stay(store: Store) -> None:
    store.put("a", "1", 1)
    store.put("b", "1", 2)
    assert store.has("a", "1")
    store.clear("a")
    assert not store.has("a", "1")
    assert store.items("b", int) == [("1", 2)]


def test_a_value_of_another_form_is_named_and_the_others_are_fine(store: Store) -> None:
    store.put("space", "bad", {"x": "three"})
    store.put("space", "good", POINT)
    with pytest.raises(StoredValueError, match="space/bad") as caught:
        store.get("space", "bad", Point)
    assert caught.value.row_id is None
    assert store.get("space", "good", Point) == POINT


def test_everything_is_still_there_after_reopening(path: str) -> None:
    first = Store(path)
    first.put("space", "key", POINT)
    row_id = first.append("queue", POINT)
    first.close()
    second = Store(path)
    assert second.get("space", "key", Point) == POINT
    assert second.head("queue", Point) == (row_id, POINT)
    assert second.take_notes() == []
    second.close()


# ---- queues ----


def test_a_queue_hands_out_its_rows_in_order(store: Store) -> None:
    ids = [store.append("queue", Point(n)) for n in range(5)]
    store.append("other", Point(99))
    assert ids == sorted(set(ids))
    assert store.head("queue", Point) == (ids[0], Point(0))
    assert [value.x for _, value in store.rows("queue", Point, after=ids[1], limit=2)] == [2, 3]
    store.remove("queue", ids[0])
    store.replace("queue", ids[1], Point(11))
    assert store.head("queue", Point) == (ids[1], Point(11))
    assert store.count("queue") == 4
    assert store.last_id("queue") == ids[4]
    assert store.last_id("empty") == 0
    assert store.head("empty", Point) is None


def test_a_row_id_is_never_used_again_not_even_after_a_restart(path: str) -> None:
    first = Store(path)
    row_id = first.append("queue", Point(1))
    first.remove("queue", row_id)
    first.close()
    second = Store(path)
    assert second.append("queue", Point(2)) > row_id
    second.close()


def test_rows_are_counted_by_subject(store: Store) -> None:
    for subject in ("a", "b", "a", ""):
        store.append("queue", Point(0), subject)
    assert store.count("queue", "a") == 2
    assert store.count("queue", "c") == 0
    assert store.count("queue") == 4


def test_a_row_set_aside_leaves_the_queue_and_is_not_lost(store: Store) -> None:
    bad = store.append("queue", "not a point")
    good = store.append("queue", POINT)
    with pytest.raises(StoredValueError) as caught:
        store.head("queue", Point)
    assert caught.value.row_id == bad
    store.set_aside("queue", bad)
    assert store.head("queue", Point) == (good, POINT)
    assert store.head("queue.unreadable", str) == (bad, "not a point")


def test_trim_keeps_the_newest_rows(store: Store) -> None:
    for n in range(10):
        store.append("ring", n)
        store.append("other", n)
        store.trim("ring", 3)
    assert [value for _, value in store.rows("ring", int)] == [7, 8, 9]
    assert store.count("other") == 10


# ---- transactions ----


def test_what_a_transaction_covers_is_one_commit(store: Store) -> None:
    before = store.commits
    with store.transaction():
        for n in range(20):
            store.append("queue", Point(n))
        store.put("space", "key", POINT)
    assert store.commits == before + 1


def test_a_transaction_without_writes_costs_no_commit(store: Store) -> None:
    before = store.commits
    with store.transaction():
        assert store.get("space", "key", Point) is None
        assert store.head("queue", Point) is None
    assert store.commits == before


def test_outside_a_transaction_each_write_commits(store: Store) -> None:
    before = store.commits
    store.put("space", "key", POINT)
    store.delete("space", "key")
    assert store.commits == before + 2


def test_an_exception_undoes_the_whole_transaction(store: Store) -> None:
    store.put("space", "key", Point(1))

    def write_and_fail() -> None:
        with store.transaction():
            store.put("space", "key", Point(2))
            store.append("queue", Point(2))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert store.get("space", "key", Point) == Point(1)
    assert store.count("queue") == 0
    with store.transaction():
        store.put("space", "key", Point(3))
    assert store.get("space", "key", Point) == Point(3)


def test_transactions_do_not_nest(store: Store) -> None:
    with pytest.raises(AssertionError), store.transaction(), store.transaction():
        pass


# ---- the world ----

WRITE_AND_HANG = """
import sys
from chargerd.store import Store
store = Store(sys.argv[1])
for n in range(50):
    with store.transaction():
        store.append("queue", n)
        store.put("space", "last", n)
store_transaction = store.transaction()
store_transaction.__enter__()
for n in range(50, 2000):
    store.append("queue", n)
    store.put("space", "last", n)
print("in the middle", flush=True)
sys.stdin.read()
"""


def test_a_process_killed_in_mid_transaction_leaves_the_last_commit_whole(path: str) -> None:
    command = [sys.executable, "-c", WRITE_AND_HANG, path]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "in the middle\n"
        child.send_signal(signal.SIGKILL)
        child.wait()
    store = Store(path)
    assert store.take_notes() == []
    assert store.get("space", "last", int) == 49
    assert [value for _, value in store.rows("queue", int)] == list(range(50))
    store.close()


def test_what_is_not_readable_is_set_aside_with_a_note_and_the_rest_is_there(store: Store) -> None:
    store.put("notes", "a", 1)
    store.put("notes", "b", {"count": "many"})
    store.put("notes", "c", 3)
    assert store.items("notes", int) == [("a", 1), ("c", 3)]
    assert store.get("notes.unreadable", "b", dict[str, str]) == {"count": "many"}
    assert store.keys("notes") == ["a", "c"]
    (note,) = store.take_notes()
    assert "notes/b was set aside" in note
    assert store.take_notes() == []


def test_what_is_not_there_is_not_found(store: Store) -> None:
    assert store.find("notes", "z", int) is None
    assert store.take_notes() == []


def test_a_second_process_on_the_same_file_is_refused(path: str, store: Store) -> None:
    store.put("space", "key", POINT)
    second = python("import sys; from chargerd.store import Store; Store(sys.argv[1])", path)
    assert "is in use by another process" in second.stderr
    assert "stop the other station process" in second.stderr


FILL = """
import resource, signal, sys
from chargerd.store import Store, StoreError
store = Store(sys.argv[1])
if sys.argv[2] == "file size":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300000, 300000))
elif sys.argv[2] == "pages":
    store._db.execute("PRAGMA max_page_count = 300")
done = 0
try:
    while True:
        with store.transaction():
            store.append("queue", "x" * 4000)
            store.put("space", "done", done + 1)
        done += 1
except StoreError as error:
    print(error)
assert store.get("space", "done", int) == store.count("queue") == done
try:
    with store.transaction():
        try:
            store.append("queue", "x" * 4000)
        except StoreError:
            pass
    print("swallowed")
except StoreError:
    print("still full")
print(done)
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder that holds 400 kB, and how it is limited: a file system of its own where we may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0:
        yield disk, "pages"
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)], check=True)
    yield disk, "file system"
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_said_and_nothing_committed_is_lost(small_disk: tuple[Path, str]) -> None:
    disk, limit = small_disk
    path = str(disk / "state.db")
    said, full, done = python(FILL, path, limit).stdout.splitlines()
    assert said.startswith(f"{path}: the disk is full")
    assert said.endswith("free space on the file system that holds the file")
    assert full == "still full"
    assert int(done) > 20
    reader = Store(path)
    assert reader.count("queue") == int(done)
    reader.close()


def test_a_file_that_may_not_grow_is_said_and_nothing_committed_is_lost(path: str) -> None:
    said, full, done = python(FILL, path, "file size").stdout.splitlines()
    assert said.startswith(f"{path}: ")
    assert "free space" in said
    assert full == "still full"
    store = Store(path)
    assert store.count("queue") == int(done) > 20
    store.close()


OPEN = """
import os, sys
from chargerd.store import Store, StoreError
if os.geteuid() == 0:
    os.setuid(65534)
try:
    Store(sys.argv[1]).put("space", "key", 1)
except StoreError as error:
    print(error)
"""


def test_a_directory_that_is_not_there_is_named_with_the_remedy(tmp_path: Path) -> None:
    path = str(tmp_path / "missing" / "state.db")
    with pytest.raises(StoreError, match="cannot be opened or created") as caught:
        Store(path)
    assert caught.value.path == path
    assert "writable" in caught.value.remedy


@pytest.mark.parametrize("exists", [False, True], ids=["new file", "file of somebody else"])
def test_an_unwritable_directory_is_named_with_the_remedy(tmp_path: Path, exists: bool) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    path = str(folder / "state.db")
    if exists:
        Store(path).close()
        Path(path).chmod(0o444)
    folder.chmod(0o555)
    let_others_reach(tmp_path)
    said = python(OPEN, path).stdout
    assert said.startswith(f"{path}: ")
    assert "writable for the user of the service" in said


def test_a_directory_that_cannot_even_be_looked_into_is_named_with_the_remedy(tmp_path: Path) -> None:
    folder = tmp_path / "closed" / "state"
    folder.mkdir(parents=True)
    let_others_reach(tmp_path)
    folder.parent.chmod(0)
    try:
        said = python(OPEN, str(folder / "state.db")).stdout
    finally:
        folder.parent.chmod(0o755)
    assert "is not writable" in said
    assert "writable for the user of the service" in said


def let_others_reach(folder: Path) -> None:
    """Another user has to get as far as `folder`, which pytest keeps for its own."""
    for place in (folder, *folder.parents):
        if "pytest" in str(place) and place.owner() == getpass.getuser():
            place.chmod(0o755)


@pytest.mark.parametrize("damage", ["text", "page", "header"])
def test_a_damaged_file_is_moved_aside_and_a_fresh_one_begun(path: str, damage: str) -> None:
    first = Store(path)
    with first.transaction():
        for n in range(500):
            first.append("queue", "x" * n)
    first.close()
    content = bytearray(Path(path).read_bytes())
    if damage == "text":
        content = bytearray(b"not a database at all, " * 100)
    elif damage == "page":
        content[3 * 1024 : 60 * 1024] = os.urandom(57 * 1024)
    else:
        content[:100] = bytes(100)
    Path(path).write_bytes(content)
    second = Store(path)
    aside = Path(f"{path}.damaged-1")
    assert aside.read_bytes() == bytes(content)
    (note,) = second.take_notes()
    assert str(aside) in note
    assert second.count("queue") == 0
    second.put("space", "key", POINT)
    second.close()
    Path(path).write_bytes(content)
    third = Store(path)
    assert Path(f"{path}.damaged-2").exists()
    third.close()


def test_an_empty_file_is_begun(path: str) -> None:
    Path(path).touch()
    store = Store(path)
    assert store.take_notes() == []
    store.put("space", "key", POINT)
    store.close()


def test_nobody_else_can_read_the_file_or_its_log(path: str, store: Store) -> None:
    store.put("space", "key", POINT)
    for part in Path(path).parent.iterdir():
        assert part.stat().st_mode & 0o077 == 0, part


def test_a_file_of_newer_software_is_refused_and_left_alone(path: str) -> None:
    Store(path).close()
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    before = Path(path).read_bytes()
    with pytest.raises(StoreError, match="schema version"):
        Store(path)
    assert Path(path).read_bytes() == before


def test_a_file_of_the_first_schema_is_taken_over_with_all_it_holds(path: str) -> None:
    db = sqlite3.connect(path)
    db.executescript(MIGRATIONS[0])
    db.execute("PRAGMA user_version = 1")
    db.execute("INSERT INTO value VALUES ('space', 'key', '3')")
    db.execute("INSERT INTO row (id, queue, subject, json) VALUES (7, 'queue', 'tx', '4'), (8, 'gone', '', '5')")
    db.execute("DELETE FROM row WHERE id = 8")
    db.commit()
    db.close()
    store = Store(path)
    assert store.get("space", "key", int) == 3
    assert store.head("queue", int) == (7, 4)
    assert store.count("queue", "tx") == 1
    assert store.append("queue", 6) == 9
    store.close()


def test_a_value_that_changes_and_a_row_that_comes_and_goes_touch_few_pages(path: str, store: Store) -> None:
    def pages_of(*writes: Callable[[], object]) -> int:
        before = log.stat().st_size
        with store.transaction():
            for write in writes:
                write()
        return (log.stat().st_size - before) // (1024 + 24)

    log = Path(f"{path}-wal")
    store.put("space", "transaction", "x" * 600)
    store.append("queue", "first")
    assert pages_of(lambda: store.put("space", "transaction", "y" * 600)) == 1
    assert pages_of(lambda: store.put("space", "transaction", "z" * 610), lambda: store.append("queue", "x" * 700)) == 3
    assert pages_of(lambda: store.remove("queue", 2)) == 1


def test_every_commit_is_synchronous_and_pages_are_small(path: str, store: Store) -> None:
    store.put("space", "key", POINT)
    assert store._db.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert store._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert store._db.execute("PRAGMA page_size").fetchone()[0] == 1024


def test_ten_thousand_rows_do_not_grow_the_memory(path: str) -> None:
    store = Store(path)
    with store.transaction():
        for n in range(10_000):
            store.append("queue", "x" * 900 + str(n), "transaction")
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    rss_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    while (head := store.head("queue", str)) is not None:
        if head[0] > 2000:
            break
        store.remove("queue", head[0])
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert store.count("queue") == 8_000
    assert after - before < 200_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - rss_before < 8_000
    store.close()


def test_a_forgotten_store_may_be_collected_by_another_thread(path: str) -> None:
    forgotten = [Store(path)]
    thread = threading.Thread(target=forgotten.clear)
    thread.start()
    thread.join()
    Store(path).close()  # the lock is gone; and a warning of the collector fails a test


def test_a_forgotten_store_lets_go_of_its_file(path: str) -> None:
    Store(path).put("space", "key", 1)
    gc.collect()
    again = Store(path)  # its predecessor would hold the lock otherwise
    assert again.get("space", "key", int) == 1
    again.close()
