"""OCPP 2.0.1, message by message: all 64 requests and their responses.

One file for each functional block; what blocks share is in types.py and enums.py. Names are the standard's: a request
is called as its action on the wire, the answer has Response added, datatypes and enumerations lose their ending Type or
EnumType (five enumerations keep Enum, and ClearChargingProfileType its Type, because the short name is taken).
"""

from collections.abc import Mapping
from typing import Any

from chargerd.ocpp.messages.authorization import Authorize, ClearCache
from chargerd.ocpp.messages.availability import ChangeAvailability, Heartbeat, StatusNotification
from chargerd.ocpp.messages.certificates import (
    DeleteCertificate,
    Get15118EVCertificate,
    GetCertificateStatus,
    GetInstalledCertificateIds,
    InstallCertificate,
)
from chargerd.ocpp.messages.data_transfer import DataTransfer
from chargerd.ocpp.messages.diagnostics import (
    CustomerInformation,
    GetLog,
    LogStatusNotification,
    NotifyCustomerInformation,
)
from chargerd.ocpp.messages.display_message import (
    ClearDisplayMessage,
    GetDisplayMessages,
    NotifyDisplayMessages,
    SetDisplayMessage,
)
from chargerd.ocpp.messages.firmware_management import (
    FirmwareStatusNotification,
    PublishFirmware,
    PublishFirmwareStatusNotification,
    UnpublishFirmware,
    UpdateFirmware,
)
from chargerd.ocpp.messages.local_auth_list import GetLocalListVersion, SendLocalList
from chargerd.ocpp.messages.meter_values import MeterValues
from chargerd.ocpp.messages.monitoring import (
    ClearVariableMonitoring,
    GetMonitoringReport,
    NotifyEvent,
    NotifyMonitoringReport,
    SetMonitoringBase,
    SetMonitoringLevel,
    SetVariableMonitoring,
)
from chargerd.ocpp.messages.provisioning import (
    BootNotification,
    GetBaseReport,
    GetReport,
    GetVariables,
    NotifyReport,
    Reset,
    SetNetworkProfile,
    SetVariables,
)
from chargerd.ocpp.messages.remote_control import (
    RequestStartTransaction,
    RequestStopTransaction,
    TriggerMessage,
    UnlockConnector,
)
from chargerd.ocpp.messages.reservation import CancelReservation, ReservationStatusUpdate, ReserveNow
from chargerd.ocpp.messages.security import CertificateSigned, SecurityEventNotification, SignCertificate
from chargerd.ocpp.messages.smart_charging import (
    ClearChargingProfile,
    ClearedChargingLimit,
    GetChargingProfiles,
    GetCompositeSchedule,
    NotifyChargingLimit,
    NotifyEVChargingNeeds,
    NotifyEVChargingSchedule,
    ReportChargingProfiles,
    SetChargingProfile,
)
from chargerd.ocpp.messages.tariff_and_cost import CostUpdated
from chargerd.ocpp.messages.transactions import GetTransactionStatus, TransactionEvent
from chargerd.ocpp.messages.wire import Call

INCOMING: tuple[type[Call[Any]], ...] = (
    CertificateSigned,
    SetVariables,
    GetVariables,
    GetBaseReport,
    GetReport,
    SetNetworkProfile,
    Reset,
    ClearCache,
    SendLocalList,
    GetLocalListVersion,
    GetTransactionStatus,
    RequestStartTransaction,
    RequestStopTransaction,
    UnlockConnector,
    TriggerMessage,
    ChangeAvailability,
    ReserveNow,
    CancelReservation,
    CostUpdated,
    SetChargingProfile,
    GetChargingProfiles,
    ClearChargingProfile,
    GetCompositeSchedule,
    UpdateFirmware,
    PublishFirmware,
    UnpublishFirmware,
    InstallCertificate,
    GetInstalledCertificateIds,
    DeleteCertificate,
    GetLog,
    CustomerInformation,
    SetMonitoringBase,
    SetMonitoringLevel,
    SetVariableMonitoring,
    ClearVariableMonitoring,
    GetMonitoringReport,
    SetDisplayMessage,
    GetDisplayMessages,
    ClearDisplayMessage,
    DataTransfer,
)
"""What the CSMS asks of the station."""

OUTGOING: tuple[type[Call[Any]], ...] = (
    SignCertificate,
    SecurityEventNotification,
    BootNotification,
    NotifyReport,
    Authorize,
    TransactionEvent,
    StatusNotification,
    Heartbeat,
    ReservationStatusUpdate,
    MeterValues,
    ReportChargingProfiles,
    NotifyChargingLimit,
    ClearedChargingLimit,
    NotifyEVChargingNeeds,
    NotifyEVChargingSchedule,
    FirmwareStatusNotification,
    PublishFirmwareStatusNotification,
    Get15118EVCertificate,
    GetCertificateStatus,
    LogStatusNotification,
    NotifyCustomerInformation,
    NotifyMonitoringReport,
    NotifyEvent,
    NotifyDisplayMessages,
    DataTransfer,
)
"""What the station sends to the CSMS; DataTransfer goes both ways."""

ACTIONS: Mapping[str, type[Call[Any]]] = {call.action: call for call in (*INCOMING, *OUTGOING)}
"""Every request by its name on the wire."""
