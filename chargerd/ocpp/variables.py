"""The device model: a variable is declared once, beside its use; that line gives default, type, range and report.

A value set by the CSMS wins over one the site set, which wins over the default. Values the CSMS set are stored in the
database transaction in which the answer is written, as text, so that a later version of the software judges them anew.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, NamedTuple, Required, TypedDict, TypeVar, Unpack, cast

import msgspec

from chargerd.ocpp.messages.enums import Attribute, Data
from chargerd.ocpp.value_texts import Form, ValueTextError
from chargerd.store import Store

T = TypeVar("T")

MAX_VALUE_CHARACTERS = 1000
"""Longest value SetVariables can carry (its schema); DeviceDataCtrlr.ConfigurationValueSize."""

NAMESPACE = "variables"

Reader = Callable[[int | None, int | None], object]
"""(evse_id, connector_id) -> current value; both None for a variable of the whole station."""

Check = Callable[[Any], str | None]
"""A new value -> why it is refused, or None."""

Seal = Callable[[str], str]
"""A secret -> what is kept of it in the store."""

Unseal = Callable[[str], str | None]
"""What was kept -> the secret; None: it cannot be opened."""


def in_clear(text: str) -> str:
    """Seal and Unseal of a station that has no key for its secrets: a secret is kept as it is."""
    return text


class Tier(StrEnum):
    """How many values a variable has: one, one per EVSE, or one per connector (part 1, 4.2)."""

    STATION = "station"
    EVSE = "EVSE"
    CONNECTOR = "connector"


class Variable(msgspec.Struct, Generic[T], frozen=True, kw_only=True, cache_hash=True):
    """One declared variable. `minimum` and `maximum` bound a number, or the length of a string.

    `required`: the standard demands it of a station with this function. `reboot`: a new value takes effect at the next
    start. `values`: what a list may hold. `persistent` False: forgotten at a restart. `constant`: never another value
    while the station runs. `attributes`: further ones beside Actual, which the station itself finds out.
    """

    component: str
    name: str
    data_type: Data
    default: T
    doc: str
    instance: str | None = None
    component_instance: str | None = None
    tier: Tier = Tier.STATION
    writable: bool = False
    write_only: bool = False
    required: bool = True
    reboot: bool = False
    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] = ()
    persistent: bool = True
    constant: bool = False
    attributes: tuple[Attribute, ...] = ()

    def __str__(self) -> str:
        return f"{_with_instance(self.component, self.component_instance)}.{_with_instance(self.name, self.instance)}"

    @property
    def form(self) -> Form:
        """What texts are values of it."""
        return Form(self.data_type, self.minimum, self.maximum, self.values)

    @property
    def may_be_set(self) -> bool:
        """Whether the CSMS may write it."""
        return self.writable or self.write_only


AnyVariable = Variable[Any]

AttributeKey = tuple[AnyVariable, Attribute]


class Options(TypedDict, total=False):
    """What can be said of a variable of any type."""

    doc: Required[str]
    instance: str | None
    component_instance: str | None
    tier: Tier
    writable: bool
    write_only: bool
    required: bool
    reboot: bool
    unit: str | None
    persistent: bool
    constant: bool
    attributes: tuple[Attribute, ...]


class NumberOptions(Options, total=False):
    """What can be said of a number."""

    minimum: float | None
    maximum: float | None


def boolean(component: str, name: str, default: bool, **options: Unpack[Options]) -> Variable[bool]:
    """A yes or no."""
    return Variable(component=component, name=name, data_type=Data.BOOLEAN, default=default, **options)


def integer(component: str, name: str, default: int, **options: Unpack[NumberOptions]) -> Variable[int]:
    """A whole number; bound it with `minimum` and `maximum`, give its `unit`."""
    return Variable(component=component, name=name, data_type=Data.INTEGER, default=default, **options)


def decimal(component: str, name: str, default: float, **options: Unpack[NumberOptions]) -> Variable[float]:
    """A number; bound it with `minimum` and `maximum`, give its `unit`."""
    return Variable(component=component, name=name, data_type=Data.DECIMAL, default=default, **options)


def string(
    component: str,
    name: str,
    default: str,
    *,
    max_length: int = MAX_VALUE_CHARACTERS,
    min_length: int = 0,
    **options: Unpack[Options],
) -> Variable[str]:
    """A text of `min_length` to `max_length` characters."""
    return Variable(
        component=component,
        name=name,
        data_type=Data.STRING,
        default=default,
        minimum=min_length or None,
        maximum=max_length,
        **options,
    )


def date_time(
    component: str, name: str, default: datetime | None = None, **options: Unpack[Options]
) -> Variable[datetime | None]:
    """A point in time; None: not known."""
    return Variable(component=component, name=name, data_type=Data.DATE_TIME, default=default, **options)


def option_list(
    component: str, name: str, default: str, *, values: Iterable[str], **options: Unpack[Options]
) -> Variable[str]:
    """Exactly one of `values`."""
    allowed = tuple(values)
    return Variable(
        component=component, name=name, data_type=Data.OPTION_LIST, default=default, values=allowed, **options
    )


def sequence_list(
    component: str, name: str, default: Iterable[str], *, values: Iterable[str], **options: Unpack[Options]
) -> Variable[tuple[str, ...]]:
    """Some of `values`, each at most once; their order counts."""
    chosen, allowed = tuple(default), tuple(values)
    return Variable(
        component=component, name=name, data_type=Data.SEQUENCE_LIST, default=chosen, values=allowed, **options
    )


def member_list(
    component: str, name: str, default: Iterable[str], *, values: Iterable[str], **options: Unpack[Options]
) -> Variable[tuple[str, ...]]:
    """Some of `values`, each at most once; their order means nothing."""
    chosen, allowed = tuple(default), tuple(values)
    return Variable(
        component=component, name=name, data_type=Data.MEMBER_LIST, default=chosen, values=allowed, **options
    )


class VariableError(Exception):
    """A value of the site settings cannot be applied; says which and why, or what it may have meant."""


class Place(NamedTuple):
    """Where in the station a value belongs: nothing, an EVSE, or an EVSE's connector."""

    evse_id: int | None = None
    connector_id: int | None = None


STATION = Place()


class Item(NamedTuple):
    """One value of the device model: the variable and the place."""

    variable: AnyVariable
    place: Place

    def __str__(self) -> str:
        variable, place = self
        spot = "".join(f"@{number}" for number in place if number is not None)
        component = _with_instance(variable.component, variable.component_instance)
        return f"{component}{spot}.{_with_instance(variable.name, variable.instance)}"


class Variables:
    """All variables of the station and their values."""

    def __init__(
        self,
        store: Store,
        evse_count: int,
        overrides: Mapping[str, str],
        *,
        seal: Seal = in_clear,
        unseal: Unseal = in_clear,
    ) -> None:
        """`overrides`: what the site set, "Component[instance].Variable[instance]" -> text. Values that nobody may read
        are kept as `seal` makes them.
        """
        self._store = store
        self._seal = seal
        self._unseal = unseal
        self._evse_count = evse_count
        self._overrides = dict(overrides)
        self._declared: dict[str, AnyVariable] = {}
        self._readers: dict[AnyVariable, Reader] = {}
        self._checks: dict[AnyVariable, Check] = {}
        self._attributes: dict[AttributeKey, Reader] = {}
        self._evse_ids: dict[AnyVariable, tuple[int, ...]] = {}
        self._values: dict[Item, Any] = {}
        self._maxima: dict[Item, float] = {}
        self.problems: tuple[str, ...] = ()
        """Stored values that this version of the software does not accept, and what it does about them."""

    # ------------------------------------------------------------------ building

    def declare(
        self,
        variables: Iterable[AnyVariable],
        readers: Mapping[AnyVariable, Reader] | None = None,
        checks: Mapping[AnyVariable, Check] | None = None,
        attributes: Mapping[AttributeKey, Reader] | None = None,
    ) -> None:
        """Add a block's variables. They have their values from now on; `finish` judges the overrides."""
        for variable in variables:
            assert str(variable).lower() not in self._declared, f"{variable} is declared twice"
            self._declared[str(variable).lower()] = variable
            told = {kind for of, kind in attributes or {} if of == variable}
            assert told == set(variable.attributes), f"{variable} declares attributes that nobody reads, or the reverse"
        self._readers.update(readers or {})
        self._checks.update(checks or {})
        self._attributes.update(attributes or {})
        for variable in {**(readers or {}), **(checks or {})}:
            assert str(variable).lower() in self._declared, f"{variable} has a reader or check and is not declared"

    def finish(self) -> None:
        """Apply what the site and the CSMS have set. Raises VariableError for an override that cannot be applied."""
        for name, text in self._overrides.items():
            variable = self._declared.get(name.lower())
            if variable is None:
                raise VariableError(f"{name}: no such variable{self._nearest(name)}")
            if variable in self._readers:
                raise VariableError(f"{name}: is found out by the station itself and cannot be set; remove it")
            if variable.write_only:
                raise VariableError(f"{name}: a secret has no place in the settings; hand it over as a credential")
            value = self._accepted(variable, text, f"{name}={text}")
            for place in self.places(variable):
                self._values[Item(variable, place)] = value
        stored: dict[str, str | None] = dict(self._store.items(NAMESPACE, str))
        for item in self.items():
            if (kept := stored.pop(str(item), None)) is not None:
                self._adopt(item, kept)
        self.problems += tuple(f"variables: stored {name} is not known any more, ignoring" for name in stored)

    def set_maximum(self, variable: AnyVariable, evse_id: int, maximum: float) -> None:
        """Report another maxLimit for one EVSE than the declaration says (its hardware differs)."""
        self._maxima[Item(variable, Place(evse_id))] = maximum

    def set_evses(self, variable: AnyVariable, evse_ids: Iterable[int]) -> None:
        """Only these EVSEs have the variable (the others lack the hardware)."""
        self._evse_ids[variable] = tuple(evse_ids)

    # ------------------------------------------------------------------ values

    def __getitem__(self, variable: Variable[T]) -> T:
        """The current value of a variable of the whole station."""
        return self.value(variable)

    def value(self, variable: Variable[T], evse_id: int | None = None, connector_id: int | None = None) -> T:
        """The current value; `evse_id` and `connector_id` as the variable's tier asks."""
        reader = self._readers.get(variable)
        if reader is not None:
            return cast("T", reader(evse_id, connector_id))
        found = self._values.get(Item(variable, Place(evse_id, connector_id)), variable.default)
        return cast("T", found)

    def store_value(
        self, variable: Variable[T], value: T, evse_id: int | None = None, connector_id: int | None = None
    ) -> None:
        """Set a value from inside: whether the CSMS might do so is not asked."""
        assert variable not in self._readers, f"can't set {variable}: its reader would hide the value"
        item = Item(variable, Place(evse_id, connector_id))
        self._values[item] = value
        if variable.persistent:
            self._keep(item, variable.form.text(value))

    def set_until_restart(self, variable: Variable[T], value: T) -> None:
        """Set a value of the whole station from inside, for as long as this process runs."""
        assert variable not in self._readers, f"can't set {variable}: its reader would hide the value"
        self._values[Item(variable, STATION)] = value

    def set_text(self, item: Item, text: str) -> None:
        """Set a value as the CSMS does. Raises ValueTextError (form, range, or the owner's own check)."""
        variable, place = item
        value = variable.form.value(text)
        check = self._checks.get(variable)
        if check is not None and (why := check(value)) is not None:
            raise ValueTextError("InvalidValue", why)
        self.store_value(variable, value, *place)

    def text(self, item: Item) -> str:
        """The current value as the wire has it; empty when there is none."""
        return item.variable.form.text(self.value(item.variable, *item.place))

    def attribute_text(self, item: Item, kind: Attribute) -> str:
        """The value of an attribute of the variable other than Actual, as the wire has it."""
        return item.variable.form.text(self._attributes[item.variable, kind](*item.place))

    # ------------------------------------------------------------------ the model

    def declared(self) -> tuple[AnyVariable, ...]:
        """All variables, in the order of their declaration."""
        return tuple(self._declared.values())

    def is_found_out(self, variable: AnyVariable) -> bool:
        """Whether its value is computed when asked for, and so can be set by nobody."""
        return variable in self._readers

    def items(self) -> Iterator[Item]:
        """All values of the device model, in the order of their declaration."""
        for variable in self._declared.values():
            for place in self.places(variable):
                yield Item(variable, place)

    def places(self, variable: AnyVariable) -> list[Place]:
        """Where the variable has values."""
        if variable.tier is Tier.STATION:
            return [STATION]
        connector_id = 1 if variable.tier is Tier.CONNECTOR else None  # one connector per EVSE
        evse_ids = self._evse_ids.get(variable, range(1, self._evse_count + 1))
        return [Place(evse_id, connector_id) for evse_id in evse_ids]

    def maximum(self, item: Item) -> float | None:
        """maxLimit of one value."""
        return self._maxima.get(item, item.variable.maximum)

    def _keep(self, item: Item, text: str) -> None:
        self._store.put(NAMESPACE, str(item), self._seal(text) if item.variable.write_only else text)

    def _adopt(self, item: Item, kept: str) -> None:
        """Take what was stored, where it can be used; a secret that was kept in clear until now is sealed."""
        secret = item.variable.write_only
        text = self._unseal(kept) if secret else kept
        if text is None:
            self.problems += (f"variables: stored {item} cannot be opened with this store key, ignoring",)
            return
        try:
            self._values[item] = item.variable.form.value(text)
        except ValueTextError as error:
            instead = "none" if secret else repr(self.text(item))
            self.problems += (f"variables: stored {item} is not valid any more ({error}), using {instead}",)
        if secret and text == kept != self._seal(text):
            self._keep(item, text)

    def _accepted(self, variable: AnyVariable, text: str, name: str) -> object:
        try:
            return variable.form.value(text)
        except ValueTextError as error:
            raise VariableError(f"{name}: {error}") from error

    def _nearest(self, name: str) -> str:
        names = [str(variable) for variable in self._declared.values()]
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
        return f"; did you mean {close[0]}?" if close else ""


def _with_instance(name: str, instance: str | None) -> str:
    return name if instance is None else f"{name}[{instance}]"
