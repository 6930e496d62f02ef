"""Bundles of RAUC's format verity, on a kernel with dm-verity: what a device installs, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from firmware.errors import FirmwareError
from firmware.installers.rauc import RaucUpdating
from tests.firmware.kit import MemoryFile
from tests.firmware.rauc_machine import RaucMachine, image


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[RaucMachine]:
    with RaucMachine(tmp_path, formats="bundle-formats=-plain") as machine:
        yield machine


def stage(machine: RaucMachine, payload: bytes, *, rauc_plain: bool = False) -> str:
    place = machine.place()
    place.settings = msgspec.structs.replace(place.settings, rauc_plain=rauc_plain)
    with MemoryFile(machine.bundle(payload)) as file:
        return RaucUpdating(place, machine.rauc, lambda: 0.0).stage(file).manifest_sha256


def test_a_bundle_of_the_format_verity_is_installed_and_started(machine: RaucMachine) -> None:
    staged = stage(machine, machine.rauc_bundle(verity=True))
    assert (machine.slot("B"), machine.choice()) == (image(2), "A")
    RaucUpdating(machine.place(), machine.rauc, lambda: 0.0).activate(staged)
    assert machine.choice() == "B"


def test_a_block_that_was_changed_is_refused_while_it_is_read(machine: RaucMachine) -> None:
    payload = bytearray(machine.rauc_bundle(verity=True))
    payload[200_000] ^= 1
    with pytest.raises(FirmwareError, match="installer-failed"):
        stage(machine, bytes(payload))
    assert machine.choice() == "A"
    assert machine.boot_file("state-B") == "bad"


def test_the_format_plain_is_refused_by_us_and_by_rauc(machine: RaucMachine) -> None:
    with pytest.raises(FirmwareError, match="wrong-kind"):
        stage(machine, machine.rauc_bundle())
    with pytest.raises(FirmwareError, match="installer-failed"):
        stage(machine, machine.rauc_bundle(), rauc_plain=True)
    assert machine.slot("B") == bytes(len(image(2)))
