"""Messages of block B: boot, device model, network profiles and reset."""

from chargerd.ocpp.messages.enums import (
    APNAuthentication,
    Attribute,
    BootReason,
    ComponentCriterion,
    Data,
    GenericDeviceModelStatus,
    GetVariableStatus,
    Mutability,
    OCPPInterface,
    OCPPTransport,
    OCPPVersion,
    RegistrationStatus,
    ReportBase,
    ResetEnum,
    ResetStatus,
    SetNetworkProfileStatus,
    SetVariableStatus,
    VPNEnum,
)
from chargerd.ocpp.messages.types import Component, ComponentVariable, StatusInfo, Variable
from chargerd.ocpp.messages.wire import (
    Call,
    Integer,
    OneOrMore,
    OneTo4,
    Seconds,
    String6,
    String16,
    String20,
    String25,
    String50,
    String255,
    String512,
    String1000,
    String2500,
    Timestamp,
    Wire,
)


class Modem(Wire):
    """Identity of the mobile modem's SIM card."""

    iccid: String20 | None = None
    imsi: String20 | None = None


class ChargingStation(Wire):
    """Who the station is."""

    model: String20
    vendor_name: String50
    serial_number: String25 | None = None
    modem: Modem | None = None
    firmware_version: String50 | None = None


class BootNotificationResponse(Wire):
    current_time: Timestamp
    """The CSMS's clock."""
    interval: Seconds
    """Accepted: between heartbeats. Otherwise: until the next attempt. 0: the station chooses."""
    status: RegistrationStatus
    status_info: StatusInfo | None = None


class BootNotification(Call[BootNotificationResponse]):
    """Station: I have started; may I take part? (B01 to B03)"""

    charging_station: ChargingStation
    reason: BootReason


class SetVariableData(Wire):
    """One attribute to write."""

    attribute_value: String1000
    component: Component
    variable: Variable
    attribute_type: Attribute | None = None


class SetVariableResult(Wire):
    """How writing one attribute went."""

    attribute_status: SetVariableStatus
    component: Component
    variable: Variable
    attribute_type: Attribute | None = None
    attribute_status_info: StatusInfo | None = None


class SetVariablesResponse(Wire):
    set_variable_result: OneOrMore[SetVariableResult]


class SetVariables(Call[SetVariablesResponse]):
    """CSMS: write these variables (B05)."""

    set_variable_data: OneOrMore[SetVariableData]


class GetVariableData(Wire):
    """One attribute to read."""

    component: Component
    variable: Variable
    attribute_type: Attribute | None = None


class GetVariableResult(Wire):
    """One attribute as read."""

    attribute_status: GetVariableStatus
    component: Component
    variable: Variable
    attribute_status_info: StatusInfo | None = None
    attribute_type: Attribute | None = None
    """Absent means Actual."""
    attribute_value: String2500 | None = None


class GetVariablesResponse(Wire):
    get_variable_result: OneOrMore[GetVariableResult]


class GetVariables(Call[GetVariablesResponse]):
    """CSMS: read these variables (B06)."""

    get_variable_data: OneOrMore[GetVariableData]


class GetBaseReportResponse(Wire):
    status: GenericDeviceModelStatus
    status_info: StatusInfo | None = None


class GetBaseReport(Call[GetBaseReportResponse]):
    """CSMS: report the device model; NotifyReport follows (B07)."""

    request_id: Integer
    report_base: ReportBase


class GetReportResponse(Wire):
    status: GenericDeviceModelStatus
    status_info: StatusInfo | None = None


class GetReport(Call[GetReportResponse]):
    """CSMS: report these parts of the device model; NotifyReport follows (B08)."""

    request_id: Integer
    component_variable: OneOrMore[ComponentVariable] | None = None
    component_criteria: OneTo4[ComponentCriterion] | None = None


class VariableAttribute(Wire):
    """One of the up to four values of a variable, and how it may be handled."""

    type: Attribute | None = None
    value: String2500 | None = None
    """Absent for what may only be written."""
    mutability: Mutability | None = None
    persistent: bool | None = None
    """Survives a restart; absent means False."""
    constant: bool | None = None
    """Never changes while the station runs; absent means False."""


class VariableCharacteristics(Wire):
    """What values a variable can take."""

    data_type: Data
    supports_monitoring: bool
    unit: String16 | None = None
    min_limit: float | None = None
    """Least value of a number."""
    max_limit: float | None = None
    """Greatest value of a number; greatest length of a string or list."""
    values_list: String1000 | None = None
    """Allowed values, separated by commas; required for lists."""


class ReportData(Wire):
    """One variable with its attributes."""

    component: Component
    variable: Variable
    variable_attribute: OneTo4[VariableAttribute]
    variable_characteristics: VariableCharacteristics | None = None


class NotifyReportResponse(Wire):
    pass


class NotifyReport(Call[NotifyReportResponse]):
    """Station: one part of a report of the device model (B07, B08)."""

    request_id: Integer
    generated_at: Timestamp
    seq_no: Integer
    """From 0."""
    report_data: OneOrMore[ReportData] | None = None
    tbc: bool | None = None
    """More parts follow; absent means False."""


class APN(Wire):
    """How to reach the mobile network."""

    apn: String512
    apn_authentication: APNAuthentication
    apn_user_name: String20 | None = None
    apn_password: String20 | None = None
    sim_pin: Integer | None = None
    """PIN of the SIM card."""
    preferred_network: String6 | None = None
    """Country and network code (MCC and MNC)."""
    use_only_preferred_network: bool | None = None
    """Absent means False."""


class VPN(Wire):
    """Tunnel to the CSMS."""

    server: String512
    user: String20
    password: String20
    key: String255
    """Shared secret."""
    type: VPNEnum
    group: String20 | None = None


class NetworkConnectionProfile(Wire):
    """All that is needed to connect to a CSMS."""

    ocpp_version: OCPPVersion
    ocpp_transport: OCPPTransport
    ocpp_csms_url: String512
    """Without the station's identity, which is appended."""
    message_timeout: Seconds
    """Seconds to wait for an answer."""
    security_profile: Integer
    """1, 2 or 3."""
    ocpp_interface: OCPPInterface
    apn: APN | None = None
    vpn: VPN | None = None


class SetNetworkProfileResponse(Wire):
    status: SetNetworkProfileStatus
    status_info: StatusInfo | None = None


class SetNetworkProfile(Call[SetNetworkProfileResponse]):
    """CSMS: keep these connection settings in a slot (B09)."""

    configuration_slot: Integer
    connection_data: NetworkConnectionProfile


class ResetResponse(Wire):
    status: ResetStatus
    status_info: StatusInfo | None = None


class Reset(Call[ResetResponse]):
    """CSMS: restart the station, or one EVSE (B11, B12)."""

    type: ResetEnum
    evse_id: Integer | None = None
    """Absent: the whole station."""
