"""What a scenario may expect, and how it is compared: requests that the CSMS sees, facts of the status, transactions
that are whole.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from chargerd.bench.csms import Seen

NEAR = 0.05
"""Numbers this close are equal: 10 A is 16.66 % duty and reads as 9.996 A."""


class EvseFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a scenario may ask of one EVSE; "none" where there is nothing."""

    connector: str
    transaction: str
    state: str
    pilot: str
    duty_percent: float
    offered_amps: float
    limit_amps: float
    limit_by: str
    amps: float
    power_w: float
    energy_wh: float
    relay: bool | None
    locked: bool | None
    faults: str
    why_not: str


class StationFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a scenario may ask of the station. `control`: the run id of the control process, or "silent". `update`: the
    status of a firmware update that is under way, or "none"; `version`: of the software that runs.
    """

    link: str
    registration: str
    queued: int
    control: str
    update: str
    version: str


class Look(msgspec.Struct, frozen=True):
    """Whether a fact holds, and the value found."""

    holds: bool
    found: object


# ---------------------------------------------------------------------- requests that the CSMS sees


def matches(pattern: str, seen: Seen) -> bool:
    """`TransactionEvent eventType=Started evse.id=1`: action and dotted fields, compared as text."""
    action, *fields = pattern.split()
    if action != seen.action:
        return False
    for field in fields:
        path, _, wanted = field.partition("=")
        if as_text(_at(seen.payload, path)) != wanted:
            return False
    return True


def brief(seen: Seen) -> str:
    """A request in a few words, written as a pattern would be."""
    told = ("eventType", "triggerReason", "seqNo", "offline", "connectorStatus", "reason")
    fields = " ".join(f"{name}={as_text(seen.payload[name])}" for name in told if name in seen.payload)
    return f"{seen.action} {fields}".strip()


def as_text(value: object) -> str:
    """A JSON value as a pattern writes it: texts without quotes, flags as on the wire."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _at(payload: Any, path: str) -> Any:
    for key in path.split("."):
        if not isinstance(payload, dict) or key not in payload:
            return None
        payload = payload[key]
    return payload


# ---------------------------------------------------------------------- facts

_FACT = re.compile(r"(?:evse (\d+) )?(\w+) (==|!=|<=|>=|<|>) (\S.*)")
_ORDERED = frozenset({"<", "<=", ">", ">="})


def fault_of_fact(fact: str) -> str | None:
    """What is wrong with the text of a fact; None when it can be looked at."""
    match = _FACT.fullmatch(fact)
    if match is None:
        return f"cannot read {fact!r}; expected e.g. 'evse 1 offered_amps == 10'"
    evse, name, operator, wanted = match.groups()
    known = (EvseFacts if evse else StationFacts).__struct_fields__
    if name not in known:
        return f"{fact!r}: unknown fact {name!r}; known: {', '.join(known)}"
    if operator in _ORDERED and _as_number(wanted) is None:
        return f"{fact!r}: {operator} needs a number"
    return None


def look_at(fact: str, status: Mapping[str, Any]) -> Look:
    """Compare `fact` with `status`; a fact of a silent process or of an EVSE that is not there never holds."""
    match = _FACT.fullmatch(fact)
    assert match is not None, "can't happen because load_scenario has read every fact"
    evse, name, operator, wanted = match.groups()
    facts = evse_facts(status, int(evse)) if evse else station_facts(status)
    if facts is None:
        return Look(False, "no status")
    found = getattr(facts, name)
    if operator not in _ORDERED:
        return Look(_equal(found, wanted) == (operator == "=="), found)
    bound = _as_number(wanted)
    if not isinstance(found, int | float) or bound is None:
        return Look(False, found)
    order = {"<": found < bound, "<=": found <= bound, ">": found > bound, ">=": found >= bound}
    return Look(order[operator], found)


def evse_facts(status: Mapping[str, Any], evse_id: int) -> EvseFacts | None:
    """The facts of one EVSE; None while a process is silent."""
    evses = [evse for evse in status.get("evses", ()) if evse["evse_id"] == evse_id]
    if not evses or evses[0]["charging"] is None:
        return None
    evse, charging, transaction = evses[0], evses[0]["charging"], evses[0]["transaction"] or {}
    meter = charging["meter"] or {"amps": [0.0], "power_w": 0.0, "energy_wh": 0.0}
    return EvseFacts(
        connector=evse["connector_status"],
        transaction=transaction.get("transaction_id", "none"),
        state=transaction.get("charging_state", "none"),
        pilot=charging["pilot_state"],
        duty_percent=charging["duty_percent"],
        offered_amps=charging["offered_amps"],
        limit_amps=charging["limit"]["amps"],
        limit_by=charging["limit"]["source"],
        amps=max(meter["amps"], default=0.0),
        power_w=meter["power_w"],
        energy_wh=meter["energy_wh"],
        relay=charging["relay_closed"],
        locked=charging["locked"],
        faults=",".join(fault["code"] for fault in charging["faults"]) or "none",
        why_not=",".join(charging["why_not"]) or "none",
    )


def station_facts(status: Mapping[str, Any]) -> StationFacts | None:
    """The facts of the station; None while its process is silent."""
    link = status.get("link")
    if link is None:
        return None
    return StationFacts(
        link="up" if link["open"] else "down",
        registration=link["registration"],
        queued=link["queued"],
        control=status["control_run_id"] or "silent",
        update=(status.get("update") or {}).get("status") or "none",
        version=status.get("firmware_version", ""),
    )


def _equal(found: object, wanted: str) -> bool:
    if isinstance(found, bool) or not isinstance(found, int | float):
        return as_text(found) == wanted
    number = _as_number(wanted)
    return number is not None and bool(abs(found - number) < NEAR)


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


# ---------------------------------------------------------------------- transactions


def why_not_whole(messages: Iterable[Seen], *, may_be_open: bool) -> str | None:
    """What is wrong with the transactions that the CSMS was told of; None when each is complete and in order."""
    by_id: dict[str, list[dict[str, Any]]] = {}
    for seen in messages:
        if seen.action == "TransactionEvent":
            by_id.setdefault(seen.payload["transactionInfo"]["transactionId"], []).append(seen.payload)
    for transaction_id, events in by_id.items():
        fault = _fault_of_events(events, may_be_open=may_be_open)
        if fault is not None:
            return f"transaction {transaction_id}: {fault}"
    return None


def _fault_of_events(events: list[dict[str, Any]], *, may_be_open: bool) -> str | None:
    kinds = [event["eventType"] for event in events]
    if kinds[0] != "Started" or kinds.count("Started") != 1:
        return f"must begin with its only Started, but was {kinds}"
    if kinds.count("Ended") != (kinds[-1] == "Ended") or (kinds[-1] != "Ended" and not may_be_open):
        return f"must end with its only Ended, but was {kinds}"
    numbers = [event["seqNo"] for event in events]
    if numbers != list(range(len(numbers))):
        return f"seqNo must count 0, 1, 2 …, but was {numbers}"
    registers = [value for event in events for value in _registers(event)]
    if registers != sorted(registers):
        return f"the energy register ran backwards: {registers}"
    return None


def _registers(event: Mapping[str, Any]) -> Iterator[float]:
    """The total energy registers of one event that were read at its end; Ended repeats earlier ones by intent."""
    if event["eventType"] == "Ended":
        return
    for value in event.get("meterValue", ()):
        for sample in value["sampledValue"]:
            measurand = sample.get("measurand", "Energy.Active.Import.Register")
            if measurand == "Energy.Active.Import.Register" and "phase" not in sample:
                yield sample["value"]
