"""What every OCPP message is made of: closed camelCase objects, calls that know their answer, times in wire form."""

import copy
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from inspect import get_annotations
from typing import Annotated, Any, ClassVar, Generic, TypeVar, dataclass_transform, get_args

import msgspec
from msgspec import Meta

T = TypeVar("T")

Integer = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""Any integer that 64 bits can hold. The standard promises 32, but peers send milliseconds since 1970 as ids."""

Seconds = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
"""A duration in seconds within the standard's own 32 bits, so that adding it to a time of today cannot overflow."""

Timestamp = Annotated[datetime, Meta(tz=True)]
"""A point in time. Any aware datetime may be put in; a Wire struct keeps it in UTC and cut to milliseconds."""

Percent = Annotated[int, Meta(ge=0, le=100)]

Natural = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""An integer from 0 up."""

OneOrMore = Annotated[tuple[T, ...], Meta(min_length=1)]
OneTo3 = Annotated[tuple[T, ...], Meta(min_length=1, max_length=3)]
OneTo4 = Annotated[tuple[T, ...], Meta(min_length=1, max_length=4)]
OneTo1024 = Annotated[tuple[T, ...], Meta(min_length=1, max_length=1024)]

# A string of at most so many characters.
String6 = Annotated[str, Meta(max_length=6)]
String8 = Annotated[str, Meta(max_length=8)]
String16 = Annotated[str, Meta(max_length=16)]
String20 = Annotated[str, Meta(max_length=20)]
String25 = Annotated[str, Meta(max_length=25)]
String32 = Annotated[str, Meta(max_length=32)]
String36 = Annotated[str, Meta(max_length=36)]
String40 = Annotated[str, Meta(max_length=40)]
String50 = Annotated[str, Meta(max_length=50)]
String64 = Annotated[str, Meta(max_length=64)]
String128 = Annotated[str, Meta(max_length=128)]
String255 = Annotated[str, Meta(max_length=255)]
String500 = Annotated[str, Meta(max_length=500)]
String512 = Annotated[str, Meta(max_length=512)]
String800 = Annotated[str, Meta(max_length=800)]
String1000 = Annotated[str, Meta(max_length=1000)]
String2500 = Annotated[str, Meta(max_length=2500)]
String5500 = Annotated[str, Meta(max_length=5500)]
String5600 = Annotated[str, Meta(max_length=5600)]
String7500 = Annotated[str, Meta(max_length=7500)]
String10000 = Annotated[str, Meta(max_length=10000)]


SECRET_FIELDS = frozenset(
    {"attribute_value", "password", "key", "apn_password", "sim_pin", "remote_location", "location", "ocpp_csms_url"}
)
"""What may hold a password, if only in a URL, and is not shown when a message is."""


class CustomData:
    """A vendor's extension of any object: its id and whatever else it holds, kept and written back unchanged."""

    __slots__ = ("_members",)

    def __init__(self, vendor_id: str, members: Mapping[str, Any] | None = None) -> None:
        self._members = {"vendorId": vendor_id, **copy.deepcopy(dict(members or {}))}

    @property
    def vendor_id(self) -> str:
        """Whose extension this is, usually a reversed domain name; at most 255 characters."""
        vendor_id: str = self._members["vendorId"]
        return vendor_id

    @classmethod
    def from_json(cls, value: object) -> "CustomData":
        """Raises ValueError unless it is an object with a fitting vendorId."""
        if not isinstance(value, dict):
            raise ValueError(f"Expected `object`, got `{type(value).__name__}`")  # noqa: TRY004  # the codec wants one type
        if "vendorId" not in value:
            raise ValueError("Object missing required field `vendorId`")
        vendor_id = value["vendorId"]
        if not isinstance(vendor_id, str):
            raise ValueError(f"Expected `str`, got `{type(vendor_id).__name__}` - at `$.vendorId`")  # noqa: TRY004
        if len(vendor_id) > 255:
            raise ValueError("Expected `str` of length <= 255 - at `$.vendorId`")
        return cls(vendor_id, value)

    def to_json(self) -> dict[str, Any]:
        """All members, vendorId among them; a copy."""
        return copy.deepcopy(self._members)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CustomData) and self._members == other._members

    def __hash__(self) -> int:
        return hash(self.vendor_id)

    def __repr__(self) -> str:
        return f"CustomData({self._members!r})"


# Tells type checkers what msgspec does at run time: subclasses inherit frozen and kw_only.
@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Wire(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename="camel"):
    """An object of OCPP. A field that is None is absent; null never crosses the wire."""

    custom_data: CustomData | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        """Make structs with Timestamp fields bring them into wire form when one is built, by hand or by decoding."""
        super().__init_subclass__(**options)
        hints = get_annotations(cls)
        assert not any(isinstance(hint, str) for hint in hints.values()), (
            "annotations must be types, or times go unseen"
        )
        times = tuple(name for name, hint in hints.items() if Timestamp in (hint, *get_args(hint)))
        if times:
            cls.__post_init__ = _time_keeper(times)  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        fields = ((name, getattr(self, name)) for name in self.__struct_fields__)
        shown = (f"{name}={'…' if name in SECRET_FIELDS and value else repr(value)}" for name, value in fields)
        return f"{type(self).__name__}({', '.join(shown)})"


Response = TypeVar("Response", bound=Wire)


class Call(Wire, Generic[Response]):
    """A request, named as its action on the wire: `class Heartbeat(Call[HeartbeatResponse])`."""

    action: ClassVar[str]
    _response: ClassVar[type[Wire]]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.action = cls.__name__
        (cls._response,) = get_args(cls.__orig_bases__[0])  # type: ignore[attr-defined]

    @classmethod
    def response(cls) -> type[Response]:
        """The type of the answer."""
        return cls._response  # type: ignore[return-value]  # set from the very parameter in __init_subclass__


class _Milliseconds(datetime):
    """A UTC time with a fraction of a second, which JSON gets as three digits; msgspec would write six."""

    def to_json(self) -> str:
        """RFC 3339, whatever zone it has been moved to since."""
        text = self.isoformat(timespec="milliseconds")
        return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


def _time_keeper(names: tuple[str, ...]) -> Callable[[Wire], None]:
    def keep_times(self: Wire) -> None:
        for name in names:
            moment = getattr(self, name)
            if moment is not None and (moment.microsecond or moment.tzinfo is not UTC):
                try:
                    msgspec.structs.force_setattr(self, name, _wire_time(moment))
                except (ValueError, OverflowError) as failure:
                    place = self.__struct_encode_fields__[self.__struct_fields__.index(name)]
                    raise ValueError(f"Invalid time, {failure} - at `$.{place}`") from None

    return keep_times


def _wire_time(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("it has no time zone")
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    milliseconds = utc.microsecond // 1000
    kind = _Milliseconds if milliseconds else datetime
    return kind(utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, milliseconds * 1000, UTC)
