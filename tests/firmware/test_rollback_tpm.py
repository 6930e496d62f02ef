"""The floor in a real TPM: swtpm, spoken to in the bytes of the standard."""

import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from firmware.errors import FirmwareError, Refusal
from firmware.launcher import Launch
from firmware.place import Place
from firmware.rollback_tpm import HIGHEST, INDEX, Exchange, TpmFloor, exchange_over
from firmware.slots import Name
from firmware.updating import Updating
from tests.firmware.kit import OLD, OLD_TREE, STARTED, MemoryFile, good, install, key_list, settings_in
from tests.firmware.memory_disk import MemoryDisk

PASSWORD = bytes.fromhex("00000009 40000009 0000 00 0000")
BITS = 2 << 4
ATTRIBUTES = 1 << 2 | 1 << 18 | 1 << 25 | BITS  # AUTHWRITE, AUTHREAD, NO_DA


class Tpm:
    """swtpm in a directory of its own; it is the same one after power_off and power_on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.power_on()

    def power_on(self) -> None:
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        command = [
            "swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self._folder}", "--server",
            f"type=tcp,port={self._port},bindaddr=127.0.0.1", "--flags", "not-need-init,startup-clear",
        ]  # fmt: skip
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while True:
            try:
                self._connection = socket.create_connection(("127.0.0.1", self._port), 10)
            except ConnectionRefusedError:
                assert time.monotonic() < until, "swtpm does not start"
                time.sleep(0.01)
            else:
                return

    def power_off(self) -> None:
        self._connection.close()
        self._process.kill()
        self._process.wait()

    def exchange(self, command: bytes) -> bytes:
        self._connection.sendall(command)
        return self._connection.recv(4096)

    def define(self) -> None:
        """As its maker does: TPM2_NV_DefineSpace, then no bit set."""
        public = struct.pack(">IHIHH", INDEX, 0x000B, ATTRIBUTES, 0, 8)
        body = struct.pack(">I", 0x40000001) + PASSWORD + b"\0\0" + struct.pack(">H", len(public)) + public
        self._done(0x12A, body)
        self._done(0x135, struct.pack(">II", INDEX, INDEX) + PASSWORD + bytes(8))

    def _done(self, code: int, body: bytes) -> None:
        answer = self.exchange(struct.pack(">HII", 0x8002, 10 + len(body), code) + body)
        assert answer[6:10] == bytes(4), answer.hex()


@pytest.fixture
def tpm(tmp_path: Path) -> Iterator[Tpm]:
    made = Tpm(tmp_path)
    yield made
    made.power_off()


def test_it_begins_at_nothing_and_only_rises(tpm: Tpm) -> None:
    tpm.define()
    floor = TpmFloor(tpm.exchange)
    assert floor.read() == 0
    for told, expected in ((0, 0), (3, 3), (2, 3), (3, 3), (7, 7), (HIGHEST, HIGHEST)):
        floor.raise_to(told)
        assert floor.read() == expected


def test_it_outlives_the_power(tpm: Tpm) -> None:
    tpm.define()
    TpmFloor(tpm.exchange).raise_to(5)
    tpm.power_off()
    tpm.power_on()
    assert TpmFloor(tpm.exchange).read() == 5


def test_an_index_that_is_not_there_is_not_taken_for_nothing(tpm: Tpm) -> None:
    floor = TpmFloor(tpm.exchange)
    with pytest.raises(FirmwareError, match="the TPM refuses: 0x") as refused:
        floor.read()
    assert refused.value.refusal is Refusal.FLOOR_UNREADABLE
    with pytest.raises(OSError, match="refuses"):
        floor.raise_to(1)


@pytest.mark.parametrize(
    "answer", [b"", b"\x80", bytes(10), bytes.fromhex("80020000000a00000000"), bytes(range(1, 41))]
)
def test_an_answer_that_is_none_is_not_believed(answer: bytes) -> None:
    exchange: Exchange = lambda _: answer  # noqa: E731  a function of one answer
    with pytest.raises(FirmwareError) as refused:
        TpmFloor(exchange).read()
    assert refused.value.refusal is Refusal.FLOOR_UNREADABLE


def test_a_chip_that_is_gone_stops_updates_and_not_the_charger(tpm: Tpm) -> None:
    tpm.define()
    place = place_with(tpm)
    install(place, good(OLD_TREE, **OLD), Name.B)
    Updating(place, STARTED, lambda: 0.0).mark_good()
    lost = Place(place.settings, place.slots, place._state, key_list(), TpmFloor(exchange_over(Path("/nonexistent"))))
    started = Launch(lost).choose()
    assert started.version == "1.0.0"
    assert "floor" in started.notes[0]
    with MemoryFile(good()) as file, pytest.raises(FirmwareError) as refused:
        Updating(lost, STARTED, lambda: 0.0).stage(file)
    assert refused.value.refusal is Refusal.FLOOR_UNREADABLE


def place_with(tpm: Tpm) -> Place:
    return Place(settings_in(Path("/nowhere")), MemoryDisk(), MemoryDisk(), key_list(), TpmFloor(tpm.exchange))


def test_a_device_with_its_floor_in_a_tpm_goes_from_one_version_to_the_next_and_not_back(tpm: Tpm) -> None:
    tpm.define()
    place = place_with(tpm)
    install(place, good(OLD_TREE, **OLD), Name.B)
    Updating(place, STARTED, lambda: 0.0).mark_good()
    install(place, good(), Name.A)
    Updating(place, Launch(place).choose(), lambda: 0.0).mark_good()
    assert place.floor.read() == 2
    assert isinstance(place._state, MemoryDisk)
    assert not [name for name in place._state.files() if name.startswith("floor")]
    tpm.power_off()
    tpm.power_on()
    with MemoryFile(good(OLD_TREE, **OLD)) as file, pytest.raises(FirmwareError) as refused:
        Updating(place_of(place, tpm), Launch(place_of(place, tpm)).choose(), lambda: 0.0).stage(file)
    assert refused.value.refusal is Refusal.ROLLED_BACK


def place_of(place: Place, tpm: Tpm) -> Place:
    """The same disks, after the power was off."""
    return Place(place.settings, place.slots, place._state, key_list(), TpmFloor(tpm.exchange))


def test_a_security_version_that_the_chip_could_not_hold_is_refused(tpm: Tpm) -> None:
    tpm.define()
    place = place_with(tpm)
    with MemoryFile(good(security_version=HIGHEST + 1)) as file, pytest.raises(FirmwareError) as refused:
        Updating(place, STARTED, lambda: 0.0).stage(file)
    assert refused.value.refusal is Refusal.TOO_LARGE


def test_a_command_goes_to_the_device_and_its_answer_comes_back(tmp_path: Path) -> None:
    """A file stands for the device: what is written is read on from there, so the answer is what was put behind it."""
    path = tmp_path / "tpm"
    path.write_bytes(b"....answer")
    assert exchange_over(path)(b"ask!") == b"answer"
    assert path.read_bytes() == b"ask!answer"
    with pytest.raises(OSError, match="No such file"):
        exchange_over(tmp_path / "missing")(b"")
