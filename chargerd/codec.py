"""The edge between untrusted JSON and typed structs: every byte of JSON that enters or leaves passes here.

Whatever comes in, the result is a value of the type asked for or a CodecError that names the code, the place and the
reason. msgspec does the decoding; this file adds what it does not refuse by itself: too much text, too deep nesting, a
property given twice, null where a property should have been left out, and numbers JSON has no word for.
"""

import json
import math
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

MAX_BYTES = 65_536
"""Largest text accepted: room for a certificate chain (10 000 characters) or a schedule of 1024 periods."""

MAX_DEPTH = 32
"""Deepest nesting accepted. The deepest message of OCPP 2.0.1 (a profile with sales tariff and costs) has 12 levels."""

_MAX_WHY = 200
"""Reasons are cut here: they may quote the peer, and CALLERROR has room for 255 characters (part 4, 4.2.3)."""

T = TypeVar("T")


class ErrorCode(StrEnum):
    """The codes of CALLERROR (part 4, 4.3)."""

    FORMAT_VIOLATION = "FormatViolation"
    GENERIC_ERROR = "GenericError"
    INTERNAL_ERROR = "InternalError"
    MESSAGE_TYPE_NOT_SUPPORTED = "MessageTypeNotSupported"
    NOT_IMPLEMENTED = "NotImplemented"
    NOT_SUPPORTED = "NotSupported"
    OCCURRENCE_CONSTRAINT_VIOLATION = "OccurrenceConstraintViolation"
    PROPERTY_CONSTRAINT_VIOLATION = "PropertyConstraintViolation"
    PROTOCOL_ERROR = "ProtocolError"
    RPC_FRAMEWORK_ERROR = "RpcFrameworkError"
    SECURITY_ERROR = "SecurityError"
    TYPE_CONSTRAINT_VIOLATION = "TypeConstraintViolation"


class CodecError(Exception):
    """Refused. `path` is where, from "$"; `why` is a reason to show, at most 200 characters; `code` what to answer."""

    def __init__(self, code: ErrorCode, path: str, why: str) -> None:
        self.code = code
        self.path = path
        self.why = why[:_MAX_WHY]
        super().__init__(f"{path}: {self.why}")


class JsonForm(Protocol):
    """A class with a JSON form of its own choosing; msgspec handles all others."""

    @classmethod
    def from_json(cls, value: object) -> "JsonForm":
        """The value from decoded JSON. Raises ValueError, worded as msgspec words it."""

    def to_json(self) -> object:
        """What to write in its place."""


def decode(kind: type[T], text: bytes | str | msgspec.Raw, *, max_bytes: int = MAX_BYTES) -> T:
    """One JSON text as a `kind`, strictly.

    Raises CodecError with the code:
    OccurrenceConstraintViolation - a required property is missing, or an array has too few or too many elements;
    TypeConstraintViolation       - a value of another JSON type, null included;
    PropertyConstraintViolation   - right type, but not allowed: enumeration, length, range, not a time;
    FormatViolation               - a property nobody declared, one given twice, nesting beyond MAX_DEPTH;
    RpcFrameworkError             - not JSON at all, or longer than `max_bytes`.
    """
    reader = _reader(kind)  # type: ignore[arg-type]  # types are hashable
    source = _capped(text, max_bytes)
    try:
        try:
            value = reader.decode(source)
        except msgspec.ValidationError as failure:
            if "got `float`" not in str(failure):
                raise
            value = reader.decode(_with_whole_numbers_as_integers(source))
    except (msgspec.DecodeError, UnicodeError) as failure:
        raise _explained(failure) from None
    except RecursionError:
        raise _too_deep() from None
    if reader.has_members and not (reader.is_plain and _says_as_much(source, value)):
        _check_depth(source)
        _check_members(source, value)
    return value  # type: ignore[no-any-return]  # the decoder was made for `kind`


def encode(value: object) -> bytes:
    """`value` as compact JSON. Raises CodecError for what JSON cannot say: NaN, infinity, lone surrogates."""
    try:
        text = _ENCODER.encode(value)
    except UnicodeError as failure:
        raise _explained(failure) from None
    if text.find(b"null") >= 0:  # msgspec writes a number that is not finite as null
        _check_finite(msgspec.to_builtins(value, enc_hook=_to_builtin), "$")
    return text


def convert(kind: type[T], tree: object) -> T:
    """A tree of plain values, such as tomllib returns, as a `kind`, as strictly. Raises CodecError, codes as decode."""
    _check_finite(tree, "$")
    try:
        return msgspec.convert(tree, kind, dec_hook=_from_json)
    except msgspec.ValidationError as failure:
        raise _explained(failure) from None


# ---- decoding ----


def _capped(text: bytes | str | msgspec.Raw, max_bytes: int) -> bytes:
    try:
        source = text.encode() if isinstance(text, str) else bytes(text)
    except UnicodeError as failure:
        raise _explained(failure) from None
    if len(source) > max_bytes:
        raise CodecError(ErrorCode.RPC_FRAMEWORK_ERROR, "$", f"longer than {max_bytes} bytes")
    return source


def _from_json(kind: type[Any], value: object) -> object:
    return kind.from_json(value)


def _to_json(value: Any) -> object:
    return value.to_json()


def _to_builtin(value: Any) -> object:
    return None if isinstance(value, msgspec.Raw) else value.to_json()


_ENCODER = msgspec.json.Encoder(enc_hook=_to_json)


class _Reader(NamedTuple):
    decode: Callable[[bytes], Any]
    has_members: bool
    """Objects can occur (other than in Raw parts, which are decoded later)."""
    is_plain: bool
    """Nothing may hold any value whatever, and nothing is written that need not have been read."""


@cache
def _reader(kind: type[Any]) -> _Reader:
    nodes = tuple(_nodes(msgspec.inspect.type_info(kind), set()))
    structs = [node for node in nodes if isinstance(node, msgspec.inspect.StructType) and not node.array_like]
    return _Reader(
        msgspec.json.Decoder(kind, dec_hook=_from_json).decode,
        has_members=bool(structs) or any(isinstance(node, _OTHER_OBJECTS) for node in nodes),
        is_plain=all(node.tag is None and node.cls.__struct_config__.omit_defaults for node in structs)
        and not any(isinstance(node, msgspec.inspect.AnyType | msgspec.inspect.DataclassType) for node in nodes),
    )


_OTHER_OBJECTS = (
    msgspec.inspect.AnyType
    | msgspec.inspect.CustomType
    | msgspec.inspect.DataclassType
    | msgspec.inspect.DictType
    | msgspec.inspect.TypedDictType
)


def _nodes(node: object, seen: set[int]) -> Iterator[object]:
    if isinstance(node, tuple):
        for part in node:
            yield from _nodes(part, seen)
    elif isinstance(node, msgspec.inspect.Type | msgspec.inspect.Field) and id(node) not in seen:
        seen.add(id(node))
        yield node
        for name in node.__struct_fields__:
            yield from _nodes(getattr(node, name), seen)


_STRING_OR_REAL = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?')


def _with_whole_numbers_as_integers(source: bytes) -> bytes:
    """16.0 is an integer to JSON Schema (draft 6, 6.1.1), but not to msgspec."""

    def shortened(match: re.Match[bytes]) -> bytes:
        token = match[0]
        if token[:1] == b'"' or not (real := float(token)).is_integer():
            return token
        return str(int(real)).encode() if b"." in token or b"e" in token.lower() else token

    return _STRING_OR_REAL.sub(shortened, source)


# ---- after decoding: did the text say more than the value holds? ----


def _says_as_much(source: bytes, value: object) -> bool:
    r"""Quick proof that nothing was given twice, as null, or nested deeply. False proves nothing.

    What is given twice or as null is lost in the value, and one colon with it. Written back, the value can hold no more
    colons than the text, unless the text hid some as \u003a. Only JsonForm values can nest deeper than their types.
    """
    if _BACKSLASH in source and source.find(b"\\u") >= 0:  # the first alone is ten times faster, and mostly enough
        return False
    written = bytearray(len(source))  # big enough from the start, for growing takes longer than writing
    try:
        _COLONS.encode_into(value, written)
    except _NotPlainError:
        return False
    return source.count(b":") == written.count(b":")


_BACKSLASH = ord("\\")


class _NotPlainError(Exception):
    """A JsonForm value that may hold anything."""


def _colons_of(value: Any) -> object:
    if isinstance(value, datetime):
        return "::"  # however it is written, and writing it properly takes five times as long
    raise _NotPlainError


_COLONS = msgspec.json.Encoder(enc_hook=_colons_of)

_ROUND = bytes.maketrans(b"[]", b"{}")
_NEITHER_BRACKET_NOR_QUOTE = bytes(sorted(set(range(256)) - set(b'{}[]"')))


def _check_depth(source: bytes) -> None:
    """Peel innermost brackets until none should be left; brackets inside strings do not count."""
    if source.count(b"{") + source.count(b"[") <= MAX_DEPTH:
        return
    if b"\\" in source:
        source = source.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = source.translate(_ROUND, _NEITHER_BRACKET_NOR_QUOTE).replace(b'""', b"")
    brackets = b"".join(brackets.split(b'"')[::2])
    for _ in range(MAX_DEPTH):
        brackets = brackets.replace(b"{}", b"")
    if b"{" in brackets:
        raise _too_deep()


def _too_deep() -> CodecError:
    return CodecError(ErrorCode.FORMAT_VIOLATION, "$", f"nested deeper than {MAX_DEPTH} levels")


class _Members(list[tuple[str, Any]]):
    """A JSON object as it stands in the text."""


def _check_members(source: bytes, value: object) -> None:
    written = json.loads(_ENCODER.encode(value)) if b"null" in source else None
    try:
        members = json.loads(source, object_pairs_hook=_Members)
    except ValueError as failure:  # in a Raw part, which nobody has looked into yet
        raise _explained(failure) from None
    _check_node(members, written, "$")


def _check_node(node: object, written: object, path: str) -> None:
    if isinstance(node, _Members):
        seen = set()
        for name, _ in node:
            if name in seen:
                raise CodecError(ErrorCode.FORMAT_VIOLATION, _joined(path, name), "property given twice")
            seen.add(name)
        kept = written if isinstance(written, dict) else {}
        for name, member in node:
            if member is None and name not in kept:
                raise CodecError(ErrorCode.TYPE_CONSTRAINT_VIOLATION, _joined(path, name), "null; leave it out instead")
            _check_node(member, kept.get(name), _joined(path, name))
    elif isinstance(node, list):
        kept_items = written if isinstance(written, list) else []
        for index, item in enumerate(node):
            _check_node(item, kept_items[index] if index < len(kept_items) else None, f"{path}[{index}]")


def _check_finite(node: object, path: str) -> None:
    if isinstance(node, float) and not math.isfinite(node):
        raise CodecError(ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, path, f"{node} is not a finite number")
    if isinstance(node, dict):
        for name, member in node.items():
            _check_finite(member, _joined(path, str(name)))
    elif isinstance(node, list | tuple):
        for index, item in enumerate(node):
            _check_finite(item, f"{path}[{index}]")


# ---- from a failure to its code and place ----

_FAILURES = (
    (re.compile(r"Object missing required field `(?P<name>.*)`", re.DOTALL), ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION),
    (re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL), ErrorCode.FORMAT_VIOLATION),
    (re.compile(r"Expected `(array|object)` of (at (least|most) )?length "), ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION),
    (re.compile(r"Expected `[^`]*`, got `"), ErrorCode.TYPE_CONSTRAINT_VIOLATION),
    (
        re.compile(r"Expected `|Invalid |Integer value out of range|Number out of range"),
        ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
    ),
)
"""How msgspec words its failures, and the code for each. The first that matches counts."""

_PLACES = re.compile(r"(?: - at `\$[^`]*`)+$")
_PLAIN_NAME = re.compile(r"\w{1,50}", re.ASCII)


def _explained(failure: Exception) -> CodecError:
    if not isinstance(failure, msgspec.ValidationError):
        return CodecError(ErrorCode.RPC_FRAMEWORK_ERROR, "$", str(failure))
    text = str(failure)
    path = "$"
    if places := _PLACES.search(text):
        text = text[: places.start()]
        # Innermost first: a JsonForm tells the place within itself, msgspec adds where that stands.
        path += "".join(place[1:] for place in reversed(re.findall(r"`([^`]*)`", places[0])))
    for pattern, code in _FAILURES:
        if match := pattern.match(text):
            name = match.groupdict().get("name")
            return CodecError(code, path if name is None else _joined(path, name), text.replace(" | null`", "`"))
    return CodecError(ErrorCode.GENERIC_ERROR, path, text)


def _joined(path: str, name: str) -> str:
    """The path of a property; the peer's own wild names are not repeated."""
    return f"{path}.{name}" if _PLAIN_NAME.fullmatch(name) else f"{path}[...]"
