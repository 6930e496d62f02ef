"""The verbs of the updater, asked well and badly."""

import os
from pathlib import Path

import msgspec
import pytest

from firmware import slots
from firmware.errors import FirmwareError, Refusal
from firmware.launcher import Launch
from firmware.place import Place
from firmware.slots import Name, Slot, State
from firmware.updating import READ_BYTES, STAGE_WITHIN_S, Updating, check_descriptor
from tests.firmware.kit import (
    OLD,
    OLD_TREE,
    STARTED,
    TREE,
    MemoryFile,
    good,
    install,
    key_list,
    make,
    place_on,
    signed_list,
    tree_bytes,
)
from tests.firmware.memory_disk import MemoryDisk


@pytest.fixture
def place() -> Place:
    """The old version runs in slot a."""
    made = place_on(MemoryDisk(), MemoryDisk())
    install(made, good(OLD_TREE, **OLD), Name.B)
    Updating(made, STARTED, lambda: 0.0).mark_good()
    return made


def updating(place: Place, running: Name = Name.A) -> Updating:
    return Updating(place, msgspec.structs.replace(STARTED, slot=running), lambda: 0.0)


def stage(place: Place, content: bytes) -> str:
    with MemoryFile(content) as file:
        return updating(place).stage(file).manifest_sha256


def refusal(place: Place, content: bytes) -> Refusal:
    with pytest.raises(FirmwareError) as refused:
        stage(place, content)
    return refused.value.refusal


def files(place: Place, path: str) -> dict[str, bytes | None]:
    assert isinstance(place.slots, MemoryDisk)
    return place.slots.files(path)


def test_staging_fills_the_slot_that_does_not_run_and_starts_nothing(place: Place) -> None:
    sha256 = stage(place, good())
    assert files(place, "b/tree") == TREE
    assert place.record().b == Slot(State.STAGED, 0, sha256)
    assert Launch(place).choose().version == "1.0.0"


def test_activating_lets_it_start_and_marking_good_keeps_it_and_raises_the_floor(place: Place) -> None:
    updating(place).activate(stage(place, good()))
    started = Launch(place).choose()
    assert (started.slot, started.version) == (Name.B, "2.0.0")
    assert place.floor.read() == 1
    Updating(place, started, lambda: 0.0).mark_good()
    assert place.record().b.state is State.GOOD
    assert place.floor.read() == 2


def test_a_version_below_the_floor_is_neither_staged_nor_started_again(place: Place) -> None:
    updating(place).activate(stage(place, good()))
    updating(place, Name.B).mark_good()
    assert refusal(place, good(OLD_TREE, **OLD)) is Refusal.ROLLED_BACK
    place.save(place.record().with_slot(Name.B, Slot(State.EMPTY), primary=Name.A))
    with pytest.raises(FirmwareError, match="rolled-back"):
        Launch(place).choose()


def test_a_bundle_refused_by_its_head_leaves_the_slot_as_it_was(place: Place) -> None:
    updating(place).activate(stage(place, good()))
    updating(place, Name.B).mark_good()
    before = files(place, "a")
    with MemoryFile(good(product="other")) as file, pytest.raises(FirmwareError):
        updating(place, Name.B).stage(file)
    assert files(place, "a") == before
    assert place.record().a.state is State.GOOD


def test_a_bundle_refused_later_leaves_the_slot_empty_and_the_running_one_first(place: Place) -> None:
    updating(place).activate(stage(place, good()))
    large = good({"file": os.urandom(2 * READ_BYTES)})
    assert refusal(place, large[:-1] + b"\xff") is Refusal.BAD_CHUNK
    assert place.record().b == Slot(State.EMPTY)
    assert place.record().primary is Name.A


def test_while_what_runs_is_on_trial_the_slot_to_fall_back_on_is_spared(place: Place) -> None:
    updating(place).activate(stage(place, good()))
    started = Launch(place).choose()
    on_trial, before = Updating(place, started, lambda: 0.0), files(place, "a")
    with MemoryFile(good()) as file:
        with pytest.raises(FirmwareError) as refused:
            on_trial.stage(file)
        assert refused.value.refusal is Refusal.ON_TRIAL
        assert files(place, "a") == before
        on_trial.mark_good()
        on_trial.stage(file)


def test_a_slot_that_was_given_up_and_runs_for_want_of_a_better_one_takes_an_update(place: Place) -> None:
    place.save(slots.given_up(place.record(), Name.A))
    stage(place, good())
    assert place.record().b.state is State.STAGED


def test_only_the_bundle_that_was_staged_is_activated(place: Place) -> None:
    sha256 = stage(place, good())
    with pytest.raises(FirmwareError) as refused:
        updating(place).activate("f" * 64)
    assert refused.value.refusal is Refusal.NOTHING_STAGED
    updating(place).activate(sha256)
    with pytest.raises(FirmwareError) as again:
        updating(place).activate(sha256)
    assert again.value.refusal is Refusal.NOTHING_STAGED


def test_a_slot_that_changed_after_staging_is_not_activated(place: Place) -> None:
    sha256 = stage(place, good())
    assert isinstance(place.slots, MemoryDisk)
    place.slots.append("b/tree/lib/empty.py", b"evil")
    with pytest.raises(FirmwareError):
        updating(place).activate(sha256)
    assert place.record().primary is Name.A


def test_another_signed_bundle_put_into_the_slot_is_not_what_was_staged(place: Place) -> None:
    sha256 = stage(place, good())
    stage(place, good(version="2.0.1"))
    place.save(slots.staged(place.record(), Name.B, sha256))
    with pytest.raises(FirmwareError) as refused:
        updating(place).activate(sha256)
    assert refused.value.refusal is Refusal.SLOT_DAMAGED


def test_marking_good_again_changes_nothing(place: Place) -> None:
    updating(place).activate(stage(place, good()))
    updating(place, Name.B).mark_good()
    assert isinstance(place.slots, MemoryDisk)
    before = place.record()
    updating(place, Name.B).mark_good()
    assert place.record() == before


def test_marking_the_running_slot_good_does_not_take_the_turn_of_a_new_one(place: Place) -> None:
    updating(place).activate(stage(place, good()))
    updating(place).mark_good()
    assert place.record().primary is Name.B


def test_keys_that_come_with_a_bundle_count_once_it_is_good(place: Place) -> None:
    second = signed_list(key_list(2, releases=["release-2"], revoked=["release-1"]), "root-1")
    updating(place).activate(stage(place, make(tree_bytes(TREE), by=["release-2"], lists=[second])))
    assert place.keys().version == 1
    assert Launch(place).choose().slot is Name.B
    updating(place, Name.B).mark_good()
    assert place.keys() == second.keys
    with MemoryFile(good()) as file, pytest.raises(FirmwareError) as refused:
        updating(place, Name.B).stage(file)
    assert refused.value.refusal is Refusal.REVOKED_SIGNER
    assert Launch(place).choose().slot is Name.B


def test_with_an_unreadable_floor_nothing_is_staged_until_what_runs_is_marked_good(place: Place) -> None:
    state = place._state
    assert isinstance(state, MemoryDisk)
    for name in ("floor-1", "floor-2"):
        state.remove(name)
        state.create(name, 0o644)
        state.append(name, b"?")
    assert refusal(place, good()) is Refusal.FLOOR_UNREADABLE
    updating(place).mark_good()
    assert place.floor.read() == 1
    stage(place, good())


def test_staging_ends_when_it_takes_too_long(place: Place) -> None:
    times = iter([0.0, STAGE_WITHIN_S + 1])
    slow = Updating(place, STARTED, lambda: next(times))
    with MemoryFile(good()) as file, pytest.raises(FirmwareError) as refused:
        slow.stage(file)
    assert refused.value.refusal is Refusal.TOO_SLOW


def test_the_position_of_a_shared_descriptor_does_not_matter(place: Place) -> None:
    with MemoryFile(good()) as file:
        os.lseek(file, 1000, os.SEEK_SET)
        updating(place).stage(file)
        assert os.lseek(file, 0, os.SEEK_CUR) == 1000


class Forgetful(MemoryDisk):
    """A medium that loses the last byte of what it was given, and says nothing."""

    def append(self, path: str, data: bytes) -> None:
        super().append(path, data[:-1] if path.endswith("chargerd.py") else data)


def test_what_the_medium_did_not_keep_is_found_by_reading_back() -> None:
    place = place_on(Forgetful(), MemoryDisk())
    assert refusal(place, good()) in (Refusal.BAD_CHUNK, Refusal.TRUNCATED)
    assert place.record().b == Slot(State.EMPTY)


def test_a_pipe_is_not_staged(place: Place) -> None:
    reading, writing = os.pipe()
    with pytest.raises(FirmwareError) as refused:
        updating(place).stage(reading)
    assert refused.value.refusal is Refusal.BAD_REQUEST
    os.close(reading)
    os.close(writing)


def test_only_a_file_that_can_be_read_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    path.write_bytes(good())
    reading, writing = os.pipe()
    wrong = [
        reading,
        writing,
        os.open(path, os.O_WRONLY),
        os.open(tmp_path, os.O_RDONLY),
        os.open("/dev/zero", os.O_RDONLY),
    ]
    for file in wrong:
        with pytest.raises(FirmwareError) as refused:
            check_descriptor(file)
        assert refused.value.refusal is Refusal.BAD_REQUEST
        os.close(file)
    file = os.open(path, os.O_RDONLY)
    check_descriptor(file)
    os.close(file)
