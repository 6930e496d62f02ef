from collections.abc import Callable

import pytest

from chargerd.ocpp.messages.enums import Attribute, Data
from chargerd.ocpp.value_texts import ValueTextError
from chargerd.ocpp.variables import (
    NAMESPACE,
    AnyVariable,
    Item,
    Place,
    Tier,
    Variable,
    VariableError,
    Variables,
    boolean,
    date_time,
    decimal,
    integer,
    member_list,
    option_list,
    sequence_list,
    string,
)
from chargerd.store import Store

INTERVAL = integer("Ctrlr", "Interval", 60, unit="s", writable=True, minimum=0, maximum=100, doc="A wait.")
INSTANCED = integer("Ctrlr", "Interval", 5, instance="Event", writable=True, doc="Another wait.")
NAME = string("Ctrlr", "Name", "x", component_instance="Inst", writable=True, max_length=8, doc="A name.")
FLAG = boolean("Ctrlr", "Flag", True, writable=True, persistent=False, doc="A flag.")
SECRET = string("Ctrlr", "Secret", "", write_only=True, min_length=4, doc="A secret.")
FACT = decimal("EVSE", "Power", 0.0, tier=Tier.EVSE, unit="W", maximum=50.0, doc="A fact.")
STATE = option_list("Connector", "State", "A", values=("A", "B"), tier=Tier.CONNECTOR, writable=True, doc="A state.")
CHOSEN = member_list("Ctrlr", "Chosen", ("a",), values=("a", "b"), writable=True, doc="Some.")
ORDERED = sequence_list("Ctrlr", "Ordered", ("b", "a"), values=("a", "b"), writable=True, doc="Some in order.")
WHEN = date_time("Ctrlr", "When", doc="A time.")
ALL: tuple[AnyVariable, ...] = (INTERVAL, INSTANCED, NAME, FLAG, SECRET, FACT, STATE, CHOSEN, ORDERED, WHEN)


def model(
    store: Store | None = None,
    overrides: dict[str, str] | None = None,
    checks: dict[AnyVariable, Callable[[object], str | None]] | None = None,
) -> Variables:
    variables = Variables(store or Store(":memory:"), 2, overrides or {})
    variables.declare(ALL, {FACT: lambda evse_id, _connector_id: 10.0 * (evse_id or 0)}, checks)
    variables.finish()
    return variables


def item(variable: AnyVariable, *place: int) -> Item:
    return Item(variable, Place(*place))


def test_what_is_declared_can_be_listed_with_who_sets_it() -> None:
    variables = model()
    assert variables.declared() == ALL
    assert [variables.is_found_out(variable) for variable in (FACT, INTERVAL)] == [True, False]


def test_a_declaration_is_its_default_type_range_and_report() -> None:
    variables = model()
    assert variables[INTERVAL] == 60
    assert variables[CHOSEN] == ("a",)
    assert variables[ORDERED] == ("b", "a")
    assert variables[WHEN] is None
    assert variables.value(STATE, 2, 1) == "A"
    assert INTERVAL.data_type is Data.INTEGER
    assert str(INSTANCED) == "Ctrlr.Interval[Event]"
    assert str(NAME) == "Ctrlr[Inst].Name"


def test_there_is_one_value_for_each_evse_or_connector_of_the_tier() -> None:
    variables = model()
    assert variables.places(INTERVAL) == [Place()]
    assert variables.places(FACT) == [Place(1), Place(2)]
    assert variables.places(STATE) == [Place(1, 1), Place(2, 1)]
    assert len(list(variables.items())) == len(ALL) + 2
    variables.set_text(item(STATE, 1, 1), "B")
    assert variables.value(STATE, 1, 1) == "B"
    assert variables.value(STATE, 2, 1) == "A"


def test_a_reader_computes_the_value_for_its_place() -> None:
    variables = model()
    assert variables.value(FACT, 2) == 20.0
    assert variables.text(item(FACT, 2)) == "20"


def test_what_the_csms_set_wins_over_the_site_and_the_site_over_the_default() -> None:
    store = Store(":memory:")
    assert model(store, {"Ctrlr.Interval": "30"})[INTERVAL] == 30
    model(store, {"Ctrlr.Interval": "30"}).set_text(item(INTERVAL), "40")
    assert model(store, {"Ctrlr.Interval": "30"})[INTERVAL] == 40


def test_a_set_value_is_stored_at_once_and_only_if_it_lasts() -> None:
    store = Store(":memory:")
    variables = model(store)
    variables.set_text(item(INTERVAL), "7")
    variables.set_text(item(FLAG), "false")
    variables.set_text(item(CHOSEN), "b,a")
    variables.store_value(NAME, "inside")
    assert variables[FLAG] is False
    again = model(store)
    assert again[INTERVAL] == 7
    assert again[FLAG] is True
    assert again[CHOSEN] == ("b", "a")
    assert again[NAME] == "inside"


@pytest.mark.parametrize("text", ["101", "-1", "x", ""])
def test_a_value_out_of_form_or_range_is_refused_and_the_old_one_stays(text: str) -> None:
    variables = model()
    with pytest.raises(ValueTextError):
        variables.set_text(item(INTERVAL), text)
    assert variables[INTERVAL] == 60


def test_the_owner_may_refuse_a_value_for_reasons_of_its_own() -> None:
    variables = model(checks={INTERVAL: lambda value: "odd" if int(str(value)) % 2 else None})
    variables.set_text(item(INTERVAL), "8")
    with pytest.raises(ValueTextError, match="odd"):
        variables.set_text(item(INTERVAL), "9")
    assert variables[INTERVAL] == 8
    variables.store_value(INTERVAL, 9)
    assert variables[INTERVAL] == 9


def test_an_override_applies_to_every_place_of_a_tier_and_names_ignore_case() -> None:
    variables = model(overrides={"connector.STATE": "B", "ctrlr[inst].name": "site", "Ctrlr.Interval[Event]": "9"})
    assert variables.value(STATE, 1, 1) == variables.value(STATE, 2, 1) == "B"
    assert variables[NAME] == "site"
    assert variables[INSTANCED] == 9
    assert variables[INTERVAL] == 60


@pytest.mark.parametrize(
    "name, text, complaint",
    [
        ("Ctrlr.Intervall", "5", r"Ctrlr\.Intervall: no such variable; did you mean Ctrlr\.Interval\?"),
        ("zzz", "5", "zzz: no such variable$"),
        ("Ctrlr.Interval", "5000", r"Ctrlr\.Interval=5000: 5000 is above 100"),
        ("Ctrlr.Interval", "often", "is not a whole number"),
        ("EVSE.Power", "5", "found out by the station itself"),
    ],
)
def test_an_override_that_cannot_be_applied_is_named_with_what_was_meant(name: str, text: str, complaint: str) -> None:
    with pytest.raises(VariableError, match=complaint):
        model(overrides={name: text})


def test_a_secret_in_the_settings_is_refused_and_not_in_the_complaint_about_it() -> None:
    with pytest.raises(VariableError, match="as a credential") as caught:
        model(overrides={"Ctrlr.Secret": "swordfish"})
    assert "swordfish" not in str(caught.value)


class Mirror:
    """A seal that turns a text round and marks it, so that a test can read what it made."""

    def __init__(self, mark: str = "mirror:") -> None:
        self.mark = mark

    def seal(self, text: str) -> str:
        return self.mark + text[::-1]

    def unseal(self, kept: str) -> str | None:
        if ":" not in kept:
            return kept
        return kept.removeprefix(self.mark)[::-1] if kept.startswith(self.mark) else None


def sealed_model(store: Store, mirror: Mirror) -> Variables:
    variables = Variables(store, 2, {}, seal=mirror.seal, unseal=mirror.unseal)
    variables.declare(ALL, {FACT: lambda _evse_id, _connector_id: 1.0})
    variables.finish()
    return variables


def test_a_secret_is_kept_sealed_and_everything_else_as_it_is() -> None:
    store = Store(":memory:")
    variables = sealed_model(store, Mirror())
    variables.set_text(item(SECRET), "swordfish")
    variables.set_text(item(INTERVAL), "7")
    assert dict(store.items(NAMESPACE, str)) == {"Ctrlr.Secret": "mirror:hsifdrows", "Ctrlr.Interval": "7"}
    assert sealed_model(store, Mirror())[SECRET] == "swordfish"


def test_a_secret_kept_in_clear_by_an_earlier_version_is_sealed_at_the_next_start() -> None:
    store = Store(":memory:")
    model(store).set_text(item(SECRET), "swordfish")
    assert sealed_model(store, Mirror())[SECRET] == "swordfish"
    assert store.get(NAMESPACE, "Ctrlr.Secret", str) == "mirror:hsifdrows"


def test_a_secret_that_cannot_be_opened_counts_as_none_and_is_told_and_kept() -> None:
    store = Store(":memory:")
    sealed_model(store, Mirror("old:")).set_text(item(SECRET), "swordfish")
    variables = sealed_model(store, Mirror("new:"))
    assert variables[SECRET] == ""
    assert any("Ctrlr.Secret cannot be opened with this store key" in problem for problem in variables.problems)
    assert sealed_model(store, Mirror("old:"))[SECRET] == "swordfish"


def test_a_stored_secret_that_is_not_valid_any_more_is_told_without_any_secret() -> None:
    store = Store(":memory:")
    store.put(NAMESPACE, "Ctrlr.Secret", "abc")
    variables = model(store)
    assert variables[SECRET] == ""
    assert len(variables.problems) == 1
    assert "abc" not in variables.problems[0]


def test_a_stored_value_that_is_not_valid_any_more_is_told_and_the_default_used() -> None:
    store = Store(":memory:")
    store.put(NAMESPACE, "Ctrlr.Interval", "5000")
    store.put(NAMESPACE, "Gone.Variable", "1")
    variables = model(store)
    assert variables[INTERVAL] == 60
    assert len(variables.problems) == 2
    assert any("Ctrlr.Interval" in problem for problem in variables.problems)
    assert any("Gone.Variable" in problem for problem in variables.problems)


def test_a_maximum_may_differ_by_evse() -> None:
    variables = model()
    variables.set_maximum(FACT, 2, 22_000.0)
    assert variables.maximum(item(FACT, 1)) == 50.0
    assert variables.maximum(item(FACT, 2)) == 22_000.0


def test_a_variable_can_be_of_some_evses_only() -> None:
    variables = Variables(Store(":memory:"), 2, {})
    variables.set_evses(FACT, [2])
    variables.declare(ALL)
    assert variables.places(FACT) == [Place(2)]
    assert variables.places(STATE) == [Place(1, 1), Place(2, 1)]


def test_a_further_attribute_has_a_reader_or_is_not_declared() -> None:
    most = decimal("Ctrlr", "Heat", 1.0, attributes=(Attribute.MAX_SET,), doc="Warmth.")
    variables = Variables(Store(":memory:"), 2, {})
    with pytest.raises(AssertionError, match="nobody reads"):
        variables.declare([most])
    variables = Variables(Store(":memory:"), 2, {})
    variables.declare([most], attributes={(most, Attribute.MAX_SET): lambda _evse_id, _connector_id: 80.0})
    assert variables.attribute_text(item(most), Attribute.MAX_SET) == "80"


def test_a_variable_cannot_be_declared_twice() -> None:
    with pytest.raises(AssertionError, match="twice"):
        model().declare([INTERVAL])


def test_declarations_are_equal_by_value_and_usable_as_keys() -> None:
    same: Variable[int] = integer(
        "Ctrlr", "Interval", 60, unit="s", writable=True, minimum=0, maximum=100, doc="A wait."
    )
    assert same == INTERVAL
    assert {INTERVAL: 1}[same] == 1
