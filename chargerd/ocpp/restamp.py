"""Times that were noted while the clock was still wrong, put right afterwards."""

from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def restamped(value: T, by: timedelta) -> T:
    """`value`, a message or a part of one, with every time in it moved by `by`."""
    moved: Any = value
    if isinstance(value, datetime):
        moved = value + by
    elif isinstance(value, tuple):
        moved = tuple(restamped(each, by) for each in value)
    elif isinstance(value, msgspec.Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        moved = msgspec.structs.replace(value, **{name: restamped(each, by) for name, each in fields.items()})
    return moved  # type: ignore[no-any-return]
