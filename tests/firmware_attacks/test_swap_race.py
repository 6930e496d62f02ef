"""Somebody changes the file while the updater reads it: what is in the slot afterwards is signed and whole, or nothing.

Two bundles are rightly signed, one of them below the floor; a third is an attacker's own. A thread keeps writing one
over another, whole or in part, without a pause, as the owner of the file can.
"""

import os
import random
import threading
from collections import Counter

import pytest

from firmware.errors import FirmwareError, Refusal
from firmware.slots import Name, State
from firmware.updating import READ_BYTES, Updating
from tests.firmware.kit import OLD, STARTED, good, make, manifest_of, place_on, tree_bytes
from tests.firmware.memory_disk import MemoryDisk

TRIES = 10_000
SIZE = READ_BYTES + 24 * 1024
"""So that one bundle takes two reads, and the file can change between them as well."""


def files(mark: bytes) -> dict[str, bytes | None]:
    return {"bin": None, "bin/chargerd": mark * (SIZE // len(mark))}


ALLOWED = {"good": files(b"good"), "also": files(b"also")}
GOOD = good(ALLOWED["good"], chunk_bytes=128 * 1024)
ALSO_GOOD = good(ALLOWED["also"], chunk_bytes=128 * 1024)
BELOW = good(files(b"past"), chunk_bytes=128 * 1024, **OLD)
_EVIL = tree_bytes(files(b"evil"))
EVIL = make(_EVIL, manifest_of(_EVIL, chunk_bytes=128 * 1024), by=["stranger"])


class Swapper(threading.Thread):
    """Writes into the file as fast as it can until told to stop."""

    def __init__(self, file: int, rng: random.Random) -> None:
        super().__init__(daemon=True)
        self._file, self._rng = file, rng
        self.stop = threading.Event()
        self.writes = 0

    def run(self) -> None:
        whole = (GOOD, GOOD, ALSO_GOOD, BELOW, EVIL)
        while not self.stop.is_set():
            content = self._rng.choice(whole)
            start = self._rng.choice((0, 0, 0, len(GOOD) - len(_EVIL), self._rng.randrange(len(content))))
            os.pwrite(self._file, content[start:], start)
            self.writes += 1


@pytest.mark.parametrize("share", range(4))
def test_no_swap_between_verifying_and_installing_wins(share: int) -> None:
    file = os.memfd_create("swapped")
    os.pwrite(file, GOOD, 0)
    swapper = Swapper(file, random.Random(share))
    outcomes: Counter[str] = Counter()
    slot_disk, state = MemoryDisk(), MemoryDisk()
    place = place_on(slot_disk, state)
    place.floor.raise_to(2)
    updating = Updating(place, STARTED, lambda: 0.0)
    swapper.start()
    try:
        for _ in range(TRIES // 4):
            try:
                updating.stage(file)
            except FirmwareError as refused:
                outcomes[refused.refusal] += 1
                assert (
                    place.record().slot(Name.B).state is not State.STAGED
                    or slot_disk.files("b/tree") in ALLOWED.values()
                )
            else:
                outcomes["staged"] += 1
                assert place.record().slot(Name.B).state is State.STAGED
                assert slot_disk.files("b/tree") in ALLOWED.values()
    finally:
        swapper.stop.set()
        swapper.join()
        os.close(file)
    assert swapper.writes > TRIES // 40
    assert outcomes["staged"] > 0
    assert outcomes[Refusal.BAD_CHUNK] > 0
    assert outcomes[Refusal.ROLLED_BACK] > 0
    assert outcomes[Refusal.UNKNOWN_SIGNER] > 0
