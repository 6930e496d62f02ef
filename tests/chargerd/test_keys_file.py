"""Key files: private from the first moment, whole or not there, and not used once others could read them."""

import os
import ssl
import stat
from pathlib import Path

import pytest

from chargerd.identity import IdentityError
from chargerd.keys_file import KeyFolder
from tests.chargerd.key_stands import ClientAuthority, store

KEY_ID = "file-" + "0" * 32


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_can_read_is_not_used_and_the_remedy_is_said(mode: int, tmp_path: Path) -> None:
    keys = store("file", tmp_path)
    client = ClientAuthority(tmp_path).client(keys)
    (tmp_path / "keys" / f"{client.key_id}.pem").chmod(mode)
    with pytest.raises(IdentityError, match=r"others can read it.*new key made.*chmod"):
        keys.load_into(ssl.create_default_context(), client)
    (fact,) = keys.describe()
    assert fact.problem is not None
    assert "others can read it" in fact.problem


def test_a_folder_that_others_can_enter_makes_its_keys_useless(tmp_path: Path) -> None:
    keys = store("file", tmp_path)
    client = ClientAuthority(tmp_path).client(keys)
    (tmp_path / "keys").chmod(0o755)
    with pytest.raises(IdentityError, match="others can read it"):
        keys.load_into(ssl.create_default_context(), client)


def test_the_key_of_another_user_is_not_used(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path / "keys")
    folder.write(KEY_ID, b"key")
    found = (tmp_path / "keys" / f"{KEY_ID}.pem").stat()
    assert folder._why_not_private(found) is None
    values = list(found)[:10]
    values[stat.ST_UID] = found.st_uid + 1
    assert "belongs to another user" in str(folder._why_not_private(os.stat_result(values)))


def test_a_link_to_a_key_is_not_followed(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path / "keys")
    folder.write(KEY_ID, b"key")
    (tmp_path / "keys" / f"{KEY_ID}.pem").rename(tmp_path / "elsewhere.pem")
    (tmp_path / "keys" / f"{KEY_ID}.pem").symlink_to(tmp_path / "elsewhere.pem")
    with pytest.raises(IdentityError, match="cannot be read"), folder.opened(KEY_ID):
        pass


@pytest.mark.parametrize("key_id", ["", "../station.sqlite", "file-1", "tpm-" + "G" * 32, KEY_ID + "/x"])
def test_only_names_that_the_station_gave_lead_to_files(key_id: str, tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path)
    with pytest.raises(IdentityError, match="not the name of a key"), folder.opened(key_id):
        pass


def test_a_key_is_never_written_over_another(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path / "keys")
    folder.write(KEY_ID, b"one")
    with pytest.raises(IdentityError, match="cannot be kept"):
        folder.write(KEY_ID, b"other")
    with folder.opened(KEY_ID) as descriptor:
        assert os.read(descriptor, 10) == b"one"


def test_what_is_no_key_is_left_alone(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path / "keys")
    folder.write(KEY_ID, b"one")
    strange = tmp_path / "keys" / "notes.pem"
    strange.write_text("of the maker")
    folder.destroy_all_but(frozenset())
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["notes.pem"]
    assert folder.describe() == ()


def test_keys_are_told_in_the_order_in_which_they_were_made(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path / "keys")
    for number, made_s in ((1, 2_000), (2, 1_000)):
        folder.write(f"file-{number:032}", b"key")
        os.utime(tmp_path / "keys" / f"file-{number:032}.pem", (made_s, made_s))
    assert [fact.key_id[-1] for fact in folder.describe()] == ["2", "1"]


def test_where_no_key_was_made_there_is_none_to_tell_or_to_destroy(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path / "keys")
    folder.destroy_all_but(frozenset())
    assert folder.describe() == ()
    assert not (tmp_path / "keys").exists()
