"""The machine of the bench starts what was installed, and only what is right for it."""

from pathlib import Path

from chargerd.bench.machine import FIRST_SECURITY_VERSION, Machine
from firmware.slots import Name, State


def test_a_new_machine_runs_its_first_version_and_will_run_nothing_older(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "m", "1.2.3")
    started = machine.start()
    assert (started.slot, started.version, started.notes) == (Name.A, "1.2.3", ())
    assert machine.place().record().slot(Name.A).state is State.GOOD
    assert machine.place().floor.read() == FIRST_SECURITY_VERSION
