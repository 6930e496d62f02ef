"""Device model values are text on the wire; this file turns text into typed values and back, strictly (part 1, 4.6)."""

import re
from datetime import UTC, datetime
from typing import Any, assert_never

import msgspec

from chargerd import codec
from chargerd.clock import whole_milliseconds
from chargerd.codec import CodecError
from chargerd.ocpp.messages.enums import Data

_INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?", re.ASCII)
_SHOWN_CHARACTERS = 60


class ValueTextError(Exception):
    """A text is no value of a variable. `reason`: a reason code of appendix 5; `why`: a sentence for people."""

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.reason = reason
        self.why = why


class Form(msgspec.Struct, frozen=True):
    """What texts are values: the type, the bounds of a number or of a string's length, the members of a list."""

    data_type: Data
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] = ()

    def value(self, text: str) -> Any:
        """bool, int, float, str, datetime or tuple of str. Raises ValueTextError; its words never repeat a string."""
        match self.data_type:
            case Data.BOOLEAN:
                return _one_of(("true", "false"), text) == "true"
            case Data.INTEGER:
                return int(self._in_range(_matched(_INTEGER, text, "a whole number")))
            case Data.DECIMAL:
                return float(self._in_range(_matched(_DECIMAL, text, "a decimal number")))
            case Data.STRING:
                return self._of_length(text)
            case Data.DATE_TIME:
                return _moment(text)
            case Data.OPTION_LIST:
                return _one_of(self.values, text)
            case Data.SEQUENCE_LIST | Data.MEMBER_LIST:
                return _some_of(self.values, text)
        assert_never(self.data_type)

    def text(self, value: Any) -> str:
        """The text of a value; None, which is not known, has none."""
        if value is None:
            return ""
        match self.data_type:
            case Data.BOOLEAN:
                return "true" if value else "false"
            case Data.DECIMAL:
                return f"{value:.6f}".rstrip("0").rstrip(".")
            case Data.DATE_TIME:
                return _rfc3339(value)
            case Data.SEQUENCE_LIST | Data.MEMBER_LIST:
                return ",".join(value)
            case Data.INTEGER | Data.STRING | Data.OPTION_LIST:
                return str(value)
        assert_never(self.data_type)

    def _in_range(self, text: str) -> str:
        number = float(text)
        if self.minimum is not None and number < self.minimum:
            raise ValueTextError("ValueTooLow", f"{text} is below {self.minimum:g}")
        if self.maximum is not None and number > self.maximum:
            raise ValueTextError("ValueTooHigh", f"{text} is above {self.maximum:g}")
        return text

    def _of_length(self, text: str) -> str:
        if self.minimum is not None and len(text) < self.minimum:
            raise ValueTextError("ValueOutOfRange", f"{len(text)} characters, {self.minimum:g} at least")
        if self.maximum is not None and len(text) > self.maximum:
            raise ValueTextError("TooLargeElement", f"{len(text)} characters, {self.maximum:g} at most")
        return text


def _matched(pattern: re.Pattern[str], text: str, what: str) -> str:
    if pattern.fullmatch(text) is None:
        raise ValueTextError("InvalidValue", f"{_shown(text)} is not {what}")
    return text


def _one_of(values: tuple[str, ...], text: str) -> str:
    if text not in values:
        raise ValueTextError("InvalidValue", f"{_shown(text)} is not one of {', '.join(values)}")
    return text


def _some_of(values: tuple[str, ...], text: str) -> tuple[str, ...]:
    members = tuple(member.strip() for member in text.split(",")) if text.strip() else ()
    for member in members:
        _one_of(values, member)
    if len(set(members)) < len(members):
        raise ValueTextError("InvalidValue", f"{_shown(text)} names something twice")
    return members


def _moment(text: str) -> datetime:
    try:
        moment = codec.decode(datetime, codec.encode(text))
        return whole_milliseconds(moment) if moment.tzinfo is not None else _no_moment(text)
    except (CodecError, OverflowError):
        return _no_moment(text)


def _no_moment(text: str) -> datetime:
    raise ValueTextError("InvalidValue", f"{_shown(text)} is not a date and time with time zone (RFC 3339)")


def _rfc3339(moment: datetime) -> str:
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="milliseconds" if utc.microsecond else "seconds") + "Z"


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…")
