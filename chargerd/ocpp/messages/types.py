"""Every datatype that more than one functional block uses, once.

A name is the standard's without its ending Type. A field that is None is absent.
"""

from msgspec import field

from chargerd.ocpp.messages.enums import (
    AuthorizationStatus,
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingRateUnit,
    CostKind,
    HashAlgorithm,
    IdTokenEnum,
    Location,
    Measurand,
    MessageFormat,
    Phase,
    ReadingContext,
    RecurrencyKind,
)
from chargerd.ocpp.messages.wire import (
    Integer,
    Natural,
    OneOrMore,
    OneTo3,
    OneTo1024,
    Seconds,
    String8,
    String20,
    String32,
    String36,
    String40,
    String50,
    String128,
    String512,
    String2500,
    Timestamp,
    Wire,
)


class StatusInfo(Wire):
    """Why a status is what it is."""

    reason_code: String20
    """From part 2, appendix 5, where one fits."""
    additional_info: String512 | None = None


class EVSE(Wire):
    """An EVSE, or one connector of it."""

    id: Integer
    connector_id: Integer | None = None
    """Absent: the EVSE as a whole."""


class Component(Wire):
    """A part of the station: the station itself, an EVSE, a connector, or a controller."""

    name: String50
    evse: EVSE | None = None
    """Absent: a part of the station as a whole."""
    instance: String50 | None = None


class Variable(Wire):
    """A property of a component."""

    name: String50
    instance: String50 | None = None


class ComponentVariable(Wire):
    """A component, or one variable of it."""

    component: Component
    variable: Variable | None = None


class AdditionalInfo(Wire):
    """A further identification, such as a PIN for the station alone."""

    additional_id_token: String36
    type: String50


class IdToken(Wire):
    """What identifies a driver; compared without regard to case."""

    id_token: String36
    type: IdTokenEnum
    additional_info: OneOrMore[AdditionalInfo] | None = None


class MessageContent(Wire):
    """A text for people."""

    format: MessageFormat
    content: String512
    language: String8 | None = None
    """RFC 5646."""


class IdTokenInfo(Wire):
    """What the CSMS says about a token."""

    status: AuthorizationStatus
    cache_expiry_date_time: Timestamp | None = None
    """Until when the cache may answer for it."""
    charging_priority: Integer | None = None
    """From -9 to 9, higher first; absent means 0."""
    language1: String8 | None = None
    """Preferred language (RFC 5646)."""
    evse_id: OneOrMore[Integer] | None = None
    """The only EVSEs it is valid for; absent: all."""
    group_id_token: IdToken | None = None
    language2: String8 | None = None
    """Second choice (RFC 5646)."""
    personal_message: MessageContent | None = None


class SignedMeterValue(Wire):
    """A reading signed by the meter, handed on untouched."""

    signed_meter_data: String2500
    """Base64."""
    signing_method: String50
    encoding_method: String50
    public_key: String2500
    """Base64; may be empty (J02)."""


class UnitOfMeasure(Wire):
    """Unit of a reading, and the power of ten to multiply it by."""

    unit: String20 | None = None
    """Absent means Wh."""
    multiplier: Integer | None = None
    """Power of ten; absent means 0."""


class SampledValue(Wire):
    """One reading."""

    value: float
    """In unitOfMeasure; absent unit means Wh."""
    context: ReadingContext | None = None
    measurand: Measurand | None = None
    phase: Phase | None = None
    location: Location | None = None
    signed_meter_value: SignedMeterValue | None = None
    unit_of_measure: UnitOfMeasure | None = None


class MeterValue(Wire):
    """Readings taken at one time."""

    sampled_value: OneOrMore[SampledValue]
    timestamp: Timestamp
    """When all its readings were taken."""


class CertificateHashData(Wire):
    """A certificate, told by hashes (RFC 6960 CertID); hexadecimal."""

    hash_algorithm: HashAlgorithm
    issuer_name_hash: String128
    issuer_key_hash: String128
    serial_number: String40


class OCSPRequestData(Wire):
    """Where and for what to ask about revocation (RFC 6960)."""

    hash_algorithm: HashAlgorithm
    issuer_name_hash: String128
    issuer_key_hash: String128
    serial_number: String40
    responder_url: String512 = field(name="responderURL")


class ChargingSchedulePeriod(Wire):
    """A limit from its start to the start of the next period."""

    start_period: Seconds
    """Seconds from the start of the schedule."""
    limit: float
    """W in total or A per phase, as chargingRateUnit says; at most one decimal is significant."""
    number_phases: Integer | None = None
    """Absent means 3 on AC."""
    phase_to_use: Integer | None = None
    """1 to 3; only with numberPhases 1."""


class Cost(Wire):
    """An amount in a currency's smallest unit, or a percentage."""

    cost_kind: CostKind
    amount: Integer
    amount_multiplier: Integer | None = None
    """Power of ten for amount, from -3 to 3; absent means 0."""


class ConsumptionCost(Wire):
    """What energy costs from a power on."""

    start_value: float
    """Lowest level of consumption the costs apply to."""
    cost: OneTo3[Cost]


class RelativeTimeInterval(Wire):
    """An interval, counted from the start of the schedule."""

    start: Seconds
    """Seconds from now."""
    duration: Seconds | None = None


class SalesTariffEntry(Wire):
    """Prices in one interval."""

    relative_time_interval: RelativeTimeInterval
    e_price_level: Natural | None = None
    """From 0, cheapest first."""
    consumption_cost: OneTo3[ConsumptionCost] | None = None


class SalesTariff(Wire):
    """Prices over time, as ISO 15118 gives them to the EV."""

    id: Integer
    sales_tariff_entry: OneTo1024[SalesTariffEntry]
    sales_tariff_description: String32 | None = None
    num_e_price_levels: Integer | None = None
    """How many price levels the entries use."""


class ChargingSchedule(Wire):
    """Limits one after another, all in one unit."""

    id: Integer
    charging_rate_unit: ChargingRateUnit
    charging_schedule_period: OneTo1024[ChargingSchedulePeriod]
    start_schedule: Timestamp | None = None
    """What startPeriod counts from; absent with kind Relative."""
    duration: Seconds | None = None
    """Seconds; absent: until replaced or the transaction ends."""
    min_charging_rate: float | None = None
    """Below this charging is inefficient; unit as chargingRateUnit."""
    sales_tariff: SalesTariff | None = None


class ChargingProfile(Wire):
    """A limit over time, for a purpose, at a stack level; the highest level that is valid wins."""

    id: Integer
    stack_level: Integer
    """From 0; of the valid profiles of one purpose the highest wins."""
    charging_profile_purpose: ChargingProfilePurpose
    charging_profile_kind: ChargingProfileKind
    charging_schedule: OneTo3[ChargingSchedule]
    recurrency_kind: RecurrencyKind | None = None
    valid_from: Timestamp | None = None
    valid_to: Timestamp | None = None
    transaction_id: String36 | None = None
    """Required in SetChargingProfile with purpose TxProfile (K01), absent in RequestStartTransaction (F01)."""
