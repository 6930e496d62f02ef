"""Whenever the power goes during an update, a signed slot runs afterwards, and the update can be done again."""

import pytest

from tests.firmware.memory_disk import MemoryDisk
from tests.firmware_attacks import power_cut

CUTS = 1200


@pytest.mark.parametrize("share", range(4))
def test_after_any_cut_a_whole_signed_slot_runs_and_the_update_can_be_done_again(share: int) -> None:
    ran = power_cut.run(CUTS // 4, seed=share)
    assert sum(ran.values()) == CUTS // 4
    assert set(ran) == {"1.0.0", "2.0.0"}


def test_there_are_more_cuts_than_operations() -> None:
    assert 20 < power_cut.operations(power_cut.new_board()) < CUTS // 4


@pytest.mark.parametrize("operation", ["sync", "sync_directory", "sync_all"])
def test_the_test_itself_notices_a_medium_that_was_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    monkeypatch.setattr(MemoryDisk, operation, lambda *_: None)
    with pytest.raises(AssertionError):
        power_cut.run(CUTS, seed=1)
