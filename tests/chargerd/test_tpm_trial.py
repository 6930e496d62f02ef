"""What is remembered of the TPM across deaths: a process is a new Trial on the same file."""

import json
from pathlib import Path

import pytest

from chargerd.clock import ManualClock
from chargerd.identity import IdentityError
from chargerd.tpm_trial import DEATHS_ALLOWED, RESTART_AGAIN_S, TRY_AGAIN_S, Trial


class Machine:
    """A machine on which the station starts again and again."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "keys" / "tpm.trial"
        self.clock = ManualClock()
        self.boot_id = "boot-1"

    def process(self) -> Trial:
        return Trial(self.path, self.clock.monotonic, self.boot_id)

    def die_in_use(self) -> None:
        self.process().begin()
        self.clock.advance(5.0)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_uses_that_are_survived_are_never_refused(machine: Machine) -> None:
    for _ in range(10):
        trial = machine.process()
        trial.begin()
        trial.survived()


def test_three_deaths_in_a_row_end_the_use_of_the_tpm_for_an_hour(machine: Machine) -> None:
    for _ in range(DEATHS_ALLOWED):
        machine.die_in_use()
    trial = machine.process()
    with pytest.raises(IdentityError, match=r"died 3 times in a row.*again in 60 min"):
        trial.begin()
    machine.clock.advance(TRY_AGAIN_S - 60.0)
    with pytest.raises(IdentityError, match=r"again in 1 min"):
        machine.process().begin()
    machine.clock.advance(61.0)
    trial.begin()


def test_one_more_death_after_the_hour_costs_another_hour(machine: Machine) -> None:
    for _ in range(DEATHS_ALLOWED):
        machine.die_in_use()
    machine.process()._known()
    machine.clock.advance(TRY_AGAIN_S + 1.0)
    machine.die_in_use()
    with pytest.raises(IdentityError, match="died 4 times"):
        machine.process().begin()


def test_a_use_that_is_survived_forgives_the_deaths_before_it(machine: Machine) -> None:
    for _ in range(DEATHS_ALLOWED - 1):
        machine.die_in_use()
    trial = machine.process()
    trial.begin()
    trial.survived()
    for _ in range(DEATHS_ALLOWED - 1):
        machine.die_in_use()
    machine.process().begin()


def test_a_new_start_of_the_machine_allows_one_more_try(machine: Machine) -> None:
    for _ in range(DEATHS_ALLOWED):
        machine.die_in_use()
    machine.boot_id = "boot-2"
    machine.process().begin()
    with pytest.raises(IdentityError, match="died 4 times"):
        machine.process().begin()


def test_a_death_while_the_tpm_is_not_in_use_does_not_count(machine: Machine) -> None:
    for _ in range(DEATHS_ALLOWED + 1):
        trial = machine.process()
        trial.begin()
        trial.survived()  # and here it dies
    machine.process().begin()


def test_two_uses_at_once_are_over_when_both_are(machine: Machine) -> None:
    trial = machine.process()
    trial.begin()
    trial.begin()
    trial.survived()
    assert json.loads(machine.path.read_text())["trying"] is True
    trial.survived()
    assert json.loads(machine.path.read_text())["trying"] is False


def test_the_station_restarts_itself_once_in_a_quarter_of_an_hour(machine: Machine) -> None:
    assert machine.process().may_restart()
    assert not machine.process().may_restart()
    machine.clock.advance(RESTART_AGAIN_S + 1.0)
    assert machine.process().may_restart()


@pytest.mark.parametrize("content", [b"", b"{}", b"not JSON", b'{"boot_id": 7}'])
def test_a_record_that_cannot_be_read_counts_as_none(machine: Machine, content: bytes) -> None:
    machine.path.parent.mkdir()
    machine.path.write_bytes(content)
    machine.process().begin()


def test_where_nothing_can_be_written_the_tpm_is_used_and_the_station_does_not_restart_itself(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.path.parent.write_text("a file where the folder should be")
    trial = machine.process()
    trial.begin()
    trial.survived()
    assert not trial.may_restart()
