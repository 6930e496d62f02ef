"""The floor only rises, and no single damage lowers it."""

import random

import pytest

from firmware.errors import FirmwareError, Refusal
from firmware.rollback import FileFloor
from tests.firmware.memory_disk import Fuse, MemoryDisk, PowerCut


def test_it_begins_at_nothing_and_only_rises() -> None:
    floor = FileFloor(MemoryDisk())
    assert floor.read() == 0
    for told, expected in ((3, 3), (2, 3), (3, 3), (7, 7)):
        floor.raise_to(told)
        assert floor.read() == expected


@pytest.mark.parametrize("name", ["floor-1", "floor-2"])
def test_one_damaged_record_does_not_lower_it_and_is_written_anew(name: str) -> None:
    disk = MemoryDisk()
    floor = FileFloor(disk)
    floor.raise_to(5)
    disk.damage(name, random.Random(1))
    assert floor.read() == 5
    floor.raise_to(5)
    assert len(set(disk.files().values())) == 1


def test_two_damaged_records_are_not_taken_for_nothing() -> None:
    disk = MemoryDisk()
    floor = FileFloor(disk)
    floor.raise_to(5)
    disk.damage("floor-1", random.Random(1))
    disk.damage("floor-2", random.Random(2))
    with pytest.raises(FirmwareError) as refused:
        floor.read()
    assert refused.value.refusal is Refusal.FLOOR_UNREADABLE
    floor.raise_to(6)
    assert floor.read() == 6


@pytest.mark.parametrize("at", range(1, 14))
def test_a_power_cut_leaves_the_old_floor_or_the_new_one(at: int) -> None:
    for seed in range(20):
        disk = MemoryDisk(fuse := Fuse(random.Random(seed)))
        FileFloor(disk).raise_to(5)
        fuse.done, fuse.at = 0, at
        try:
            FileFloor(disk).raise_to(6)
        except PowerCut:
            disk = disk.after_cut(Fuse(random.Random(seed)))
        assert FileFloor(disk).read() in (5, 6)
