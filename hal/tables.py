"""TOML files into frozen structs; every error names the file, the key, what was found and what was expected.

msgspec tells where a value is wrong; people who wire boards also need the keys they may use, the nearest one to what
they typed, and the allowed values in plain words. That is all this file adds.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from hal.types import BoardError

S = TypeVar("S", bound=msgspec.Struct)

LARGEST_FILE_BYTES = 1_000_000


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """The tables of a TOML file; BoardError with line and column when it is not TOML, not there or not readable."""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise BoardError(
            str(path), f"cannot read the {what} ({error.strerror})", "check the path and its permissions"
        ) from error
    if len(raw) > LARGEST_FILE_BYTES:
        raise BoardError(str(path), f"the {what} is larger than {LARGEST_FILE_BYTES} bytes", "name the right file")
    try:
        return tomllib.loads(raw.decode())
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BoardError(f"{path}: line {line}", "a byte that is not UTF-8", "save the file as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        found = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", str(error), re.DOTALL)
        problem, line_no, column = found.groups() if found else (str(error), None, None)
        where = f"line {line_no}, column {column}" if line_no else "end of file"
        raise BoardError(f"{path}: {where}", f"not valid TOML: {problem}", "mend the syntax there") from error


def decode_table(kind: type[S], table: object, file: str, key: str = "") -> S:
    """One table as a struct of that kind. `key`: the table's own dotted key, empty for the whole file."""
    place = at(file, key)
    if not isinstance(table, Mapping):
        raise BoardError(place, f"found {shown(table)}", "expected a table")
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    check_keys(table, fields, place)
    for name, field in fields.items():
        if field.required and name not in table:
            raise BoardError(place, f"key '{name}' is missing", f"give it: {expected(field.type)}")
    prefix = f"{key}." if key else ""
    values = {name: _decode_value(fields[name].type, value, file, f"{prefix}{name}") for name, value in table.items()}
    return kind(**{fields[name].name: value for name, value in values.items()})


def at(file: str, key: str) -> str:
    """The place of a key, as errors name it."""
    return f"{file}: {key}" if key else file


def check_keys(table: Mapping[str, object], known: Iterable[str], place: str) -> None:
    """BoardError for the first key that is not known, with the nearest known one."""
    names = list(known)
    for key in table:
        if key not in names:
            raise BoardError(
                place, f"unknown key '{key}'", f"{did_you_mean(key, names)}known keys: {', '.join(names) or 'none'}"
            )


def did_you_mean(typed: str, choices: Iterable[str]) -> str:
    """`did you mean 'x'? ` for the nearest choice, or nothing when none is near."""
    near = difflib.get_close_matches(typed, list(choices), n=1)
    return f"did you mean '{near[0]}'? " if near else ""


def shown(value: object) -> str:
    """What was found, as the file has it, cut to a line's length."""
    if isinstance(value, Mapping):
        return "a table"
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def expected(kind: Any) -> str:
    """A type in plain words: `a number from 6 to 80`, `one of: a, b`."""
    return _in_words(inspect.type_info(kind))


def _decode_value(kind: Any, value: object, file: str, key: str) -> Any:
    info = _present(inspect.type_info(kind))
    if isinstance(info, inspect.StructType) and not info.array_like:
        return decode_table(info.cls, value, file, key)
    if (
        isinstance(info, inspect.VarTupleType)
        and isinstance(info.item_type, inspect.StructType)
        and not info.item_type.array_like
        and isinstance(value, list)
    ):
        return tuple(
            decode_table(info.item_type.cls, item, file, f"{key}[{index}]") for index, item in enumerate(value)
        )
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        near = did_you_mean(value, _choices(info)) if isinstance(value, str) else ""
        raise BoardError(at(file, key), f"found {shown(value)}", f"{near}expected {_in_words(info)}") from error


def _present(info: inspect.Type) -> inspect.Type:
    """The type of a key that is there; TOML has no null, so `X | None` means that it may be left out."""
    parts = info.types if isinstance(info, inspect.UnionType) else ()
    others = [part for part in parts if not isinstance(part, inspect.NoneType)]
    return others[0] if len(others) == 1 else info


def _choices(info: inspect.Type) -> list[str]:
    if isinstance(info, inspect.LiteralType):
        return [str(value) for value in info.values]
    if isinstance(info, inspect.EnumType):
        return [str(member.value) for member in info.cls]
    return []


def _in_words(info: inspect.Type) -> str:
    if isinstance(info, inspect.UnionType):
        return " or ".join(_in_words(part) for part in info.types if not isinstance(part, inspect.NoneType))
    if choices := _choices(info):
        return f"one of: {', '.join(choices)}"
    if isinstance(info, inspect.IntType | inspect.FloatType):
        return ("a whole number" if isinstance(info, inspect.IntType) else "a number") + _range(info.ge, info.le)
    if isinstance(info, inspect.StrType):
        bounds = _range(info.min_length, info.max_length)
        return f"text of{bounds.removeprefix(' from')} characters" if bounds else "text in quotes"
    if isinstance(info, inspect.BoolType):
        return "true or false"
    if isinstance(info, inspect.TupleType):
        return f"a list of {len(info.item_types)}: {', '.join(_in_words(item) for item in info.item_types)}"
    if isinstance(info, inspect.VarTupleType | inspect.ListType):
        return f"a list, each of it {_in_words(info.item_type)}"
    if isinstance(info, inspect.StructType) and info.array_like:
        return f"a list: {', '.join(f'{field.name} ({_in_words(field.type)})' for field in info.fields)}"
    return "a table"


def _range(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    if low is not None:
        return f" of at least {low:g}"
    return f" of at most {high:g}" if high is not None else ""
