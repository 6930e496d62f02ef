"""Work in the station's place: as its user, and as nobody else."""

import os
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest

from chargerd.ctl import owner
from chargerd.ctl.asking import CtlError
from chargerd.ctl.owner import as_owner_of

NOBODY = 65534


def test_in_a_folder_of_our_own_nothing_changes(tmp_path: Path) -> None:
    with as_owner_of(tmp_path):
        (tmp_path / "file").write_text("")
    assert (tmp_path / "file").stat().st_uid == os.geteuid()


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(CtlError, match="is chargerd installed"), as_owner_of(tmp_path / "none"):
        pass


class Ids:
    """The calls by which a process changes who it is, with nothing behind them."""

    def __init__(self, uid: int) -> None:
        self.uid = uid
        self.calls: list[tuple[str, object]] = []

    def geteuid(self) -> int:
        return self.uid

    def __getattr__(self, name: str) -> object:
        if name.startswith("set"):
            return lambda value: self.calls.append((name, value))
        return getattr(os, name)


class Folder:
    """A folder of the user `nobody`."""

    def stat(self) -> os.stat_result:
        return os.stat_result((0o40700, 0, 0, 1, NOBODY, NOBODY, 0, 0, 0, 0))

    def exists(self) -> bool:
        return True


def test_root_becomes_the_owner_with_the_group_of_the_tpm_and_root_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ids, folder = Ids(0), cast(Path, Folder())
    monkeypatch.setattr(owner, "os", ids)
    with as_owner_of(folder, folder):
        assert ids.calls == [("setgroups", [NOBODY, NOBODY]), ("setegid", NOBODY), ("seteuid", NOBODY)]
    back = [("seteuid", 0), ("setegid", os.getegid()), ("setgroups", os.getgroups())]
    assert ids.calls[3:] == back
    with suppress(ZeroDivisionError), as_owner_of(folder):
        raise ZeroDivisionError
    assert ids.calls[-3:] == back


def test_another_user_is_told_whom_the_folder_belongs_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "os", Ids(tmp_path.stat().st_uid + 1))
    with pytest.raises(CtlError, match="run this as root or as that user"), as_owner_of(tmp_path):
        pass
