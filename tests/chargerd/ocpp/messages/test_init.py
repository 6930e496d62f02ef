import json
import re
from collections import Counter
from enum import StrEnum
from typing import Any

import pytest

from chargerd import codec
from chargerd.codec import CodecError
from chargerd.ocpp.messages import ACTIONS, INCOMING, OUTGOING, enums
from tests.chargerd.ocpp.messages import oracle

RANDOM_INSTANCES = 12


def decoded(name: str, instance: dict[str, Any]) -> Any:
    return codec.decode(oracle.struct_of(name), json.dumps(instance, ensure_ascii=False), max_bytes=10_000_000)


def test_the_table_holds_all_calls_of_ocpp_2_0_1() -> None:
    assert set(ACTIONS) == {name.removesuffix("Request") for name in oracle.NAMES if name.endswith("Request")}
    assert (len(ACTIONS), len(INCOMING), len(OUTGOING), len(oracle.NAMES)) == (64, 40, 25, 128)
    assert {call.action for call in set(INCOMING) & set(OUTGOING)} == {"DataTransfer"}
    assert all(call.response().__name__ == f"{action}Response" for action, call in ACTIONS.items())


def test_every_enumeration_has_exactly_the_words_of_the_schemas() -> None:
    ours: dict[str, type[StrEnum]] = {
        name: kind for name, kind in vars(enums).items() if isinstance(kind, type) and kind.__module__ == enums.__name__
    }
    theirs = {}
    for name in oracle.NAMES:
        for definition, schema in oracle.schema_of(name)["definitions"].items():
            if "enum" in schema:
                short = definition.removesuffix("EnumType")
                theirs[short if short in ours else definition.removesuffix("Type")] = set(schema["enum"])

    assert {name: {member.value for member in kind} for name, kind in ours.items()} == theirs


@pytest.mark.parametrize("name", oracle.NAMES)
def test_valid_instances_come_back_as_the_same_json(name: str) -> None:
    instances = [oracle.minimal(name), oracle.maximal(name)]
    instances += [oracle.random_instance(name, seed) for seed in range(RANDOM_INSTANCES)]

    for instance in instances:
        oracle.validator_of(name).validate(instance)
        again = json.loads(codec.encode(decoded(name, instance)))
        assert oracle.same(again, instance), (again, instance)


@pytest.mark.parametrize("name", oracle.NAMES)
def test_values_on_their_bounds_are_accepted_and_come_back(name: str) -> None:
    instance = oracle.maximal(name)

    for variant in oracle.variants(name, instance):
        assert oracle.validator_of(name).is_valid(instance), variant
        again = json.loads(codec.encode(decoded(name, instance)))
        assert oracle.same(again, instance), variant


@pytest.mark.parametrize("name", oracle.NAMES)
def test_every_single_fault_is_refused_with_its_code_and_place(name: str) -> None:
    instance = oracle.maximal(name)
    kinds: Counter[str] = Counter()

    for fault in oracle.faults(name, instance):
        assert not oracle.validator_of(name).is_valid(instance), fault
        with pytest.raises(CodecError) as refusal:
            decoded(name, instance)
        assert (refusal.value.code, refusal.value.path) == (fault.code, fault.path), (fault, refusal.value)
        kinds[fault.what] += 1

    assert kinds["extra"] >= 1
    assert oracle.validator_of(name).is_valid(instance), "every change was taken back"


@pytest.mark.parametrize("name", oracle.NAMES)
def test_every_time_must_have_a_zone_and_be_a_time(name: str) -> None:
    instance = oracle.maximal(name)

    for place in oracle.places(name, instance):
        if place.schema.get("format") != "date-time":
            continue
        good = place.holder[place.key]
        for bad in (good.removesuffix("Z"), "", "soon", good.replace("T", "T9"), good[:10]):
            place.holder[place.key] = bad
            with pytest.raises(CodecError) as refusal:
                decoded(name, instance)
            code = codec.ErrorCode.PROPERTY_CONSTRAINT_VIOLATION
            assert (refusal.value.code, refusal.value.path) == (code, place.path), bad
        place.holder[place.key] = good


@pytest.mark.parametrize("name", oracle.NAMES)
def test_every_time_leaves_in_utc_and_cut_to_milliseconds(name: str) -> None:
    instance = oracle.maximal(name)
    times = [place for place in oracle.places(name, instance) if place.schema.get("format") == "date-time"]
    for place in times:
        place.holder[place.key] = "2026-03-01T12:00:00.123987654+02:00"

    written = codec.encode(decoded(name, instance)).decode()

    assert re.findall(r'"2026-[^"]*"', written) == ['"2026-03-01T10:00:00.123Z"'] * len(times)


def test_the_oracle_makes_every_kind_of_fault_many_times() -> None:
    kinds = Counter(fault.what for name in oracle.NAMES for fault in oracle.faults(name, oracle.maximal(name)))

    assert min(kinds.values()) >= 2, kinds
    assert {"missing", "extra", "too long", "out of enum", "too few", "too many", "too small", "too large"} < set(kinds)
    assert len(kinds) == 8 + 35, "the eight above, and each JSON type in place of each other"
