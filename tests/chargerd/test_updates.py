"""What there is to be done with firmware, with slots and without."""

from pathlib import Path

from chargerd.bench.machine import Machine
from chargerd.config import FirmwareSettings
from chargerd.ocpp.jobs import ACTIVATE, DISCARD, DOWNLOAD, MARK_GOOD, STAGE, VERIFY
from chargerd.tls import file_server_context
from chargerd.updates import RESTART_WISH, Updates


def updates(path: Path, settings: Path) -> Updates:
    return Updates(FirmwareSettings(settings=str(settings)), path, path, "boot", file_server_context)


def test_a_machine_with_slots_has_every_kind_of_job(tmp_path: Path) -> None:
    found = updates(tmp_path, Machine(tmp_path / "m", "1.0.0").settings_file)
    assert found.kinds().keys() == {DOWNLOAD, DISCARD, VERIFY, STAGE, ACTIVATE, MARK_GOOD}
    assert (found.version("x"), found.progress) == ("1.0.0", None)
    assert found.config is not None


def test_one_without_has_none_and_is_the_version_that_is_installed(tmp_path: Path) -> None:
    found = updates(tmp_path, tmp_path / "none")
    assert (found.kinds(), found.version("x"), found.progress, found.config) == ({}, "x", None, None)


def test_the_wish_for_a_restart_is_a_file_that_the_next_start_removes(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "m", "1.0.0")
    updates(tmp_path, machine.settings_file).restart_machine()
    assert (tmp_path / RESTART_WISH).exists()
    updates(tmp_path, machine.settings_file)
    assert not (tmp_path / RESTART_WISH).exists()
