"""The chain of hashes: whatever is changed, removed or moved in the store or in an uploaded file is found."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargerd.ocpp.security_log import (
    MAX_ROWS,
    NAMESPACE,
    QUEUE,
    Chain,
    Link,
    LoggedEvent,
    SecurityLog,
    one_line,
    verified,
)
from chargerd.store import Store

START = datetime(2026, 1, 1, tzinfo=UTC)


def opened(store: Store) -> SecurityLog:
    log = SecurityLog(store)
    assert log.open() is None
    return log


def written(count: int, store: Store | None = None) -> tuple[Store, SecurityLog]:
    """A log with so many rows, a minute apart."""
    store = store or Store(":memory:")
    log = opened(store)
    with store.transaction():
        for number in range(count):
            log.append("InvalidMessages", f"number {number}", START + timedelta(minutes=number), synced=True)
    return store, log


def rows(store: Store) -> list[tuple[int, LoggedEvent]]:
    return store.rows(QUEUE, LoggedEvent, limit=10_000)


def uploaded(log: SecurityLog) -> str:
    return log.text(log.span(None, None), "CS-1")


def test_rows_are_numbered_and_the_chain_holds_over_restarts() -> None:
    store, _ = written(5)
    written(5, store)
    assert [row.seq for _, row in rows(store)] == list(range(1, 11))
    assert opened(store).end.seq == 10


def test_the_oldest_row_may_go_and_the_chain_begins_after_it() -> None:
    store, log = written(MAX_ROWS + 7)
    assert [row.seq for _, row in rows(store)] == list(range(8, MAX_ROWS + 8))
    assert opened(store).end == log.end
    assert verified(uploaded(log))[1] == ()


def test_a_row_of_a_version_without_a_chain_stays_and_rolls_out() -> None:
    class OldRow(msgspec.Struct):
        kind: str
        at_utc: datetime
        tech_info: str = ""

    store = Store(":memory:")
    for _ in range(3):
        store.append(QUEUE, OldRow("StartupOfTheDevice", START))
    _, log = written(MAX_ROWS - 1, store)
    assert store.count(QUEUE) == MAX_ROWS
    assert opened(store).end.seq == MAX_ROWS - 1
    assert verified(uploaded(log))[1] == ()


# ---- the store ----


def change(field: str) -> Callable[[Store, int], None]:
    def do(store: Store, index: int) -> None:
        row_id, row = rows(store)[index]
        values = {
            "seq": row.seq + 1,
            "at_utc": row.at_utc + timedelta(milliseconds=1),
            "kind": "StartupOfTheDevice",
            "tech_info": row.tech_info + " ",
            "synced": not row.synced,
            "hash": row.hash[:-1] + ("0" if row.hash[-1] != "0" else "1"),
        }
        store.replace(QUEUE, row_id, msgspec.structs.replace(row, **{field: values[field]}))

    return do


def remove(store: Store, index: int) -> None:
    store.remove(QUEUE, rows(store)[index][0])


def swap(store: Store, index: int) -> None:
    (first_id, first), (second_id, second) = rows(store)[index], rows(store)[index - 1]
    store.replace(QUEUE, first_id, second)
    store.replace(QUEUE, second_id, first)


def cut_off(store: Store, index: int) -> None:
    for row_id, _ in rows(store)[index:]:
        store.remove(QUEUE, row_id)


def double(store: Store, index: int) -> None:
    store.append(QUEUE, rows(store)[index][1])


def spoil(store: Store, index: int) -> None:
    store.replace(QUEUE, rows(store)[index][0], {"what": "is this"})


DEEDS = [*map(change, ("seq", "at_utc", "kind", "tech_info", "synced", "hash")), remove, swap, cut_off, double, spoil]


@given(count=st.integers(3, 12), where=st.integers(0, 1000), deed=st.sampled_from(DEEDS), rolled=st.booleans())
def test_any_single_deed_is_found(count: int, where: int, deed: Callable[[Store, int], None], rolled: bool) -> None:
    store, log = written(count)
    if rolled:  # as if the oldest had gone by the rules
        row_id, row = rows(store)[0]
        store.remove(QUEUE, row_id)
        store.put(NAMESPACE, "chain", Chain(begin=Link(row.seq, row.hash), end=log.end))
        assert SecurityLog(store).open() is None
    deed(store, where % store.count(QUEUE))
    assert SecurityLog(store).open() is not None


@pytest.mark.parametrize(
    "deed, said",
    [
        (lambda store: remove(store, 4), "row 5 is missing"),
        (lambda store: cut_off(store, 4), "rows 5 to 10 are missing"),
        (lambda store: cut_off(store, 0), "rows 1 to 10 are missing"),
        (lambda store: swap(store, 4), "row 4 is missing"),
        (lambda store: double(store, 4), "row 5 is out of its order"),
        (lambda store: change("kind")(store, 4), "row 5 was changed, or does not follow the row before it"),
        (lambda store: store.delete(NAMESPACE, "chain"), "row 10 is not the one that was written last"),
        (lambda store: store.put(NAMESPACE, "chain", 5), "where the chain ends cannot be read"),
    ],
)
def test_it_is_said_what_is_wrong(deed: Callable[[Store], None], said: str) -> None:
    store, _ = written(10)
    deed(store)
    assert SecurityLog(store).open() == said


def test_after_a_break_the_chain_goes_on_and_is_vouched_for_from_there() -> None:
    store, _ = written(10)
    cut_off(store, 7)
    log = SecurityLog(store)
    assert log.open() == "rows 8 to 10 are missing"
    assert log.append("SecurityLogWasCleared", "", START, synced=True) == 11
    assert opened(store).end.seq == 11
    assert [row.seq for _, row in rows(store)] == [1, 2, 3, 4, 5, 6, 7, 11]
    assert verified(uploaded(log))[1] == ("row 11 was changed, or does not follow row 7",)
    with store.transaction():
        for _ in range(MAX_ROWS):
            log.append("InvalidMessages", "", START, synced=True)
    assert opened(store).end.seq == MAX_ROWS + 11


# ---- the file ----


def test_a_file_says_what_it_is_and_holds() -> None:
    _, log = written(3)
    what, complaints = verified(uploaded(log))
    assert what == f"rows 1 to 3, newest hash {log.end.hash}"
    assert complaints == ()


def test_a_row_is_shown_on_one_line_whatever_is_in_it() -> None:
    store = Store(":memory:")
    log = opened(store)
    log.append("Kind\n", "a\tb\r\n# last\t\x1b[0m\u2028c", START, synced=False)
    lines = uploaded(log).split("\n")
    assert lines[3].split("\t")[:4] == ["1", "2026-01-01T00:00:00.000Z?", "Kind", "a b  # last  [0m c"]
    assert verified(uploaded(log))[1] == ()
    assert one_line("plain, with ä") == "plain, with ä"


@given(count=st.integers(2, 8), data=st.data())
def test_any_change_of_a_file_is_found(count: int, data: st.DataObject) -> None:
    _, log = written(count)
    lines = uploaded(log).splitlines()
    index = data.draw(st.integers(3, len(lines) - 1))
    changed = copy.copy(lines)
    match data.draw(st.sampled_from(["character", "removed", "swapped", "doubled"])):
        case "character":
            at = data.draw(st.integers(2 if lines[index].startswith("#") else 0, len(lines[index]) - 1))
            other = data.draw(st.sampled_from("abcdef0123456789 \t").filter(lambda char: char != lines[index][at]))
            changed[index] = lines[index][:at] + other + lines[index][at + 1 :]
        case "removed":
            del changed[index]
        case "swapped":
            other_index = data.draw(st.integers(3, len(lines) - 2).filter(lambda number: number != index))
            if index == len(lines) - 1:
                return  # the last line may stand anywhere: it only says where the log ends
            changed[index], changed[other_index] = changed[other_index], changed[index]
        case "doubled":
            if index == len(lines) - 1:
                return
            changed.insert(index, lines[index])
    assert verified("\n".join(changed))[1] != ()


@pytest.mark.parametrize("text", ["", "hello\n", "1\t2\t3\tabc\n"])
def test_what_is_no_log_is_said_to_be_none(text: str) -> None:
    assert verified(text)[1] == ("this is no whole security log: its first or last lines are missing",)


def test_a_file_without_its_newest_rows_says_which_are_missing() -> None:
    _, log = written(5)
    lines = uploaded(log).splitlines()
    assert verified("\n".join([*lines[:5], lines[-1]]))[1] == ("the log ends with row 2 and should end with row 5",)


# ---- a window ----


def test_a_window_gives_the_rows_of_that_time_and_those_between_them() -> None:
    _, log = written(10)
    assert [row.seq for row in log.span(START + timedelta(minutes=3), START + timedelta(minutes=5))] == [4, 5, 6]
    assert log.span(START + timedelta(days=1), None) == []
    log.append("SettingSystemTime", "back by an hour", START - timedelta(hours=1), synced=True)
    log.append("InvalidMessages", "", START + timedelta(minutes=10), synced=True)
    span = log.span(START + timedelta(minutes=9), None)
    assert [row.seq for row in span] == [10, 11, 12]
    assert verified(log.text(span, "CS-1"))[1] == ()


def test_a_window_at_the_old_end_begins_where_the_chain_does() -> None:
    _, log = written(MAX_ROWS + 3)
    assert verified(log.text(log.span(None, START + timedelta(minutes=20)), "CS-1"))[1] == ()
