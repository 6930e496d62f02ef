"""Messages of block N, second half: monitors on variables, and events."""

from chargerd.ocpp.messages.enums import (
    ClearMonitoringStatus,
    EventNotification,
    EventTrigger,
    GenericDeviceModelStatus,
    GenericStatus,
    Monitor,
    MonitoringBase,
    MonitoringCriterion,
    SetMonitoringStatus,
)
from chargerd.ocpp.messages.types import Component, ComponentVariable, StatusInfo, Variable
from chargerd.ocpp.messages.wire import (
    Call,
    Integer,
    OneOrMore,
    OneTo3,
    String36,
    String50,
    String500,
    String2500,
    Timestamp,
    Wire,
)


class SetMonitoringBaseResponse(Wire):
    status: GenericDeviceModelStatus
    status_info: StatusInfo | None = None


class SetMonitoringBase(Call[SetMonitoringBaseResponse]):
    """CSMS: begin with this set of monitors (N03)."""

    monitoring_base: MonitoringBase


class SetMonitoringLevelResponse(Wire):
    status: GenericStatus
    status_info: StatusInfo | None = None


class SetMonitoringLevel(Call[SetMonitoringLevelResponse]):
    """CSMS: report only events at least this severe (N05)."""

    severity: Integer
    """From 0 (danger only) to 9 (everything)."""


class SetMonitoringData(Wire):
    """One monitor to set."""

    value: float
    """Threshold or difference in the unit of the variable; seconds for the periodic kinds."""
    type: Monitor
    severity: Integer
    """From 0 (danger) to 9 (debug)."""
    component: Component
    variable: Variable
    id: Integer | None = None
    """Absent: a new monitor. Given: replace this one."""
    transaction: bool | None = None
    """Only during transactions; absent means False."""


class SetMonitoringResult(Wire):
    """How setting one monitor went."""

    status: SetMonitoringStatus
    type: Monitor
    component: Component
    variable: Variable
    severity: Integer
    """From 0 (danger) to 9 (debug)."""
    id: Integer | None = None
    """Of the new or replaced monitor; absent unless Accepted."""
    status_info: StatusInfo | None = None


class SetVariableMonitoringResponse(Wire):
    set_monitoring_result: OneOrMore[SetMonitoringResult]


class SetVariableMonitoring(Call[SetVariableMonitoringResponse]):
    """CSMS: watch these variables (N04)."""

    set_monitoring_data: OneOrMore[SetMonitoringData]


class ClearMonitoringResult(Wire):
    """How removing one monitor went."""

    status: ClearMonitoringStatus
    id: Integer
    status_info: StatusInfo | None = None


class ClearVariableMonitoringResponse(Wire):
    clear_monitoring_result: OneOrMore[ClearMonitoringResult]


class ClearVariableMonitoring(Call[ClearVariableMonitoringResponse]):
    """CSMS: stop these monitors (N06)."""

    id: OneOrMore[Integer]


class GetMonitoringReportResponse(Wire):
    status: GenericDeviceModelStatus
    status_info: StatusInfo | None = None


class GetMonitoringReport(Call[GetMonitoringReportResponse]):
    """CSMS: report the monitors; NotifyMonitoringReport follows (N02)."""

    request_id: Integer
    component_variable: OneOrMore[ComponentVariable] | None = None
    monitoring_criteria: OneTo3[MonitoringCriterion] | None = None


class VariableMonitoring(Wire):
    """One monitor."""

    id: Integer
    transaction: bool
    """Only during transactions."""
    value: float
    """Threshold or difference in the unit of the variable; seconds for the periodic kinds."""
    type: Monitor
    severity: Integer
    """From 0 (danger) to 9 (debug)."""


class MonitoringData(Wire):
    """The monitors of one variable."""

    component: Component
    variable: Variable
    variable_monitoring: OneOrMore[VariableMonitoring]


class NotifyMonitoringReportResponse(Wire):
    pass


class NotifyMonitoringReport(Call[NotifyMonitoringReportResponse]):
    """Station: one part of a report of monitors (N02)."""

    request_id: Integer
    seq_no: Integer
    """From 0."""
    generated_at: Timestamp
    monitor: OneOrMore[MonitoringData] | None = None
    tbc: bool | None = None
    """More parts follow; absent means False."""


class EventData(Wire):
    """One event on a variable."""

    event_id: Integer
    timestamp: Timestamp
    trigger: EventTrigger
    actual_value: String2500
    component: Component
    event_notification_type: EventNotification
    variable: Variable
    cause: Integer | None = None
    """eventId of the event that led to this one."""
    tech_code: String50 | None = None
    """A code of the maker, or MREC."""
    tech_info: String500 | None = None
    cleared: bool | None = None
    """The condition reported before is over."""
    transaction_id: String36 | None = None
    variable_monitoring_id: Integer | None = None


class NotifyEventResponse(Wire):
    pass


class NotifyEvent(Call[NotifyEventResponse]):
    """Station: a monitor fired, or something built in did (N07, N08)."""

    generated_at: Timestamp
    seq_no: Integer
    """From 0."""
    event_data: OneOrMore[EventData]
    tbc: bool | None = None
    """More parts follow; absent means False."""
