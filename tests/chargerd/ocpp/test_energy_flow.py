"""Charging, suspended by whom, or about to follow an offer."""

from chargerd.clock import ManualClock
from chargerd.evse.types import EvseStatus, PilotState
from chargerd.ocpp.energy_flow import SETTLE_S, EnergyFlow
from chargerd.ocpp.messages.enums import ChargingState, IdTokenEnum
from chargerd.ocpp.messages.types import IdToken
from chargerd.ocpp.transaction_machine import Grant, OpenTransaction, PlugIn
from tests.chargerd.ocpp.building import Rig, tx_settings

CLOCK = ManualClock()
TX = OpenTransaction(
    transaction_id="t",
    evse_id=1,
    started_utc=CLOCK.now().utc,
    plug=PlugIn("run", 1),
    grant=Grant(id_token=IdToken(id_token="04AA", type=IdTokenEnum.ISO14443)),
)
OFFERED = EvseStatus(evse_id=1, pilot_state=PilotState.B, ev_connected=True, offered_amps=16.0)


def test_without_a_vehicle_a_transaction_is_idle_whatever_was_before() -> None:
    flow = EnergyFlow()
    flow.begin(16.0)
    assert flow.state(TX, OFFERED, False, CLOCK.now()) is ChargingState.IDLE


def test_a_vehicle_has_its_time_to_follow_a_new_offer() -> None:
    flow, clock = EnergyFlow(), ManualClock()
    flow.wait(clock.now())
    assert flow.state(TX, OFFERED, True, clock.now()) is ChargingState.EV_CONNECTED
    assert flow.next_deadline() == clock.monotonic() + SETTLE_S
    clock.advance(SETTLE_S)
    assert flow.state(TX, OFFERED, True, clock.now()) is ChargingState.SUSPENDED_EV
    assert flow.has_settled(clock.now())
    assert not flow.has_settled(clock.now())
    assert flow.next_deadline() is None


def test_energy_that_flows_is_waited_for_no_more() -> None:
    flow, clock = EnergyFlow(), ManualClock()
    flow.wait(clock.now())
    flow.begin(16.0)
    assert flow.next_deadline() is None
    assert flow.state(TX, OFFERED, True, clock.now()) is ChargingState.CHARGING


def test_energy_that_was_cut_is_not_waited_for() -> None:
    flow, clock = EnergyFlow(), ManualClock()
    flow.begin(16.0)
    flow.wait(clock.now())
    flow.cut()
    assert not flow.on
    assert flow.next_deadline() is None
    assert flow.state(TX, OFFERED, True, clock.now()) is ChargingState.SUSPENDED_EV


def test_what_is_withheld_is_not_waited_for() -> None:
    flow, clock = EnergyFlow(), ManualClock()
    flow.wait(clock.now())
    flow.withhold()
    assert flow.next_deadline() is None


def test_a_vehicle_that_leaves_is_not_told_as_our_pause_before() -> None:
    rig = Rig(tx_settings("PowerPathClosed", "Authorized", StopTxOnEVSideDisconnect="false"))
    rig.meter(1000.0)
    rig.plug_in()
    rig.tap()
    rig.charge()
    rig.ev_pauses()
    rig.status(pilot_state=PilotState.A, offered_amps=0.0)
    rig.unplug()
    assert rig.story()[-2:] == ["Updated ChargingStateChanged SuspendedEV", "Updated EVCommunicationLost Idle"]
