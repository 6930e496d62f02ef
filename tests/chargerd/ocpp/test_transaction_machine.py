import msgspec
import pytest

from chargerd.clock import ManualClock
from chargerd.evse.faults import TABLE, FaultCode
from chargerd.evse.types import EvseStatus, PilotState
from chargerd.ocpp.messages.enums import BootReason, ChargingState, IdTokenEnum, Reason
from chargerd.ocpp.messages.types import IdToken
from chargerd.ocpp.transaction_machine import (
    Grant,
    OpenTransaction,
    PlugIn,
    TxPoint,
    has_ceased,
    may_start,
    reason_of_boot,
    reason_of_fault,
    without_energy,
)

GRANT = Grant(id_token=IdToken(id_token="04AABBCC", type=IdTokenEnum.ISO14443))
TX = OpenTransaction(
    transaction_id="tx", evse_id=1, started_utc=ManualClock().now().utc, plug=PlugIn("run-1", 1), grant=GRANT
)
READY = EvseStatus(evse_id=1, pilot_state=PilotState.B, ev_connected=True, offered_amps=16.0)


@pytest.mark.parametrize(
    "point, connected, authorized, energy, starts",
    [
        (TxPoint.EV_CONNECTED, True, False, False, True),
        (TxPoint.EV_CONNECTED, False, True, False, False),
        (TxPoint.AUTHORIZED, False, True, False, True),
        (TxPoint.AUTHORIZED, True, False, False, False),
        (TxPoint.POWER_PATH_CLOSED, True, True, False, True),
        (TxPoint.POWER_PATH_CLOSED, True, False, False, False),
        (TxPoint.POWER_PATH_CLOSED, False, True, False, False),
        (TxPoint.ENERGY_TRANSFER, True, True, True, True),
        (TxPoint.ENERGY_TRANSFER, True, True, False, False),
        (TxPoint.ENERGY_TRANSFER, True, False, True, False),
    ],
)
def test_a_transaction_starts_when_a_listed_point_is_reached(
    point: TxPoint, connected: bool, authorized: bool, energy: bool, starts: bool
) -> None:
    assert may_start((point,), connected=connected, authorized=authorized, energy=energy) is starts


@pytest.mark.parametrize(
    "point, connected, authorized, ends",
    [
        (TxPoint.EV_CONNECTED, False, True, True),
        (TxPoint.EV_CONNECTED, True, False, False),
        (TxPoint.AUTHORIZED, True, False, True),
        (TxPoint.AUTHORIZED, False, True, False),
        (TxPoint.POWER_PATH_CLOSED, False, True, True),
        (TxPoint.POWER_PATH_CLOSED, True, False, True),
        (TxPoint.POWER_PATH_CLOSED, True, True, False),
        (TxPoint.ENERGY_TRANSFER, True, False, True),
        (TxPoint.ENERGY_TRANSFER, True, True, False),
    ],
)
def test_a_transaction_ends_when_a_listed_point_has_ceased(
    point: TxPoint, connected: bool, authorized: bool, ends: bool
) -> None:
    assert has_ceased((point,), connected=connected, authorized=authorized) is ends


def test_any_of_several_points_counts() -> None:
    points = (TxPoint.EV_CONNECTED, TxPoint.AUTHORIZED)
    assert may_start(points, connected=False, authorized=True, energy=False)
    assert has_ceased(points, connected=True, authorized=False)


def test_without_authorization_a_vehicle_is_just_connected() -> None:
    assert without_energy(msgspec.structs.replace(TX, grant=None), READY) is ChargingState.EV_CONNECTED
    assert without_energy(None, READY) is ChargingState.EV_CONNECTED


def test_an_offer_that_the_vehicle_does_not_take_is_its_own_pause() -> None:
    assert without_energy(TX, READY) is ChargingState.SUSPENDED_EV


@pytest.mark.parametrize(
    "evse",
    [
        None,
        msgspec.structs.replace(READY, offered_amps=0.0),
        msgspec.structs.replace(READY, pilot_state=PilotState.C),
    ],
)
def test_silence_no_offer_and_an_open_contactor_are_our_pause(evse: EvseStatus | None) -> None:
    assert without_energy(TX, evse) is ChargingState.SUSPENDED_EVSE


def test_E05_FR_02_withheld_energy_is_our_pause() -> None:
    assert without_energy(msgspec.structs.replace(TX, withheld=True), READY) is ChargingState.SUSPENDED_EVSE


def test_E06_FR_16_what_only_unplugging_clears_and_the_emergency_stop_end_a_transaction_and_nothing_else() -> None:
    assert {fault.code for fault in TABLE if reason_of_fault(fault.code) is not None} == {
        fault.code for fault in TABLE if fault.latched or fault.code is FaultCode.EMERGENCY_STOP
    }


def test_a_fault_of_another_version_ends_nothing() -> None:
    assert reason_of_fault("unheard_of") is None


@pytest.mark.parametrize(
    "code, reason",
    [
        ("residual_ac", Reason.GROUND_FAULT),
        ("residual_dc_again", Reason.GROUND_FAULT),
        ("ev_overdraw", Reason.OVERCURRENT_FAULT),
        ("contactor_welded", Reason.OTHER),
        ("emergency_stop", Reason.EMERGENCY_STOP),
    ],
)
def test_E06_FR_16_faults_have_the_reason_that_fits_best(code: str, reason: Reason) -> None:
    assert reason_of_fault(code) is reason


def test_a_cut_off_transaction_says_whether_power_was_lost() -> None:
    assert reason_of_boot(BootReason.POWER_UP) is Reason.POWER_LOSS
    assert reason_of_boot(BootReason.WATCHDOG) is Reason.REBOOT
