"""An update of a device whose power goes, at any operation and any byte, perhaps again while it recovers.

`python -m tests.firmware_attacks.power_cut --count 100000` for more than the tests do.
"""

import argparse
import random
import sys
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from firmware import slots
from firmware.launcher import Launch
from firmware.place import Place, Started
from firmware.slots import Name, Slot, State
from firmware.updating import Updating
from tests.firmware.kit import (
    OLD,
    OLD_TREE,
    TREE,
    MemoryFile,
    good,
    key_list,
    make,
    manifest_of,
    place_on,
    signed_list,
    tree_bytes,
)
from tests.firmware.memory_disk import Fuse, MemoryDisk, PowerCut

NEW_KEYS = signed_list(key_list(2, releases=["release-1", "release-2"]), "root-1")
NEW = make(tree_bytes(TREE), manifest_of(tree_bytes(TREE)), by=["release-2"], lists=[NEW_KEYS])
TREES = {"1.0.0": OLD_TREE, "2.0.0": TREE}
SECURITY = {"1.0.0": 1, "2.0.0": 2}


@dataclass
class Board:
    """Slots and state on one power supply."""

    slots: MemoryDisk
    state: MemoryDisk
    fuse: Fuse

    @property
    def place(self) -> Place:
        return place_on(self.slots, self.state)

    def after_cut(self, fuse: Fuse) -> "Board":
        return Board(self.slots.after_cut(fuse), self.state.after_cut(fuse), fuse)

    def copy(self, fuse: Fuse) -> "Board":
        return Board(self.slots.synced(fuse), self.state.synced(fuse), fuse)

    def runs(self) -> Started:
        """A start of the machine: what the launcher takes."""
        return Launch(self.place).choose()


def new_board() -> Board:
    """As it leaves the maker: the old version in slot a, proved good, and an older update in slot b."""
    fuse = Fuse(random.Random(0))
    board = Board(MemoryDisk(fuse), MemoryDisk(fuse), fuse)
    for running in (Name.B, Name.A):
        updating = Updating(board.place, _started(running), lambda: 0.0)
        with MemoryFile(good(OLD_TREE, **OLD)) as file:
            updating.stage(file)
    record = board.place.record()
    sha256 = record.b.manifest_sha256
    board.place.save(slots.Record(1, Name.A, Slot(State.GOOD, 0, sha256), Slot(State.GOOD, 0, sha256)))
    board.place.floor.raise_to(1)
    return board


def update(board: Board, reached: list[str] | None = None) -> None:
    """The whole of it: stage, activate, start, mark good, start again. `reached`: what the updater has promised."""
    reached = [] if reached is None else reached
    updating = Updating(board.place, board.runs(), lambda: 0.0)
    with MemoryFile(NEW) as file:
        updating.activate(updating.stage(file).manifest_sha256)
    reached.append("activated")
    started = board.runs()
    Updating(board.place, started, lambda: 0.0).mark_good()
    reached.append("confirmed")
    board.runs()


def operations(board: Board) -> int:
    """How many there are in a whole update: each is a place for a cut."""
    board = board.copy(Fuse(random.Random(0)))
    update(board)
    return board.fuse.done


def cut_once(board: Board, at: int, rng: random.Random) -> str:
    """The power goes at operation `at`, and in every third story once more during the recovery. What runs at the end.

    AssertionError when a promise is broken.
    """
    board = board.copy(Fuse(rng, at))
    before = Fuse(rng)
    reached: list[str] = []
    try:
        update(board, reached)
    except PowerCut:
        board = board.after_cut(before)
    if rng.random() < 1 / 3:
        before.at = rng.randint(1, 12)
        with suppress(PowerCut):
            board.runs()
        board = board.after_cut(Fuse(rng))
    started = board.runs()
    check(board, started)
    if reached:
        assert started.version == "2.0.0", "it was activated, and the old one runs"
    if "confirmed" in reached:
        assert board.place.floor.read() == 2
        assert board.place.record().slot(started.slot).state is State.GOOD
    recovered = board.copy(Fuse(rng))
    Updating(recovered.place, recovered.runs(), lambda: 0.0).mark_good()
    update(recovered)
    last = recovered.runs()
    check(recovered, last)
    assert last.version == "2.0.0"
    assert recovered.place.floor.read() == 2
    assert recovered.place.keys().version == 2
    return started.version


def check(board: Board, started: Started) -> None:
    """What runs is one of the two versions to the last byte, above the floor, and in a slot that may run."""
    assert board.slots.files(f"{started.slot}/tree") == TREES[started.version]
    assert board.place.floor.read() <= SECURITY[started.version]
    assert board.place.record().slot(started.slot).state in (State.GOOD, State.ON_TRIAL)
    assert started.security_version == SECURITY[started.version]


def run(count: int, seed: int) -> dict[str, int]:
    """`count` cuts, every operation in turn; how often which version ran afterwards."""
    board = new_board()
    most = operations(board)
    ran: dict[str, int] = {}
    for number in range(count):
        at = 1 + number % most
        try:
            version = cut_once(board, at, random.Random(f"{seed} {number}"))
        except Exception as error:
            raise AssertionError(f"cut {number} at operation {at}, seed {seed}: {error!r}") from error
        ran[version] = ran.get(version, 0) + 1
    return ran


def _started(slot: Name) -> Started:
    return Started(slot, "0", 0, "0" * 64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    ran = run(options.count, options.seed)
    sys.stdout.write(f"{options.count} cuts, a signed slot ran after each: {msgspec.json.encode(ran).decode()}\n")


if __name__ == "__main__":
    main()
