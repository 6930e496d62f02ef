"""Stored values that this version may be unable to read: they are set aside with a note, and the station goes on.

A station that stopped at each of them would stop again at every start; one that deleted them would take them away
from whoever installs the right version.
"""

from typing import TypeVar

from chargerd.ocpp.block import StationContext
from chargerd.ocpp.effects import Severity
from chargerd.store import StoredValueError

T = TypeVar("T")


def readable_items(ctx: StationContext, namespace: str, kind: type[T]) -> list[tuple[str, T]]:
    """All keys and values of `namespace` that are a `kind`, in the order of the keys."""
    found = ((key, readable(ctx, namespace, key, kind)) for key in ctx.store.keys(namespace))
    return [(key, value) for key, value in found if value is not None]


def readable(ctx: StationContext, namespace: str, key: str, kind: type[T]) -> T | None:
    """The value under `key`, None when there is none that is a `kind`."""
    try:
        return ctx.store.get(namespace, key, kind)
    except StoredValueError as error:
        ctx.note(Severity.ERROR, f"store: {namespace}/{key} was set aside ({error})")
        ctx.store.put_aside(namespace, key)
        return None
