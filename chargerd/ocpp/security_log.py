"""The security log: so many rows, the oldest goes when a new one comes, and a chain of hashes over all of them.

Each row holds the hash of itself and of the row before it. Beside the rows stands where the chain begins (the row that
went last at the old end, which is the one legal way to lose a row) and where it ends, so a row that is changed, taken
out, moved or cut off at the new end is found. Whoever may write the store may also compute a new chain: against him
only a copy of an earlier end elsewhere helps, such as a log that was uploaded.
"""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import pairwise

import msgspec

from chargerd.clock import whole_milliseconds
from chargerd.store import Store, StoredValueError

QUEUE = "security_log"
NAMESPACE, CHAIN_KEY = "security", "chain"

MAX_ROWS = 1000
MAX_INFO_CHARACTERS = 255
"""As SecurityEventNotification has it."""

BEGINNING = "0" * 64
"""Stands for the hash of the row before the first."""


class LoggedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A row. `synced`: the clock was right when it was written. `hash`: of the row before it and this one, in
    hexadecimal; empty where a version wrote it that knew of no chain.
    """

    at_utc: datetime
    kind: str
    seq: int = 0
    tech_info: str = ""
    synced: bool = True
    hash: str = ""


class Link(msgspec.Struct, frozen=True):
    """A place in the chain: after row `seq`, whose hash is `hash`."""

    seq: int = 0
    hash: str = BEGINNING


class Chain(msgspec.Struct, frozen=True):
    """`begin`: the last row before those that are vouched for; `end`: the newest row."""

    begin: Link = Link()
    end: Link = Link()


class SecurityLog:
    """The log of one station, in its store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._chain = Chain()
        self._rows = 0

    @property
    def end(self) -> Link:
        """The newest row."""
        return self._chain.end

    def open(self) -> str | None:
        """Check the chain, once and before anything else: what is wrong with it, None when it holds.

        A chain that does not hold goes on after the newest row it knew; the rows that are there are kept, and no longer
        vouched for.
        """
        chain, unreadable = self._stored_chain()
        rows = list(self._all())
        problem = unreadable or _why_not(chain, rows)
        if problem is not None:
            newest = max([chain.end, *map(_link, rows)], key=lambda link: link.seq)
            chain = Chain(begin=newest, end=newest)
            self._store.put(NAMESPACE, CHAIN_KEY, chain)
        self._chain, self._rows = chain, self._store.count(QUEUE)
        return problem

    def append(self, kind: str, tech_info: str, at_utc: datetime, *, synced: bool) -> int:
        """Write a row; its number."""
        row = LoggedEvent(
            seq=self._chain.end.seq + 1,
            at_utc=whole_milliseconds(at_utc),
            kind=one_line(kind),
            tech_info=one_line(tech_info)[:MAX_INFO_CHARACTERS],
            synced=synced,
        )
        row = msgspec.structs.replace(row, hash=hashed(self._chain.end.hash, line(row)))
        self._store.append(QUEUE, row)
        self._rows += 1
        begin = self._chain.begin
        while self._rows > MAX_ROWS:
            begin = self._without_oldest(begin)
        self._chain = Chain(begin=begin, end=_link(row))
        self._store.put(NAMESPACE, CHAIN_KEY, self._chain)
        return row.seq

    def span(self, oldest: datetime | None, latest: datetime | None) -> list[LoggedEvent]:
        """The rows from the first to the last that is of this time, without a gap: a clock that was set may have put
        others between them.
        """
        rows = list(self._all())
        wanted = [
            index
            for index, row in enumerate(rows)
            if (oldest is None or row.at_utc >= oldest) and (latest is None or row.at_utc <= latest)
        ]
        return rows[wanted[0] : wanted[-1] + 1] if wanted else []

    def text(self, rows: list[LoggedEvent], identity: str) -> str:
        """The log for people and `verified`: one line a row, with its hash, between lines that say what it is."""
        before = Link(rows[0].seq - 1, self._hash_before(rows[0]))
        which = f"rows {rows[0].seq} to {rows[-1].seq}, the newest is {self.end.seq}"
        head = [
            f"# security log of {one_line(identity)}: {which}",
            "# row, time (?: the clock was not right), event, information, SHA-256 of the hash before and this line",
            f"{_BEFORE}{before.seq}\t{before.hash}",
        ]
        body = [f"{line(row)}\t{row.hash}" for row in rows]
        return "\n".join([*head, *body, f"{_LAST}{rows[-1].seq}\t{rows[-1].hash}", ""])

    def _hash_before(self, row: LoggedEvent) -> str:
        """The hash that `row` follows: that of the row before it, or what is known of one that has gone."""
        if row.seq == self._chain.begin.seq + 1:
            return self._chain.begin.hash
        before = next((each for each in self._all() if each.seq == row.seq - 1), None)
        return BEGINNING if before is None else before.hash

    def _without_oldest(self, begin: Link) -> Link:
        """Remove the oldest row; where the chain begins then. What cannot be read was set aside by `open`."""
        head = self._store.head(QUEUE, LoggedEvent)
        assert head is not None, "can't be empty: there are more rows than MAX_ROWS"
        row_id, row = head
        self._store.remove(QUEUE, row_id)
        self._rows -= 1
        return _link(row) if row.seq > begin.seq else begin

    def _stored_chain(self) -> tuple[Chain, str | None]:
        """What stands beside the rows, and what is wrong with it."""
        try:
            found = self._store.get(NAMESPACE, CHAIN_KEY, Chain)
        except StoredValueError:
            self._store.put_aside(NAMESPACE, CHAIN_KEY)
            return Chain(), "where the chain ends cannot be read"
        return found or Chain(), None

    def _all(self) -> Iterator[LoggedEvent]:
        """All rows that can be read, oldest first; another is set aside, and then the chain does not hold."""
        after = 0
        while True:
            try:
                found = self._store.rows(QUEUE, LoggedEvent, after=after)
            except StoredValueError as error:
                if error.row_id is None:
                    raise
                self._store.set_aside(QUEUE, error.row_id)
                continue
            if not found:
                return
            after = found[-1][0]
            yield from (row for _, row in found if row.hash)


def line(row: LoggedEvent) -> str:
    """A row as it is hashed and shown."""
    stamp = row.at_utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"{row.seq}\t{stamp}{'' if row.synced else '?'}\t{row.kind}\t{row.tech_info}"


def hashed(hash_before: str, text: str) -> str:
    """The hash of a line that follows the line with `hash_before`."""
    return hashlib.sha256(f"{hash_before}\n{text}".encode()).hexdigest()


def one_line(text: str) -> str:
    """`text` without anything that could pass for another line or column."""
    return "".join(character if character.isprintable() else " " for character in text).strip()


def verified(text: str) -> tuple[str, tuple[str, ...]]:
    """An uploaded log: what it says of itself, and what is wrong with it (nothing: its chain holds)."""
    rows: list[tuple[str, str]] = []
    before: tuple[str, str] | None = None
    last: tuple[str, str] | None = None
    for each in text.splitlines():
        content, _, digest = each.rpartition("\t")
        if each.startswith(_BEFORE):
            before = content.removeprefix(_BEFORE), digest
        elif each.startswith(_LAST):
            last = content.removeprefix(_LAST), digest
        elif each and not each.startswith("#"):
            rows.append((content, digest))
    if before is None or last is None or not rows:
        return "", ("this is no whole security log: its first or last lines are missing",)
    what = f"rows {_number(rows[0])} to {_number(rows[-1])}, newest hash {rows[-1][1]}"
    return what, tuple(_complaints(before, rows, last))


_BEFORE = "# before\t"
_LAST = "# last\t"


def _complaints(before: tuple[str, str], rows: list[tuple[str, str]], last: tuple[str, str]) -> Iterator[str]:
    for earlier, later in pairwise([(f"{before[0]}\t", before[1]), *rows]):
        if hashed(earlier[1], later[0]) != later[1]:
            yield f"row {_number(later)} was changed, or does not follow row {_number(earlier)}"
    if last != (_number(rows[-1]), rows[-1][1]):
        yield f"the log ends with row {_number(rows[-1])} and should end with row {last[0]}"


def _number(row: tuple[str, str]) -> str:
    return row[0].partition("\t")[0]


def _why_not(chain: Chain, rows: Iterable[LoggedEvent]) -> str | None:
    """What is wrong with the rows that are vouched for; None: they are as they were written."""
    here = chain.begin
    for row in rows:
        if row.seq <= chain.begin.seq:
            continue
        if row.seq != here.seq + 1:
            return _missing(here.seq + 1, row.seq - 1) if row.seq > here.seq else f"row {row.seq} is out of its order"
        if row.hash != hashed(here.hash, line(row)):
            return f"row {row.seq} was changed, or does not follow the row before it"
        here = _link(row)
    if here.seq < chain.end.seq:
        return _missing(here.seq + 1, chain.end.seq)
    if here != chain.end:
        return f"row {here.seq} is not the one that was written last"
    return None


def _missing(first: int, last: int) -> str:
    return f"row {first} is missing" if first == last else f"rows {first} to {last} are missing"


def _link(row: LoggedEvent) -> Link:
    return Link(row.seq, row.hash)
