"""What feels and what shows, as components: thermometers, switches, reader, display, lights."""

from collections.abc import Callable

from chargerd.evse.types import EvseStatus
from chargerd.ocpp.hardware_readings import Reading, Spot, faulty, live, maker_of
from chargerd.ocpp.messages.enums import Attribute
from chargerd.ocpp.variables import Tier, Variable, boolean, decimal, option_list, string
from hal.types import Alarm, EvseFacts, InputName, TokenKind

DISPLAY_LINES = ("1", "2", "3", "4")


def _temperature(component: str, doc: str) -> Variable[float]:
    return decimal(
        component,
        "Temperature",
        0.0,
        tier=Tier.EVSE,
        unit="Celsius",
        required=False,
        attributes=(Attribute.MAX_SET,),
        doc=f"{doc} MaxSet: where charging ends.",
    )


ENCLOSURE = _temperature("TemperatureSensor", "Inside the enclosure.")
PLUG = _temperature("ExternalTemperatureSensor", "At the plug or in the cable.")
BUTTON = boolean("UIInput", "Active", False, tier=Tier.EVSE, required=False, doc="The push button is pressed.")
TOKEN_TYPE = option_list(
    "TokenReader",
    "TokenType",
    TokenKind.ISO14443,
    values=tuple(TokenKind),
    tier=Tier.EVSE,
    required=False,
    doc="How the last token was read; what it was is told to nobody.",
)
INDICATION = string(
    "ChargingStatusIndicator", "State", "", tier=Tier.EVSE, required=False, doc="What the light tells the driver now."
)


def _fitted(role: str) -> Callable[[EvseFacts], bool]:
    return lambda facts: facts.part(role) is not None


def _has_input(name: InputName, alarm: Alarm | None = None) -> Callable[[EvseFacts], bool]:
    return lambda facts: name in facts.inputs or (alarm is not None and alarm in facts.alarms)


def _has_thermometer(facts: EvseFacts) -> bool:
    return facts.has_thermometer


def _has_plug_thermometer(facts: EvseFacts) -> bool:
    return facts.has_plug_thermometer


def _token_type(evse: EvseStatus) -> str | None:
    return None if evse.token is None else evse.token.token.kind.value


def _display_line(number: str) -> Reading:
    variable = string(
        "Display",
        "DataText",
        "",
        instance=number,
        tier=Tier.EVSE,
        required=False,
        doc=f"Line {number} as it is shown now.",
    )

    def shown(spot: Spot) -> str:
        return spot.lines[int(number) - 1] if len(spot.lines) >= int(number) else ""

    return Reading(variable, shown, _fitted("display"))


SURROUNDINGS: tuple[Reading, ...] = (
    live(
        ENCLOSURE,
        lambda evse: evse.celsius,
        _has_thermometer,
        attributes={Attribute.MAX_SET: lambda spot: spot.facts.derating[-1].celsius},
    ),
    faulty("TemperatureSensor", "Problem", _has_thermometer),
    live(
        PLUG,
        lambda evse: evse.plug_celsius,
        _has_plug_thermometer,
        attributes={Attribute.MAX_SET: lambda spot: spot.facts.plug_derating[-1].celsius},
    ),
    faulty("ExternalTemperatureSensor", "Problem", _has_plug_thermometer),
    faulty("EmergencyStopSensor", "Tripped", _has_input(InputName.EMERGENCY_STOP, Alarm.EMERGENCY_STOP)),
    faulty("CaseAccessSensor", "Tripped", _has_input(InputName.ENCLOSURE, Alarm.ENCLOSURE)),
    live(BUTTON, lambda evse: InputName.BUTTON in evse.inputs, _has_input(InputName.BUTTON)),
    live(TOKEN_TYPE, _token_type, _fitted("reader")),
    *maker_of("TokenReader", "reader"),
    *map(_display_line, DISPLAY_LINES),
    *maker_of("Display", "display"),
    Reading(INDICATION, lambda spot: spot.indication, _fitted("indicator")),
)
"""What each EVSE has of these."""
