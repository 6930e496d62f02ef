from collections.abc import Sequence
from typing import Any

import pytest

from chargerd.evse.types import EvseStatus, Status
from chargerd.ocpp.block import Block, StationContext
from chargerd.ocpp.effects import SendText, Severity
from chargerd.ocpp.messages.enums import (
    ComponentCriterion,
    GenericDeviceModelStatus,
    GetVariableStatus,
    RegistrationStatus,
    ReportBase,
    SetVariableStatus,
)
from chargerd.ocpp.messages.provisioning import (
    BootNotificationResponse,
    GetBaseReport,
    GetReport,
    GetVariableData,
    GetVariables,
    NotifyReportResponse,
    SetVariableData,
    SetVariables,
)
from chargerd.ocpp.messages.types import EVSE, Component, ComponentVariable, Variable
from chargerd.ocpp.messages.wire import Call
from chargerd.ocpp.news import VariableChanged
from chargerd.ocpp.provisioning import Provisioning
from chargerd.ocpp.station_variables import MAX_BYTES, MAX_ITEMS
from chargerd.ocpp.time_source import HEARTBEAT_INTERVAL, TIME_ADJUSTMENT_REPORTING_THRESHOLD, TIME_SOURCE
from chargerd.ocpp.variables import NAMESPACE
from chargerd.store import Store
from hal.types import MeterSample
from tests.chargerd.ocpp.peer import Peer, config, network_of


def make_peer(store: Store | None = None) -> Peer:
    def build(ctx: StationContext) -> Sequence[Block]:
        credentials, network = network_of(ctx)
        return credentials, network, Provisioning(ctx, network)

    peer = Peer(build, store=store)
    peer.link_up()
    response = BootNotificationResponse(current_time=peer.now.utc, interval=60, status=RegistrationStatus.ACCEPTED)
    peer.answer(peer.taken(), response)
    peer.news.clear()
    return peer


def wanted(component: str, variable: str, **options: Any) -> GetVariableData:
    evse = EVSE(id=options["evse"]) if "evse" in options else None
    name = Variable(name=variable, instance=options.get("instance"))
    return GetVariableData(component=Component(name=component, evse=evse), variable=name)


def change(component: str, variable: str, value: str) -> SetVariableData:
    return SetVariableData(attribute_value=value, component=Component(name=component), variable=Variable(name=variable))


def read(peer: Peer, data: GetVariableData) -> tuple[GetVariableStatus, str | None]:
    (result,) = peer.asked(GetVariables(get_variable_data=(data,))).get_variable_result
    return result.attribute_status, result.attribute_value


# ---- B05, B06 ----


def test_B06_FR_02_B06_FR_04_each_wanted_value_is_answered_in_order() -> None:
    data = (wanted("ClockCtrlr", "TimeSource"), wanted("Nowhere", "X"), wanted("ChargingStation", "Model"))
    results = make_peer().asked(GetVariables(get_variable_data=data)).get_variable_result
    assert [result.attribute_value for result in results] == ["NTP,Heartbeat", None, "Model"]


def test_the_time_is_that_of_the_question() -> None:
    peer = make_peer()
    peer.pass_time(90.5)
    assert read(peer, wanted("ClockCtrlr", "DateTime")) == (GetVariableStatus.ACCEPTED, "2026-01-01T00:01:30.500Z")


def test_the_power_of_an_evse_is_what_its_meter_says() -> None:
    peer = make_peer()
    assert read(peer, wanted("EVSE", "Power", evse=1)) == (GetVariableStatus.ACCEPTED, "")
    sample = MeterSample(at_mono=0.0, energy_wh=5.0, power_w=7360.0, amps=(32.0,), volts=(230.0,))
    evses = (EvseStatus(evse_id=1, meter=sample), EvseStatus(evse_id=2))
    peer.ctx.status = Status(run_id="r", seq=1, at_mono=0.0, board=config().board, evses=evses)
    assert read(peer, wanted("EVSE", "Power", evse=1)) == (GetVariableStatus.ACCEPTED, "7360")
    assert read(peer, wanted("EVSE", "Power", evse=2)) == (GetVariableStatus.ACCEPTED, "")


def test_B05_FR_01_B05_FR_02_good_elements_are_applied_although_others_are_refused() -> None:
    peer = make_peer()
    data = (
        change("OCPPCommCtrlr", "HeartbeatInterval", "0"),
        change("ClockCtrlr", "TimeAdjustmentReportingThreshold", "7"),
        change("ClockCtrlr", "TimeSource", "Heartbeat"),
    )
    results = peer.asked(SetVariables(set_variable_data=data)).set_variable_result
    assert [result.attribute_status for result in results] == [
        SetVariableStatus.REJECTED,
        SetVariableStatus.ACCEPTED,
        SetVariableStatus.ACCEPTED,
    ]
    assert peer.ctx.variables[TIME_ADJUSTMENT_REPORTING_THRESHOLD] == 7
    assert peer.ctx.variables[TIME_SOURCE] == ("Heartbeat",)
    assert peer.news == [VariableChanged(TIME_ADJUSTMENT_REPORTING_THRESHOLD), VariableChanged(TIME_SOURCE)]


def test_a_set_value_is_on_disk_before_the_answer_leaves() -> None:
    peer = make_peer()
    before = peer.store.commits
    peer.asked(SetVariables(set_variable_data=(change("OCPPCommCtrlr", "HeartbeatInterval", "77"),)))
    assert peer.store.commits == before + 1
    assert make_peer(peer.store).ctx.variables[HEARTBEAT_INTERVAL] == 60, "a boot tells the interval anew"
    assert peer.store.get(NAMESPACE, "OCPPCommCtrlr.HeartbeatInterval", str) == "60"


@pytest.mark.parametrize("action", ["GetVariables", "SetVariables", "GetReport"])
def test_B05_FR_11_B06_FR_16_B08_FR_17_more_elements_than_allowed_are_refused(action: str) -> None:
    peer = make_peer()
    count = MAX_ITEMS + 1
    requests: dict[str, Call[Any]] = {
        "GetVariables": GetVariables(get_variable_data=(wanted("C", "V"),) * count),
        "SetVariables": SetVariables(set_variable_data=(change("C", "V", "1"),) * count),
        "GetReport": GetReport(
            request_id=1, component_variable=(ComponentVariable(component=Component(name="C")),) * count
        ),
    }
    assert peer.ask(requests[action])[2] == "OccurrenceConstraintViolation"


def test_B06_FR_17_B08_FR_18_more_bytes_than_allowed_are_refused() -> None:
    peer = make_peer()
    value = "x" * 1000
    request = SetVariables(set_variable_data=(change("C", "V", value),) * (MAX_BYTES // 1000))
    assert peer.ask(request)[2] == "FormatViolation"


# ---- B07, B08 ----


def report(peer: Peer) -> list[dict[str, Any]]:
    """Take and answer all parts of the report that is on its way; its rows."""
    rows: list[dict[str, Any]] = []
    more = True
    while more:
        frame = peer.taken()
        assert frame[2] == "NotifyReport"
        rows += frame[3]["reportData"]
        more = frame[3].get("tbc", False)
        peer.answer(frame, NotifyReportResponse())
    assert not peer.frames
    return rows


@pytest.mark.parametrize("base", [ReportBase.FULL_INVENTORY, ReportBase.CONFIGURATION_INVENTORY])
def test_B07_FR_01_B07_FR_04_B07_FR_12_each_base_report_is_announced_and_then_sent(base: ReportBase) -> None:
    peer = make_peer()
    peer.took(SendText)
    assert peer.asked(GetBaseReport(request_id=8, report_base=base)).status is GenericDeviceModelStatus.ACCEPTED
    assert '"requestId":8' in peer.took(SendText)[1].text
    assert len(report(peer)) > 10


def test_B07_FR_13_B08_FR_16_one_report_at_a_time() -> None:
    peer = make_peer()
    ask = GetBaseReport(request_id=8, report_base=ReportBase.FULL_INVENTORY)
    assert peer.asked(ask).status is GenericDeviceModelStatus.ACCEPTED
    assert peer.asked(ask).status is GenericDeviceModelStatus.REJECTED
    assert peer.asked(GetReport(request_id=9)).status is GenericDeviceModelStatus.REJECTED
    report(peer)
    assert peer.asked(ask).status is GenericDeviceModelStatus.ACCEPTED


def test_B08_FR_01_a_custom_report_holds_what_was_asked_for() -> None:
    peer = make_peer()
    name = ComponentVariable(component=Component(name="EVSE"), variable=Variable(name="Power"))
    assert peer.asked(GetReport(request_id=1, component_variable=(name,))).status is GenericDeviceModelStatus.ACCEPTED
    rows = report(peer)
    assert [row["component"]["evse"]["id"] for row in rows] == [1, 2]
    assert [row["variableCharacteristics"]["maxLimit"] for row in rows] == [22080.0, 22080.0]


def test_B08_FR_15_a_report_of_nothing_is_said_to_be_empty() -> None:
    peer = make_peer()
    asked = GetReport(request_id=1, component_criteria=(ComponentCriterion.PROBLEM,))
    assert peer.asked(asked).status is GenericDeviceModelStatus.EMPTY_RESULT_SET
    assert not peer.frames


def test_stored_values_that_cannot_be_used_are_told_at_the_start() -> None:
    store = Store(":memory:")
    store.put(NAMESPACE, "ClockCtrlr.TimeAdjustmentReportingThreshold", "often")
    assert any("ReportingThreshold" in note for note in make_peer(store).notes(Severity.WARNING))
