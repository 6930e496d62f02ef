"""What is known of the slots at a start, and that a machine which says too little is a charger all the same."""

from pathlib import Path

import pytest

from chargerd.bench.machine import FIRST_SECURITY_VERSION, Machine
from chargerd.config import FirmwareSettings
from chargerd.slot_facts import revocation_lists, slot_facts
from firmware.bundle import Kind

CRL = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"


def test_a_machine_with_slots_is_known_and_each_start_is_another(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "m", "1.0.0")
    site = FirmwareSettings(settings=str(machine.settings_file))
    first = slot_facts(site, "boot")
    machine.start()
    second = slot_facts(site, "boot")
    assert first is not None
    assert second is not None
    assert (first.version, first.config.running.slot) == ("1.0.0", "a")
    assert first.config.running.start_id != second.config.running.start_id
    assert first.device().floor == FIRST_SECURITY_VERSION


def test_where_the_memory_of_the_updater_cannot_be_read_what_runs_stands_for_it(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "m", "1.0.0")
    facts = slot_facts(FirmwareSettings(settings=str(machine.settings_file)), "boot")
    (tmp_path / "m" / "state").rename(tmp_path / "gone")
    assert facts is not None
    assert facts.device().floor == FIRST_SECURITY_VERSION


@pytest.mark.parametrize("installer, kind", [("directory", Kind.TREE), ("rauc", Kind.RAW)])
@pytest.mark.parametrize("memory", ["state", "gone"])
def test_a_bundle_is_of_the_kind_that_the_installer_takes(
    tmp_path: Path, installer: str, kind: Kind, memory: str
) -> None:
    machine = Machine(tmp_path / "m", "1.0.0")
    named = machine.settings_file.read_text().replace('installer = "directory"', f'installer = "{installer}"')
    assert f'installer = "{installer}"' in named
    machine.settings_file.write_text(named)
    facts = slot_facts(FirmwareSettings(settings=str(machine.settings_file)), "boot")
    (tmp_path / "m" / "state").rename(tmp_path / "m" / memory)
    assert facts is not None
    assert facts.device().kinds == {kind}


def test_a_machine_without_slots_or_launcher_is_not_updated(tmp_path: Path) -> None:
    assert slot_facts(FirmwareSettings(settings=str(tmp_path / "none")), "boot") is None
    machine = Machine(tmp_path / "m", "1.0.0")
    (tmp_path / "m" / "run" / "started.json").unlink()
    assert slot_facts(FirmwareSettings(settings=str(machine.settings_file)), "boot") is None
    (tmp_path / "bad").write_text("no toml")
    assert slot_facts(FirmwareSettings(settings=str(tmp_path / "bad")), "boot") is None


def test_lists_are_taken_one_by_one_and_a_file_without_any_is_no_file_of_lists(tmp_path: Path) -> None:
    path = tmp_path / "lists"
    path.write_text(CRL + CRL)
    assert len(revocation_lists(str(path))) == 2
    assert revocation_lists(None) == ()
    path.write_text("nothing")
    with pytest.raises(OSError, match="no revocation list"):
        revocation_lists(str(path))
