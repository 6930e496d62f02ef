"""Building gives the same bytes for the same directory, and what is built and signed is what a device takes."""

import os
import random
from pathlib import Path

import pytest

from firmware import maker
from firmware.bundle import Kind
from firmware.errors import FirmwareError, Refusal
from tests.firmware.kit import TREE, device, good, key, key_list, make, maker_build, manifest_of, public, signed_list


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for path, content in TREE.items():
        if content is None:
            (tmp_path / "source" / path).mkdir(parents=True)
        else:
            (tmp_path / "source" / path).write_bytes(content)
    (tmp_path / "source/bin/chargerd").chmod(0o755)
    return tmp_path / "source"


def test_a_directory_becomes_a_bundle_that_a_device_takes(source: Path, tmp_path: Path) -> None:
    path = tmp_path / "acme.bundle"
    built = maker_build(source, path, chunk_bytes=4096)
    parts = maker.sign(path, [key("release-1")])
    assert path.read_bytes() == good()
    assert parts.manifest == built
    seen: list[int] = []
    assert maker.verify(path, device(), seen.append).finish() == built
    assert seen[-1] == path.stat().st_size


def test_the_same_directory_gives_the_same_bytes(source: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    maker_build(source, one)
    (source / "lib/chargerd.py").touch()
    os.utime(source / "bin", (0, 0))
    (source / "lib").chmod(0o700)
    maker_build(source, two)
    for path in (one, two):
        maker.sign(path, [key("release-1")])
    assert one.read_bytes() == two.read_bytes()


def test_an_image_becomes_a_bundle_too(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(random.Random(1).randbytes(600_000))
    path = tmp_path / "bundle"
    built = maker_build(image, path)
    assert (built.kind, built.payload_bytes, built.chunks) == (Kind.RAW, 600_000, 3)
    maker.sign(path, [key("release-1")])
    maker.verify(path, device())
    assert sorted(each.name for each in tmp_path.iterdir()) == ["bundle", "image"]


def test_what_a_device_would_refuse_is_refused_while_building(source: Path, tmp_path: Path) -> None:
    (source / "lib/link").symlink_to("chargerd.py")
    with pytest.raises(FirmwareError) as refused:
        maker_build(source, tmp_path / "bundle")
    assert refused.value.refusal is Refusal.BAD_TREE
    assert "'lib/link' is a link" in refused.value.why
    assert not list(tmp_path.glob("bundle*"))
    (source / "lib/link").unlink()
    (source / "lib/Chargerd.py").touch()
    with pytest.raises(FirmwareError, match="capitals"):
        maker_build(source, tmp_path / "bundle")


@pytest.mark.parametrize(
    "changes", [{"version": "2;0"}, {"product": "A"}, {"hardware": ()}, {"chunk_bytes": 5000}, {"created": "now"}]
)
def test_what_is_told_wrongly_is_refused_while_building(
    source: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    with pytest.raises(FirmwareError):
        maker_build(source, tmp_path / "bundle", **changes)
    assert not (tmp_path / "bundle").exists()


def test_signatures_are_added_and_an_old_one_by_the_same_key_is_replaced(source: Path, tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    maker_build(source, path)
    maker.sign(path, [key("release-1")])
    maker.sign(path, [key("release-2"), key("release-1")])
    with path.open("rb") as file:
        assert len(maker.read_parts(file).signed) == 2
    needs_two = device(keys=key_list(releases=["release-1", "release-2"], releases_needed=2))
    maker.verify(path, needs_two)


def test_lists_of_keys_ride_in_a_bundle_and_stay_when_it_is_signed_again(source: Path, tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    maker_build(source, path)
    second = signed_list(key_list(2, releases=["release-2"]), "root-1")
    maker.sign(path, [key("release-2")], (second,))
    maker.sign(path, [key("release-1")])
    with path.open("rb") as file:
        assert maker.read_parts(file).key_lists == (second,)
    assert maker.verify(path, device()).key_list == second


def test_no_more_signatures_than_a_bundle_holds(source: Path, tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    maker_build(source, path)
    with pytest.raises(FirmwareError) as refused:
        maker.sign(path, [key(f"release-{number}") for number in range(9)])
    assert refused.value.refusal is Refusal.TOO_LARGE


def test_what_is_no_bundle_is_not_signed(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    for content in (b"", b"x" * 100, good()[:200]):
        path.write_bytes(content)
        with pytest.raises(FirmwareError):
            maker.sign(path, [key("release-1")])
        assert path.read_bytes() == content


def test_a_first_slot_is_what_an_updater_would_have_written(source: Path, tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    maker_build(source, path)
    maker.sign(path, [key("release-1")])
    (tmp_path / "slots").mkdir()
    assert maker.unpack(path, device(), tmp_path / "slots").finish().version == "2.0.0"
    tree = tmp_path / "slots/a/tree"
    assert {each.relative_to(tree).as_posix() for each in tree.rglob("*")} == set(TREE)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FirmwareError):
        maker.unpack(path, device(), tmp_path / "slots")


def test_of_an_image_the_first_slot_has_the_head_alone(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    payload = b"image" * 9000
    path.write_bytes(content := make(payload, manifest_of(payload, kind=Kind.RAW)))
    (tmp_path / "slots").mkdir()
    assert maker.unpack(path, device(), tmp_path / "slots").head == content[: -len(payload)]
    assert [each.relative_to(tmp_path).as_posix() for each in tmp_path.rglob("slots/**/*")] == [
        "slots/a",
        "slots/a/head",
    ]
    path.write_bytes(content[:-1])
    with pytest.raises(FirmwareError, match="truncated"):
        maker.unpack(path, device(), tmp_path / "slots")


def test_a_list_of_keys_is_signed_and_signed_again_by_somebody_else() -> None:
    one = maker.sign_list(key_list(2), [key("root-1")])
    two = maker.sign_list(one.keys, [key("root-2")], one.signed)
    assert two == signed_list(key_list(2), "root-1", "root-2")
    with pytest.raises(FirmwareError):
        maker.sign_list(key_list(releases_needed=2), [key("root-1")])


def test_a_role_has_its_keys_in_order() -> None:
    assert maker.role(1, reversed(public("a", "b", "c"))).keys == public("a", "b", "c")
