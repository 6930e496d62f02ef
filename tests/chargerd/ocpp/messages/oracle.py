"""The official JSON schemas as an oracle: whole instances of each, and single changes that keep or spoil them.

Deterministic: what is made for a schema depends on its name and the seed only.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from random import Random
from typing import Any

from jsonschema import Draft6Validator

from chargerd.codec import ErrorCode
from chargerd.ocpp.messages import ACTIONS
from chargerd.ocpp.messages.wire import Wire

Schema = Mapping[str, Any]

FOLDER = resources.files("ocpp.v201.schemas")
NAMES = sorted(file.name.removesuffix(".json") for file in FOLDER.iterdir() if file.name.endswith(".json"))

EXTRA = "notInTheStandard"
LONGEST_UNBOUNDED_ARRAY = 40


@cache
def schema_of(name: str) -> Schema:
    """The schema named `AuthorizeRequest`, `AuthorizeResponse`, ..."""
    schema: Schema = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8-sig"))
    return schema


@cache
def validator_of(name: str) -> Draft6Validator:
    """The judge."""
    return Draft6Validator(schema_of(name))


def struct_of(name: str) -> type[Wire]:
    """Our struct for a schema."""
    if name.endswith("Request"):
        return ACTIONS[name.removesuffix("Request")]
    return ACTIONS[name.removesuffix("Response")].response()


def minimal(name: str) -> dict[str, Any]:
    """Nothing but what is required, each value as short as allowed."""
    return _whole(name, fill=0.0)


def maximal(name: str) -> dict[str, Any]:
    """Every property at every level, each text as long as allowed; arrays hold a minimal and a maximal item."""
    return _whole(name, fill=1.0)


def random_instance(name: str, seed: int) -> dict[str, Any]:
    """Some of the optional properties, values anywhere within their bounds."""
    return _whole(name, fill=Random(f"{name} {seed} fill").random(), seed=seed)


def _whole(name: str, fill: float, seed: int = 0) -> dict[str, Any]:
    schema = schema_of(name)
    instance: dict[str, Any] = _Maker(schema["definitions"], Random(f"{name} {seed}"), fill).make(schema)
    return instance


class _Maker:
    def __init__(self, definitions: Schema, random: Random, fill: float) -> None:
        self._definitions = definitions
        self._random = random
        self._fill = fill

    def make(self, schema: Schema) -> Any:
        schema = _resolved(schema, self._definitions)
        if "enum" in schema:
            return self._random.choice(schema["enum"])
        match schema.get("type"):
            case "object":
                return self._object(schema)
            case "array":
                return self._array(schema)
            case "string":
                return self._time() if schema.get("format") == "date-time" else self._text(schema["maxLength"])
            case "integer":
                return self._random.randint(int(schema.get("minimum", -(2**31))), int(schema.get("maximum", 2**31 - 1)))
            case "number":
                return self._random.choice([0, 16, 16.0, -1.5, 0.1, 1e-7, 12345.678, 2**31])
            case "boolean":
                return self._random.random() < 0.5
            case None:
                return self._random.choice([None, True, 1, 2.5, "", [], {}, {"a": [None, {"b": "c"}]}])
        raise AssertionError(f"can't happen because OCPP uses no other types: {schema}")

    def _object(self, schema: Schema) -> dict[str, Any]:
        required = schema.get("required", ())
        made = {
            name: self.make(member)
            for name, member in schema.get("properties", {}).items()
            if name in required or self._random.random() < self._fill
        }
        if is_open(schema) and self._random.random() < self._fill:
            made["anything"] = {"nested": [1, None, {"deep": True}], "text": "ü"}
        return made

    def _array(self, schema: Schema) -> list[Any]:
        if self._fill < 1.0:
            return [self.make(schema["items"]) for _ in range(self._random.randint(1, 1 + round(self._fill)))]
        # One of each extreme: two full items at every level would be thousands of the same places.
        return [_Maker(self._definitions, self._random, 0.0).make(schema["items"]), self.make(schema["items"])]

    def _text(self, longest: int) -> str:
        if self._fill in {0.0, 1.0}:
            return self._random.choice("x€😀") * (longest * int(self._fill))
        return "".join(self._random.choices('aB7:{}[]"\\/ \n€😀', k=self._random.randint(0, longest)))

    def _time(self) -> str:
        fraction = self._random.choice(["", ".5", ".120", ".999"])
        fraction = f"{fraction:0<4}" if fraction else ""
        year, month, day = self._random.randint(1970, 2100), self._random.randint(1, 12), self._random.randint(1, 28)
        hour, minute, second = (self._random.randint(0, most) for most in (23, 59, 59))
        return f"{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    if "$ref" in schema:
        found: Schema = definitions[schema["$ref"].rpartition("/")[2]]
        return found
    return schema


def is_open(schema: Schema) -> bool:
    """Only CustomDataType may hold properties nobody declared."""
    return schema.get("type") == "object" and schema.get("additionalProperties", True) is not False


# ---- single changes ----


@dataclass(frozen=True)
class Place:
    """A value within an instance: `holder[key]`, found at `path`, bound by `schema`."""

    path: str
    schema: Schema
    holder: Any
    key: Any
    required: bool


def places(name: str, instance: dict[str, Any]) -> list[Place]:
    """All values within `instance`, the outermost first; of an array's items the last only, the others are like it."""
    schema = schema_of(name)
    root = Place("$", schema, {"$": instance}, "$", required=True)
    return [root, *_inner(root, schema["definitions"])]


def _inner(place: Place, definitions: Schema) -> Iterator[Place]:
    value = place.holder[place.key]
    if isinstance(value, dict):
        required = place.schema.get("required", ())
        for name, schema in place.schema.get("properties", {}).items():
            if name in value:
                inner = Place(f"{place.path}.{name}", _resolved(schema, definitions), value, name, name in required)
                yield inner
                yield from _inner(inner, definitions)
    elif isinstance(value, list) and "items" in place.schema:
        last = len(value) - 1
        inner = Place(
            f"{place.path}[{last}]", _resolved(place.schema["items"], definitions), value, last, required=True
        )
        yield inner
        yield from _inner(inner, definitions)


@dataclass(frozen=True)
class Fault:
    """What was done to the instance, and the answer it must get."""

    what: str
    code: ErrorCode
    path: str


def faults(name: str, instance: dict[str, Any]) -> Iterator[Fault]:
    """Each single fault there can be, at each place; `instance` itself holds it until the next is asked for."""
    for place in places(name, instance):
        if place.path != "$":
            yield from _replaced(place, _wrong_values(place))
        value = place.holder[place.key]
        if isinstance(value, dict) and "type" in place.schema:
            yield from _spoilt_object(place, value)


def _spoilt_object(place: Place, value: dict[str, Any]) -> Iterator[Fault]:
    for name in place.schema.get("required", ()):
        members = dict(value)
        del value[name]
        yield Fault("missing", ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION, f"{place.path}.{name}")
        value.clear()
        value.update(members)
    if not is_open(place.schema):
        value[EXTRA] = 1
        yield Fault("extra", ErrorCode.FORMAT_VIOLATION, f"{place.path}.{EXTRA}")
        del value[EXTRA]


def _replaced(place: Place, wrong: Iterator[tuple[str, ErrorCode, Any]]) -> Iterator[Fault]:
    for what, code, value in wrong:
        kept = place.holder[place.key]
        place.holder[place.key] = value
        yield Fault(what, code, place.path)
        place.holder[place.key] = kept


_OF_EACH_TYPE: Mapping[str, Any] = {
    "null": None,
    "boolean": True,
    "integer": 7,
    "number": 7.5,
    "string": "7",
    "array": [7],
    "object": {"seven": 7},
}
_ALSO = {"number": "integer"}


def _wrong_values(place: Place) -> Iterator[tuple[str, ErrorCode, Any]]:
    schema, value = place.schema, place.holder[place.key]
    if "type" not in schema:
        return
    for name, sample in _OF_EACH_TYPE.items():
        if name not in {schema["type"], _ALSO.get(schema["type"])}:
            yield f"{name} for {schema['type']}", ErrorCode.TYPE_CONSTRAINT_VIOLATION, sample
    if "enum" in schema:
        for word in ("Nonsense", "", value.swapcase(), value + " "):
            if word not in schema["enum"]:
                yield "out of enum", ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, word
    if "maxLength" in schema:
        yield "too long", ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "€" * (schema["maxLength"] + 1)
    if "minimum" in schema:
        yield "too small", ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, int(schema["minimum"]) - 1
    if "maximum" in schema:
        yield "too large", ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, int(schema["maximum"]) + 1
    if "minItems" in schema:
        yield "too few", ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION, value[: schema["minItems"] - 1]
    if "maxItems" in schema:
        many = (value * (schema["maxItems"] + 1))[: schema["maxItems"] + 1]
        yield "too many", ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION, many


def variants(name: str, instance: dict[str, Any]) -> Iterator[str]:
    """Each way to stay valid on a bound, at each place; `instance` itself holds it until the next is asked for."""
    for place in places(name, instance):
        for value in _bounds(place):
            kept = place.holder[place.key]
            place.holder[place.key] = value
            yield f"{place.path} = {str(value)[:80]}"
            place.holder[place.key] = kept
        if not place.required:
            members = dict(place.holder)
            del place.holder[place.key]
            yield f"no {place.path}"
            place.holder.clear()
            place.holder.update(members)


def _bounds(place: Place) -> Iterator[Any]:
    schema, value = place.schema, place.holder[place.key]
    match schema:
        case {"enum": words}:
            yield from words
        case {"type": "string", "maxLength": longest}:
            yield from ("", "a" * longest, "😀" * longest, '\\"\n\u0000:'[:longest], "null"[:longest])
        case {"type": "integer", "maximum": most, "minimum": least}:
            yield from (int(least), int(most), float(most))
        case {"type": "integer"}:
            yield from (int(schema.get("minimum", -(2**31))), 0, 2**31 - 1, 16.0)
        case {"type": "number"}:
            yield from (0, -0.0, 16, 16.0, 1e-300, 1.7976931348623157e308, -(10**15))
        case {"type": "boolean"}:
            yield from (True, False)
        case {"type": "array", "minItems": fewest}:
            longest = schema.get("maxItems", LONGEST_UNBOUNDED_ARRAY)
            yield from (value[:fewest], (value * longest)[:longest])


def same(left: Any, right: Any) -> bool:
    """Equal as JSON values: 16 and 16.0 are, 1 and true are not, order of properties is nothing."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)
