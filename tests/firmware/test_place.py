"""What a device remembers of its firmware, and what it makes of files that are damaged or not there."""

import random
from pathlib import Path

import msgspec
import pytest

from firmware import slots
from firmware.bundle import Kind
from firmware.errors import FirmwareError, Refusal
from firmware.place import Place, SettingsError, Started, open_place, read_settings, read_started, say_started
from firmware.slots import UNKNOWN, Name
from tests.firmware.kit import HARDWARE, PRODUCT, key_list, place_on, settings_in, signed_list
from tests.firmware.memory_disk import MemoryDisk

STARTED = Started(Name.B, "2.0.0", 2, "a" * 64, ("slot a: expired",))


def written(folder: Path, text: str) -> Path:
    path = folder / "firmware.toml"
    path.write_text(text)
    return path


def test_settings_have_defaults_for_all_but_what_only_the_maker_knows(tmp_path: Path) -> None:
    settings = read_settings(written(tmp_path, f'product = "{PRODUCT}"\nhardware = "{HARDWARE}"\n'))
    assert (settings.slots_dir, settings.users) == ("/opt/chargerd/slots", ("chargerd",))


def test_the_installer_of_the_settings_says_what_a_payload_has_to_be(tmp_path: Path) -> None:
    text = f'product = "{PRODUCT}"\nhardware = "{HARDWARE}"\n'
    assert read_settings(written(tmp_path, text)).installer.kind is Kind.TREE
    settings = read_settings(written(tmp_path, f'{text}installer = "rauc"\n'))
    assert (settings.installer.kind, settings.rauc_plain) == (Kind.RAW, False)
    place = Place(settings, MemoryDisk(), MemoryDisk(), key_list())
    assert place.device(0).kinds == {Kind.RAW}


@pytest.mark.parametrize(
    "text",
    [
        "", 'product = "a"',
        'product = "A"\nhardware = "b"', 'product = "a"\nhardware = "b"\nprodukt = "a"', "=", "\xff",
        'product = "a"\nhardware = "b"\nmost_payload_bytes = 0', "#" * 20_000,
    ],
)  # fmt: skip
def test_settings_that_cannot_be_used_say_which_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"firmware\.toml"):
        read_settings(written(tmp_path, text))
    with pytest.raises(SettingsError, match="No such file"):
        read_settings(tmp_path / "missing.toml")


def prepared(folder: Path, product: str = PRODUCT) -> Path:
    (folder / "slots").mkdir()
    (folder / "state").mkdir()
    (folder / "firmware-keys").write_bytes(signed_list(key_list(product=product), "root-1").encode())
    return folder


def test_a_place_opens_where_everything_is_there(tmp_path: Path) -> None:
    place = open_place(settings_in(prepared(tmp_path)))
    assert place.record() == UNKNOWN
    assert place.keys() == key_list()
    assert place.device(7).floor == 7


def test_a_place_does_not_open_without_its_keys_or_directories(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="firmware-keys"):
        open_place(settings_in(tmp_path))
    (tmp_path / "firmware-keys").write_bytes(b"x" * 100)
    with pytest.raises(SettingsError, match="bad-key-list"):
        open_place(settings_in(tmp_path))
    (tmp_path / "firmware-keys").write_bytes(signed_list(key_list(), "root-1").encode())
    with pytest.raises(SettingsError, match="slots"):
        open_place(settings_in(tmp_path))


@pytest.mark.parametrize("name", ["firmware-keys", "state", "slots"])
def test_what_others_can_write_is_not_trusted(tmp_path: Path, name: str) -> None:
    (prepared(tmp_path) / name).chmod(0o777)
    with pytest.raises(SettingsError, match=f"{name} can be written by others than root"):
        open_place(settings_in(tmp_path))


def test_the_keys_of_another_product_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is for other"):
        open_place(settings_in(prepared(tmp_path, "other")))


def with_keys(place: Place, content: bytes) -> Place:
    state = place._state
    state.create("keys", 0o644)
    state.append("keys", content)
    return place


def test_the_newest_list_of_keys_counts() -> None:
    newer = signed_list(key_list(3, releases=["release-3"]), "root-1")
    assert with_keys(place_on(MemoryDisk(), MemoryDisk()), newer.encode()).keys() == newer.keys


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"damaged",
        signed_list(key_list(3, product="other"), "root-1").encode(),
        signed_list(key_list(3), "stranger").encode(),
        b"x" * 200_000,
    ],
)
def test_stored_keys_that_cannot_be_used_are_as_good_as_none(content: bytes) -> None:
    assert with_keys(place_on(MemoryDisk(), MemoryDisk()), content).keys() == key_list()


def test_a_record_that_is_damaged_is_unknown() -> None:
    state = MemoryDisk()
    place = place_on(MemoryDisk(), state)
    record = slots.Record(1, Name.B, slots.Slot(slots.State.GOOD), slots.Slot(slots.State.EMPTY))
    place.save(record)
    assert place.record() == record
    state.damage("slots", random.Random(3))
    assert place.record() != record


def test_what_was_started_is_said_for_all_to_read(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    say_started(settings, STARTED)
    say_started(settings, msgspec.structs.replace(STARTED, slot=Name.A))
    say_started(settings, STARTED)
    assert read_started(settings) == STARTED
    assert (tmp_path / "run/current").readlink() == tmp_path / "slots/b/tree"
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["current", "started.json"]


@pytest.mark.parametrize("text", [None, b"", b"{}", b'{"slot":"c"}'])
def test_where_no_launcher_has_spoken_nothing_may_be_written(tmp_path: Path, text: bytes | None) -> None:
    if text is not None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run/started.json").write_bytes(text)
    with pytest.raises(FirmwareError) as refused:
        read_started(settings_in(tmp_path))
    assert refused.value.refusal is Refusal.NOT_ALLOWED
