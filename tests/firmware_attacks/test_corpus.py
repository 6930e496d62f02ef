"""Every malicious bundle is refused, for the right reason, with no unsigned byte out and no file outside its slot."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware.bundle import Kind
from firmware.disk import Folder
from firmware.errors import FirmwareError, Refusal
from firmware.place import Place
from firmware.slots import Name, Record, Slot, State
from firmware.updating import Updating
from firmware.verify import Verifier
from tests.firmware.kit import STARTED, MemoryFile, device, good, key_list, settings_in
from tests.firmware_attacks.corpus import GOOD, PAYLOAD, Attack, corpus

CORPUS = corpus()
KEYS = key_list(releases=["release-1"], revoked=["release-0"])
BEFORE = Record(1, Name.A, Slot(State.GOOD, 0, "a" * 64), Slot(State.GOOD, 0, "b" * 64))


def test_there_are_at_least_two_hundred_and_no_two_have_one_name() -> None:
    assert len({attack.name for attack in CORPUS}) == len(CORPUS) >= 200
    assert len({(attack.content, attack.floor) for attack in CORPUS}) > 0.95 * len(CORPUS)


def test_the_bundle_that_they_are_made_from_is_taken() -> None:
    verifier = Verifier(device(keys=KEYS))
    assert verifier.feed(GOOD) == PAYLOAD
    verifier.finish()


@pytest.mark.parametrize("attack", CORPUS, ids=lambda attack: attack.name)
def test_the_verifier_lets_out_nothing_that_was_not_signed(attack: Attack) -> None:
    """Trees are signed here; whether they may be installed is asked by the next test."""
    verifier = Verifier(device(keys=KEYS, floor=attack.floor, kinds=frozenset({Kind.TREE})))
    rng = random.Random(attack.name)
    out, refusal = b"", None
    left = attack.content
    try:
        while left:
            count = rng.choice((1, 97, 4096, 20_000))
            out += verifier.feed(left[:count])
            left = left[count:]
        verifier.finish()
    except FirmwareError as error:
        refusal = error.refusal
    if refusal is None:
        assert attack.refusals == (Refusal.BAD_TREE,)
        assert attack.content.endswith(out)
    else:
        assert refusal in attack.refusals
        assert PAYLOAD.startswith(out)


class Device:
    """A real directory with both slots; only slot b may change."""

    def __init__(self, folder: Path, floor: int) -> None:
        for name in ("slots/a/tree", "slots/b/tree", "state"):
            (folder / name).mkdir(parents=True)
        (folder / "slots/a/head").write_bytes(b"what runs")
        (folder / "slots/b/tree/old").write_bytes(b"what ran before")
        self.folder = folder
        self.disks = Folder(folder / "slots"), Folder(folder / "state")
        self.place = Place(settings_in(folder), *self.disks, KEYS)
        self.place.save(BEFORE)
        self.place.floor.raise_to(floor)

    def close(self) -> None:
        for disk in self.disks:
            disk.close()

    def outside(self) -> dict[str, bytes]:
        """Every file that is not slot b's, nor the record of the slots."""
        paths = [path for path in self.folder.rglob("*") if path.is_file() or path.is_symlink()]
        names = {path.relative_to(self.folder).as_posix(): path for path in paths}
        return {
            name: path.read_bytes()
            for name, path in names.items()
            if not name.startswith("slots/b/") and name != "state/slots"
        }


@pytest.fixture
def board(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Device]:
    made = Device(tmp_path / "device", request.param)
    yield made
    made.close()


@pytest.mark.parametrize(
    "board, attack",
    [(attack.floor, attack) for attack in CORPUS],
    indirect=["board"],
    ids=[attack.name for attack in CORPUS],
)
def test_the_updater_refuses_it_by_name_and_writes_nothing_outside_the_slot(board: Device, attack: Attack) -> None:
    before = board.outside()
    around = {path.name for path in board.folder.parent.iterdir()}
    updating = Updating(board.place, STARTED, lambda: 0.0)
    with MemoryFile(attack.content) as file, pytest.raises(FirmwareError) as refused:
        updating.stage(file)
    assert refused.value.refusal in attack.refusals
    assert board.outside() == before
    assert {path.name for path in board.folder.parent.iterdir()} == around
    record = board.place.record()
    assert record.primary is Name.A
    assert record.a == BEFORE.a
    if record.b == BEFORE.b:
        assert (board.folder / "slots/b/tree/old").read_bytes() == b"what ran before"
    else:
        assert record.b == Slot(State.EMPTY)
    with pytest.raises(FirmwareError) as nothing:
        updating.activate("b" * 64)
    assert nothing.value.refusal is Refusal.NOTHING_STAGED


def test_a_device_takes_a_good_bundle_after_all_that(tmp_path: Path) -> None:
    board = Device(tmp_path / "device", 1)
    updating = Updating(board.place, STARTED, lambda: 0.0)
    for attack in CORPUS[::9]:
        with MemoryFile(attack.content) as file, pytest.raises(FirmwareError):
            updating.stage(file)
    with MemoryFile(good()) as file:
        updating.activate(updating.stage(file).manifest_sha256)
    assert board.place.record().b.state is State.ON_TRIAL
    board.close()
