"""Block B: boots (B01 to B03), reads and writes the device model (B05, B06), reports it (B07, B08).

Until the CSMS has accepted the station nothing leaves but BootNotification and what the CSMS asks for while Pending.
"""

from collections.abc import Iterable, Mapping, Sized
from typing import Any

from chargerd.clock import Now
from chargerd.ocpp.block import Block, Handlers, StationContext, Triggers
from chargerd.ocpp.boot import BootGate
from chargerd.ocpp.device_model import DeviceModel
from chargerd.ocpp.effects import Severity
from chargerd.ocpp.message_limits import check_size
from chargerd.ocpp.messages.enums import GenericDeviceModelStatus, MessageTrigger
from chargerd.ocpp.messages.provisioning import (
    GetBaseReport,
    GetBaseReportResponse,
    GetReport,
    GetReportResponse,
    GetVariables,
    GetVariablesResponse,
    ReportData,
    SetVariables,
    SetVariablesResponse,
)
from chargerd.ocpp.messages.types import StatusInfo
from chargerd.ocpp.messages.wire import Call
from chargerd.ocpp.network import Network
from chargerd.ocpp.news import VariableChanged
from chargerd.ocpp.reports import ReportSender
from chargerd.ocpp.station_variables import (
    ALL,
    BYTES_PER_MESSAGE,
    EVSE_POWER,
    ITEMS_PER_MESSAGE,
    board_readers,
    set_power_limits,
)
from chargerd.ocpp.time_source import DATE_TIME, HEARTBEAT_INTERVAL, TIME_ADJUSTMENT_REPORTING_THRESHOLD, TIME_SOURCE
from chargerd.ocpp.variables import AnyVariable, Reader


class Provisioning(Block):
    """The station's first word to the CSMS, and everything about its variables."""

    def __init__(self, ctx: StationContext, network: Network) -> None:
        super().__init__(ctx)
        self._boot = BootGate(ctx, network)
        self._model = DeviceModel(ctx.variables)
        self._reports = ReportSender(ctx)
        self._asked_at: Now | None = None

    def variables(self) -> Iterable[AnyVariable]:
        """Hardware tiers, limits of messages, time."""
        time = (DATE_TIME, TIME_SOURCE, TIME_ADJUSTMENT_REPORTING_THRESHOLD, HEARTBEAT_INTERVAL)
        return (*ALL, *time)

    def readers(self) -> Mapping[AnyVariable, Reader]:
        """What the board decides, and the time."""
        return {**board_readers(self.ctx.config), DATE_TIME: self._date_time, EVSE_POWER: self._power_w}

    def handlers(self) -> Handlers:
        """The device model."""
        return {
            GetVariables: self._get_variables,
            SetVariables: self._set_variables,
            GetBaseReport: self._get_base_report,
            GetReport: self._get_report,
        }

    def triggers(self) -> Triggers:
        """BootNotification, until accepted (F06.FR.17)."""
        return {MessageTrigger.BOOT_NOTIFICATION: lambda _evse_id, now: self._boot.trigger(now)}

    def on_start(self, now: Now) -> None:
        """Say what could not be taken over from the last run."""
        self._asked_at = now
        self._boot.on_start()
        set_power_limits(self.ctx.config, self.ctx.variables)
        for problem in self.ctx.variables.problems:
            self.ctx.note(Severity.WARNING, problem)

    def on_link_up(self, now: Now) -> None:
        """Boot, unless this CSMS has accepted us already."""
        self._boot.on_link_up(now)

    def next_deadline(self) -> float | None:
        """When BootNotification is due."""
        return self._boot.next_deadline()

    def on_time(self, now: Now) -> None:
        """Send BootNotification if it is time."""
        self._boot.on_time(now)

    # ------------------------------------------------------------------ variables

    def _get_variables(self, request: GetVariables, now: Now) -> GetVariablesResponse:
        self._asked_at = now
        self._check_size(request, request.get_variable_data)
        results = tuple(self._model.read(wanted) for wanted in request.get_variable_data)
        return GetVariablesResponse(get_variable_result=results)

    def _set_variables(self, request: SetVariables, now: Now) -> SetVariablesResponse:
        """Each element by itself: good ones are applied although others are refused (B05)."""
        self._asked_at = now
        self._check_size(request, request.set_variable_data)
        results = []
        for wanted in request.set_variable_data:
            result, changed = self._model.write(wanted)
            results.append(result)
            if changed is not None:
                self.ctx.publish(VariableChanged(changed.variable, changed.place.evse_id))
        return SetVariablesResponse(set_variable_result=tuple(results))

    def _check_size(self, request: Call[Any], elements: Sized) -> None:
        """The limits that DeviceDataCtrlr tells."""
        items, size_bytes = ITEMS_PER_MESSAGE[request.action], BYTES_PER_MESSAGE[request.action]
        check_size(request, elements, self.ctx.variables[items], self.ctx.variables[size_bytes])

    def _date_time(self, _evse_id: int | None, _connector_id: int | None) -> object:
        assert self._asked_at is not None, "can't be None: on_start comes first"
        return self._asked_at.utc

    def _power_w(self, evse_id: int | None, _connector_id: int | None) -> float | None:
        assert evse_id is not None, "can't be None: an EVSE is asked for"
        evse = self.ctx.evse(evse_id)
        return evse.meter.power_w if evse is not None and evse.meter is not None else None

    # ------------------------------------------------------------------ reports

    def _get_base_report(self, request: GetBaseReport, now: Now) -> GetBaseReportResponse:
        self._asked_at = now
        if (refusal := self._why_no_report()) is not None:
            return GetBaseReportResponse(status=GenericDeviceModelStatus.REJECTED, status_info=refusal)
        rows = self._model.base_report(request.report_base)
        return GetBaseReportResponse(status=self._started(request.request_id, rows, now))

    def _get_report(self, request: GetReport, now: Now) -> GetReportResponse:
        self._asked_at = now
        self._check_size(request, request.component_variable or ())
        if (refusal := self._why_no_report()) is not None:
            return GetReportResponse(status=GenericDeviceModelStatus.REJECTED, status_info=refusal)
        rows = self._model.custom_report(request.component_criteria, request.component_variable)
        return GetReportResponse(status=self._started(request.request_id, rows, now))

    def _why_no_report(self) -> StatusInfo | None:
        if not self.ctx.may_be_asked:
            return _TOO_EARLY  # B01.FR.08
        return _BUSY if self._reports.busy else None  # B07.FR.13, B08.FR.16

    def _started(self, request_id: int, rows: list[ReportData], now: Now) -> GenericDeviceModelStatus:
        if not rows:
            return GenericDeviceModelStatus.EMPTY_RESULT_SET  # B08.FR.15
        self._reports.start(request_id, rows, now)
        return GenericDeviceModelStatus.ACCEPTED


_TOO_EARLY = StatusInfo(reason_code="Unspecified", additional_info="BootNotification has not been answered yet")
_BUSY = StatusInfo(reason_code="Unspecified", additional_info="another report is on its way")
