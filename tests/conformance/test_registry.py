"""Every certification case that applies is written, or says why it is not; and nothing else is."""

from chargerd.conformance.case import all_cases
from chargerd.conformance.catalogue import catalogue, declaration, why_not
from tests.conformance.missing import MISSING

BLOCKS = "ABCDEFGHJLMNP"
"""The functional blocks that are built."""

STATION = declaration()
KNOWN = {case_id: entry for case_id, entry in catalogue().items() if case_id.split("_")[1] in BLOCKS}
APPLY = {case_id for case_id, entry in KNOWN.items() if why_not(entry, STATION) is None}
BEYOND = {case_id for case_id, entry in KNOWN.items() if not set(entry.profiles) & set(STATION.profiles)}
"""Of no profile that is declared: they may be written all the same, for what they show is there."""


def test_no_case_is_written_that_does_not_apply() -> None:
    written = {case_id: why_not(KNOWN[case_id], STATION) for case_id in all_cases().keys() - APPLY - BEYOND}
    assert written == {}


def test_what_is_called_missing_applies_and_is_not_written_and_has_a_reason() -> None:
    assert sorted(MISSING.keys() - APPLY) == []
    assert sorted(MISSING.keys() & all_cases().keys()) == []
    assert [case_id for case_id, reason in MISSING.items() if not reason] == []


def test_a_case_of_the_real_processes_alone_does_not_exist_and_one_that_cannot_wait_says_why() -> None:
    virtual_only = {case.case_id: case.virtual_only for case in all_cases().values() if case.virtual_only}
    assert all(len(reason) > 10 for reason in virtual_only.values())
