"""The fault table is whole, and what stands is a value."""

import re

import pytest

from chargerd.evse.faults import TABLE, ClearedBy, Fault, FaultCode, Severity, blocks_energy, cleared, fault, raised
from chargerd.evse.types import ActiveFault


def test_every_code_has_exactly_one_row() -> None:
    assert [row.code for row in TABLE] == list(FaultCode)


def test_every_row_has_words_an_ocpp_place_and_a_well_formed_mrec_code() -> None:
    for row in TABLE:
        assert row.text.endswith(".")
        assert row.component
        assert row.variable
        assert re.fullmatch(r"(CX0\d\d)?", row.mrec)
        assert fault(row.code) is row


def test_an_unknown_code_is_refused() -> None:
    with pytest.raises(KeyError):
        fault("nonsense")


def test_what_can_hurt_somebody_stays_until_unplugged() -> None:
    latched = {row.code for row in TABLE if row.latched}
    assert latched == {
        FaultCode.DIODE,
        FaultCode.VENTILATION,
        FaultCode.CONTACTOR_NO_CLOSE,
        FaultCode.CONTACTOR_WELDED,
        FaultCode.CURRENT_WHILE_OPEN,
        FaultCode.EV_OVERDRAW,
        FaultCode.RESIDUAL_AC,
        FaultCode.RESIDUAL_DC,
        FaultCode.CABLE_CHANGED,
    }
    assert all(row.severity is Severity.OPEN for row in TABLE if row.latched)


def test_a_fault_raised_again_keeps_its_beginning() -> None:
    once = raised((), FaultCode.DIODE, 5.0, "low 9.0 V")
    assert once == (ActiveFault("diode", 5.0, "low 9.0 V"),)
    assert raised(once, FaultCode.DIODE, 6.0, "other") == once
    assert [active.code for active in raised(once, FaultCode.PILOT_SHORT, 6.0)] == ["diode", "pilot_short"]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.code)
@pytest.mark.parametrize("present", [True, False])
@pytest.mark.parametrize("unplugged", [True, False])
def test_a_fault_ends_as_its_row_says(row: Fault, present: bool, unplugged: bool) -> None:
    standing = raised((), row.code, 5.0)
    ends = not present and (unplugged or row.cleared_by is ClearedBy.CAUSE_GONE)
    assert cleared(standing, [row.code] if present else [], unplugged) == (() if ends else standing)


def test_only_a_warning_lets_energy_flow() -> None:
    for row in TABLE:
        assert blocks_energy(ActiveFault(row.code, 0.0)) is (row.severity is not Severity.WARNING)
