"""Which slot is started, and that nothing starts that was not proved."""

import errno
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware import slots
from firmware.disk import Folder
from firmware.errors import FirmwareError, Refusal
from firmware.launcher import Launch, launch, own_code
from firmware.place import Place, read_started
from firmware.slots import TRIES, UNKNOWN, Name, State
from firmware.updating import Updating
from tests.firmware.kit import OLD, OLD_TREE, STARTED, good, install, key_list, place_on, settings_in, signed_list
from tests.firmware.memory_disk import MemoryDisk


@pytest.fixture
def place() -> Place:
    """The old version is good in slot a, the new one is on trial in slot b."""
    made = place_on(MemoryDisk(), MemoryDisk())
    install(made, good(OLD_TREE, **OLD), Name.B)
    Updating(made, STARTED, lambda: 0.0).mark_good()
    install(made, good(), Name.A)
    return made


def slot_disk(place: Place) -> MemoryDisk:
    assert isinstance(place.slots, MemoryDisk)
    return place.slots


def test_a_new_slot_is_tried_so_often_and_then_the_old_one_runs_and_says_why(place: Place) -> None:
    assert [Launch(place).choose().version for _ in range(TRIES)] == ["2.0.0"] * TRIES
    started = Launch(place).choose()
    assert started.version == "1.0.0"
    assert started.notes == ("slot b: its tries ran out",)
    assert place.record().b.state is State.BAD
    assert Launch(place).choose().notes == ()


def test_a_slot_that_was_changed_is_passed_over_and_never_tried_first_again(place: Place) -> None:
    slot_disk(place).damage("b/tree/lib/chargerd.py", random.Random(1))
    started = Launch(place).choose()
    assert started.version == "1.0.0"
    assert "slot b: bad-chunk" in started.notes[0]
    assert place.record().primary is Name.A


def test_a_try_is_counted_before_the_slot_is_looked_at(place: Place) -> None:
    """Looking may be what kills the machine."""

    class Deadly(MemoryDisk):
        def read(self, path: str) -> Iterator[bytes]:
            raise KeyboardInterrupt

    dying = place_on(Deadly(root=slot_disk(place).root), place._state)
    with pytest.raises(KeyboardInterrupt):
        Launch(dying).choose()
    assert place.record().b.tries_left == TRIES - 1


def test_a_slot_given_up_is_still_better_than_none(place: Place) -> None:
    for _ in range(TRIES):
        Launch(place).choose()
    slot_disk(place).damage("a/tree/lib/chargerd.py", random.Random(1))
    started = Launch(place).choose()
    assert started.version == "2.0.0"
    assert len(started.notes) == 2


def test_with_no_slot_that_verifies_nothing_is_started(place: Place) -> None:
    for name in ("a", "b"):
        slot_disk(place).damage(f"{name}/tree/lib/chargerd.py", random.Random(1))
    with pytest.raises(FirmwareError, match="no slot can be started: slot b: bad-") as refused:
        Launch(place).choose()
    assert refused.value.refusal is Refusal.SLOT_DAMAGED


def test_a_half_written_slot_is_never_started(place: Place) -> None:
    place.save(slots.emptied(place.record(), Name.A))
    assert Launch(place).choose().version == "1.0.0"
    place.save(slots.staged(place.record(), Name.B, "0" * 64))
    assert Launch(place).choose().version == "1.0.0"


def test_without_a_record_whatever_verifies_is_started_and_nothing_is_concluded(place: Place) -> None:
    place.save(UNKNOWN)
    place._state.remove("slots")
    assert Launch(place).choose().version == "1.0.0"
    assert place.floor.read() == 1


def test_what_a_power_cut_left_undone_after_marking_good_is_done(place: Place) -> None:
    place.save(slots.confirmed(place.record(), Name.B))
    assert place.floor.read() == 1
    assert Launch(place).choose().version == "2.0.0"
    assert place.floor.read() == 2


def test_a_slot_on_trial_raises_no_floor(place: Place) -> None:
    Launch(place).choose()
    assert place.floor.read() == 1


def test_below_the_floor_nothing_starts_though_it_is_signed(place: Place) -> None:
    place.floor.raise_to(2)
    for _ in range(TRIES):
        Launch(place).choose()
    started = Launch(place).choose()
    assert started.version == "2.0.0"
    assert any("rolled-back" in note for note in started.notes)


class Full(MemoryDisk):
    """Nothing can be written any more."""

    def create(self, path: str, mode: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def full(place: Place) -> Place:
    state = place._state
    assert isinstance(state, MemoryDisk)
    return place_on(place.slots, Full(root=state.root))


def test_a_trial_that_cannot_be_counted_is_not_made(place: Place) -> None:
    started = Launch(full(place)).choose()
    assert started.version == "1.0.0"
    assert "No space left" in started.notes[0]


def test_a_full_disk_does_not_stop_a_good_slot(place: Place) -> None:
    place.save(slots.confirmed(place.record(), Name.B))
    started = Launch(full(place)).choose()
    assert started.version == "2.0.0"
    assert "ignoring" in started.notes[0]


def test_an_unreadable_floor_does_not_stop_the_charger(place: Place) -> None:
    state = place._state
    assert isinstance(state, MemoryDisk)
    for name in ("floor-1", "floor-2"):
        state.damage(name, random.Random(1))
    started = Launch(place).choose()
    assert started.version == "2.0.0"
    assert "floor" in started.notes[0]


# ---- the whole, on a real disk ----


@pytest.fixture
def real(tmp_path: Path) -> Place:
    for name in ("slots", "state"):
        (tmp_path / name).mkdir()
    (tmp_path / "firmware-keys").write_bytes(signed_list(key_list(), "root-1").encode())
    made = Place(settings_in(tmp_path), Folder(tmp_path / "slots"), Folder(tmp_path / "state"), key_list())
    install(made, good(), Name.B)
    return made


def test_what_was_chosen_is_said_and_can_be_run(real: Place, tmp_path: Path) -> None:
    started = launch(real, [])
    assert read_started(real.settings) == started
    assert (tmp_path / "run/current/bin/chargerd").read_bytes().startswith(b"#!/usr/bin/python3")


def test_code_that_others_can_write_starts_nothing(real: Place, tmp_path: Path) -> None:
    open_to_all = tmp_path / "site-packages"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    with pytest.raises(FirmwareError) as refused:
        launch(real, [open_to_all])
    assert refused.value.refusal is Refusal.WRITABLE_CODE
    assert not (tmp_path / "run").exists()


def test_a_slot_that_is_no_longer_what_was_signed_is_not_named_any_longer(real: Place, tmp_path: Path) -> None:
    launch(real, [])
    (tmp_path / "slots/a/tree/lib/empty.py").write_bytes(b"x")
    with pytest.raises(FirmwareError):
        launch(real, [])
    assert list((tmp_path / "run").iterdir()) == []


def test_slots_that_others_can_write_start_nothing(real: Place, tmp_path: Path) -> None:
    (tmp_path / "slots").chmod(0o775)
    with pytest.raises(FirmwareError) as refused:
        launch(real, [])
    assert refused.value.refusal is Refusal.WRITABLE_CODE


def test_its_own_code_is_all_that_it_imports_from() -> None:
    found = own_code()
    assert any(Path(slots.__file__).is_relative_to(path) for path in found)
    assert all(path.exists() for path in found)
