"""Variables of the hardware tiers and of the device model itself: what the board is, how much a message may hold."""

from collections.abc import Mapping

from chargerd.ocpp.settings import StationConfig
from chargerd.ocpp.variables import AnyVariable, Reader, Tier, Variable, Variables, boolean, decimal, integer, string

MAX_ITEMS = 100
MAX_BYTES = 32_768
"""Half of what the codec takes at all, so that a message is refused with a reason before it is refused unread."""

STATION_AVAILABLE = boolean("ChargingStation", "Available", True, doc="The station exists and can be used.")
STATION_SUPPLY_PHASES = integer("ChargingStation", "SupplyPhases", 3, doc="Phases of the supply.")
STATION_MODEL = string("ChargingStation", "Model", "", required=False, doc="Model as given in BootNotification.")
STATION_VENDOR_NAME = string(
    "ChargingStation", "VendorName", "", required=False, doc="Vendor as given in BootNotification."
)

EVSE_AVAILABLE = boolean("EVSE", "Available", True, tier=Tier.EVSE, doc="The EVSE exists and can be used.")
EVSE_SUPPLY_PHASES = integer("EVSE", "SupplyPhases", 3, tier=Tier.EVSE, doc="Phases that reach the vehicle.")
EVSE_POWER = decimal(
    "EVSE", "Power", 0.0, tier=Tier.EVSE, unit="W", doc="Active power now; maxLimit is the most the EVSE can deliver."
)

CONNECTOR_AVAILABLE = boolean("Connector", "Available", True, tier=Tier.CONNECTOR, doc="The connector can be used.")
CONNECTOR_TYPE = string("Connector", "ConnectorType", "", tier=Tier.CONNECTOR, doc="Kind of connector or socket.")
CONNECTOR_SUPPLY_PHASES = integer("Connector", "SupplyPhases", 3, tier=Tier.CONNECTOR, doc="Phases of the connector.")

PHASES_3_TO_1 = boolean(
    "SmartChargingCtrlr",
    "Phases3to1",
    False,
    required=False,
    constant=True,
    doc="Some EVSE can go from three phases to one during a transaction.",
)


def _per_message(name: str, action: str, limit: int, doc: str) -> Variable[int]:
    return integer("DeviceDataCtrlr", name, limit, instance=action, doc=doc)


ACTIONS = ("GetReport", "GetVariables", "SetVariables")
ITEMS_PER_MESSAGE = {
    action: _per_message("ItemsPerMessage", action, MAX_ITEMS, f"Most elements of one {action}.") for action in ACTIONS
}
BYTES_PER_MESSAGE = {
    action: _per_message("BytesPerMessage", action, MAX_BYTES, f"Most bytes of one {action}.") for action in ACTIONS
}
CONFIGURATION_VALUE_SIZE = integer(
    "DeviceDataCtrlr", "ConfigurationValueSize", 1000, required=False, doc="Most characters of a value to be set."
)
REPORTING_VALUE_SIZE = integer(
    "DeviceDataCtrlr", "ReportingValueSize", 2500, required=False, doc="Most characters of a reported value."
)

ALL: tuple[AnyVariable, ...] = (
    STATION_AVAILABLE,
    STATION_SUPPLY_PHASES,
    STATION_MODEL,
    STATION_VENDOR_NAME,
    EVSE_AVAILABLE,
    EVSE_SUPPLY_PHASES,
    EVSE_POWER,
    CONNECTOR_AVAILABLE,
    CONNECTOR_TYPE,
    CONNECTOR_SUPPLY_PHASES,
    PHASES_3_TO_1,
    *ITEMS_PER_MESSAGE.values(),
    *BYTES_PER_MESSAGE.values(),
    CONFIGURATION_VALUE_SIZE,
    REPORTING_VALUE_SIZE,
)


def board_readers(config: StationConfig) -> Mapping[AnyVariable, Reader]:
    """The values that the board file decides."""
    board = config.board

    def phases(evse_id: int | None, _connector_id: int | None) -> int:
        assert evse_id is not None, "can't be None: an EVSE or connector is asked for"
        return board.evses[evse_id - 1].phases

    def connector_type(evse_id: int | None, _connector_id: int | None) -> str:
        assert evse_id is not None, "can't be None: a connector is asked for"
        return board.evses[evse_id - 1].connector_type

    return {
        STATION_SUPPLY_PHASES: lambda _evse_id, _connector_id: max(evse.phases for evse in board.evses),
        STATION_MODEL: lambda _evse_id, _connector_id: board.model,
        STATION_VENDOR_NAME: lambda _evse_id, _connector_id: board.vendor,
        EVSE_SUPPLY_PHASES: phases,
        CONNECTOR_SUPPLY_PHASES: phases,
        CONNECTOR_TYPE: connector_type,
        PHASES_3_TO_1: lambda _evse_id, _connector_id: any(evse.has_phase_switch for evse in board.evses),
    }


def set_power_limits(config: StationConfig, variables: Variables) -> None:
    """maxLimit of EVSE.Power: rated current times nominal voltage of all phases."""
    for evse_id, evse in enumerate(config.board.evses, start=1):
        variables.set_maximum(EVSE_POWER, evse_id, evse.max_amps * evse.nominal_volts * evse.phases)
