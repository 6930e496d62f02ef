"""Scenarios: a day at the charger as a readable TOML file, played against the real processes.

A step says something, does one verb, and states what must come of it: `sees` lists requests that the CSMS must
receive next, in this order (others may come between them); `until` lists facts that must become true. After the last
step every transaction that the CSMS saw must be whole: one Started first, one Ended last unless `open` says
otherwise, no gap in seqNo, no register running backwards.
"""

import asyncio
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from chargerd.bench.csms import Seen
from chargerd.bench.rig import Rig
from chargerd.bench.verbs import BenchError, arguments_from_words

POLL_S = 0.05


class ScenarioError(Exception):
    """The file is wrong, or what it says did not happen: step, expectation, and what was there instead."""


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step. `within_s`: how long its expectations may take."""

    say: str
    do: str = ""
    sees: tuple[str, ...] = ()
    until: tuple[str, ...] = ()
    within_s: float = 10.0


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file. `board`: name in board-configs; `set`: device model values; `open`: transactions may still run at the
    end.
    """

    title: str
    step: tuple[Step, ...]
    about: str = ""
    board: str = "bench.toml"
    set: dict[str, str] = {}
    open: bool = False


def load_scenario(path: Path) -> Scenario:
    """Read a scenario and check every line of it. Raises ScenarioError naming the place."""
    try:
        scenario = msgspec.convert(tomllib.loads(path.read_text()), Scenario)
    except FileNotFoundError as error:
        raise ScenarioError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ScenarioError(f"{path}: {error}") from error
    for number, step in enumerate(scenario.step, 1):
        place = f"{path}: step {number} ({step.say})"
        try:
            if step.do:
                verb, *words = step.do.split()
                arguments_from_words(verb, words)
        except BenchError as error:
            raise ScenarioError(f"{place}: {error}") from error
        for fact in step.until:
            if _FACT.fullmatch(fact) is None:
                raise ScenarioError(f"{place}: cannot read {fact!r}; expected e.g. 'evse 1 offered_amps == 10'")
    return scenario


class Player:
    """Plays a scenario on a running rig and tells each step through `say`."""

    def __init__(self, rig: Rig, say: Callable[[str], None]) -> None:
        assert rig.csms is not None, "can't happen because scenarios run with the embedded CSMS"
        self._rig = rig
        self._csms = rig.csms
        self._say = say
        self._read_seq = 0

    async def play(self, scenario: Scenario) -> None:
        """All steps in order, then the check of all transactions. Raises ScenarioError."""
        for number, step in enumerate(scenario.step, 1):
            self._say(f"{number:2}. {step.say}" + (f"  [{step.do}]" if step.do else ""))
            try:
                await self._play_step(step)
            except (BenchError, ScenarioError) as error:
                raise ScenarioError(f"step {number} ({step.say}): {error}") from error
        whole_transactions(list(self._csms.seen), may_be_open=scenario.open)

    async def _play_step(self, step: Step) -> None:
        if step.do:
            verb, *words = step.do.split()
            await self._rig.do(verb, arguments_from_words(verb, words))
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + step.within_s
        for pattern in step.sees:
            self._say(f"      CSMS sees {pattern}")
            while not self._saw(pattern):
                if loop.time() > give_up_at:
                    raise ScenarioError(
                        f"the CSMS did not see {pattern!r} within {step.within_s:g} s; it saw {self._unread()}"
                    )
                await asyncio.sleep(POLL_S)
        for fact in step.until:
            self._say(f"      until {fact}")
            while not (look := look_at(fact, await self._status())).holds:
                if loop.time() > give_up_at:
                    raise ScenarioError(f"{fact!r} did not come true within {step.within_s:g} s; it is {look.found!r}")
                await asyncio.sleep(POLL_S)

    async def _status(self) -> dict[str, Any]:
        """The status; while a process restarts there is none, and nothing holds."""
        try:
            return await self._rig.do("status", {})
        except BenchError:
            return {}

    def _saw(self, pattern: str) -> bool:
        """Look for the next match after the last one; what lies between is passed over."""
        for seen in list(self._csms.seen):
            if seen.seq > self._read_seq and matches(pattern, seen):
                self._read_seq = seen.seq
                return True
        return False

    def _unread(self) -> str:
        lines = [brief(seen) for seen in self._csms.seen if seen.seq > self._read_seq]
        return "; ".join(lines) or "nothing since"


# ---------------------------------------------------------------------- expectations


def matches(pattern: str, seen: Seen) -> bool:
    """`TransactionEvent eventType=Started evse.id=1`: action and dotted fields, compared as text."""
    action, *fields = pattern.split()
    if action != seen.action:
        return False
    for field in fields:
        path, _, wanted = field.partition("=")
        if _as_text(_at(seen.payload, path)) != wanted:
            return False
    return True


def brief(seen: Seen) -> str:
    """A request in a few words."""
    told = ("eventType", "triggerReason", "seqNo", "offline", "connectorStatus", "reason")
    fields = " ".join(f"{name}={_as_text(seen.payload[name])}" for name in told if name in seen.payload)
    return f"{seen.action} {fields}".strip()


_FACT = re.compile(r"(?:evse (\d+) )?([\w.]+) (==|!=|<=|>=|<|>) (\S.*)")


class Look(msgspec.Struct, frozen=True):
    """Whether a fact holds, and the value found."""

    holds: bool
    found: object


def look_at(fact: str, status: Mapping[str, Any]) -> Look:
    """Compare `fact` with `status`; a fact of something unknown never holds."""
    match = _FACT.fullmatch(fact)
    assert match is not None, "can't happen because load_scenario has read every fact"
    evse, name, operator, wanted = match.groups()
    facts = evse_facts(status, int(evse)) if evse else station_facts(status)
    if name not in facts:
        return Look(False, f"unknown (known: {', '.join(facts)})" if facts else "no status")
    found = facts[name]
    if operator in {"==", "!="}:
        return Look(_equal(found, wanted) == (operator == "=="), found)
    if not isinstance(found, int | float):
        return Look(False, found)
    bound = float(wanted)
    order = {"<": found < bound, "<=": found <= bound, ">": found > bound, ">=": found >= bound}
    return Look(order[operator], found)


def evse_facts(status: Mapping[str, Any], evse_id: int) -> dict[str, Any]:
    """What a scenario may ask of one EVSE."""
    evses = [evse for evse in status.get("evses", ()) if evse["evse_id"] == evse_id]
    if not evses or evses[0]["charging"] is None:
        return {}
    evse, charging, transaction = evses[0], evses[0]["charging"], evses[0]["transaction"] or {}
    meter = charging["meter"] or {"amps": [0.0], "power_w": 0.0, "energy_wh": 0.0}
    return {
        "connector": evse["connector_status"],
        "transaction": transaction.get("transaction_id", "none"),
        "state": transaction.get("charging_state", "none"),
        "pilot": charging["pilot_state"],
        "duty_percent": charging["duty_percent"],
        "offered_amps": charging["offered_amps"],
        "limit_amps": charging["limit"]["amps"],
        "limit_by": charging["limit"]["source"],
        "amps": max(meter["amps"], default=0.0),
        "power_w": meter["power_w"],
        "energy_wh": meter["energy_wh"],
        "relay": charging["relay_closed"],
        "locked": charging["locked"],
        "faults": ",".join(fault["code"] for fault in charging["faults"]) or "none",
        "why_not": ",".join(charging["why_not"]) or "none",
    }


def station_facts(status: Mapping[str, Any]) -> dict[str, Any]:
    """What a scenario may ask of the station."""
    link = status.get("link")
    if link is None:
        return {}
    return {
        "link": "up" if link["open"] else "down",
        "registration": link["registration"],
        "queued": link["queued"],
        "control": status["control_run_id"] or "silent",
    }


def whole_transactions(messages: list[Seen], *, may_be_open: bool) -> None:
    """Every transaction is complete and in order. Raises ScenarioError."""
    by_id: dict[str, list[dict[str, Any]]] = {}
    for seen in messages:
        if seen.action == "TransactionEvent":
            by_id.setdefault(seen.payload["transactionInfo"]["transactionId"], []).append(seen.payload)
    for transaction_id, events in by_id.items():
        place = f"transaction {transaction_id}"
        kinds = [event["eventType"] for event in events]
        if kinds[0] != "Started" or kinds.count("Started") != 1:
            raise ScenarioError(f"{place}: must begin with its only Started, but was {kinds}")
        if kinds.count("Ended") != (1 if kinds[-1] == "Ended" else 0) or (kinds[-1] != "Ended" and not may_be_open):
            raise ScenarioError(f"{place}: must end with its only Ended, but was {kinds}")
        numbers = [event["seqNo"] for event in events]
        if numbers != list(range(len(numbers))):
            raise ScenarioError(f"{place}: seqNo must count 0, 1, 2 …, but was {numbers}")
        registers = [value for event in events for value in _registers(event)]
        if registers != sorted(registers):
            raise ScenarioError(f"{place}: the energy register ran backwards: {registers}")


def _registers(event: Mapping[str, Any]) -> list[float]:
    """The total energy registers of one event that were read at its end; Ended repeats earlier ones by intent."""
    if event["eventType"] == "Ended":
        return []
    return [
        sample["value"]
        for value in event.get("meterValue", ())
        for sample in value["sampledValue"]
        if sample.get("measurand", "Energy.Active.Import.Register") == "Energy.Active.Import.Register"
        and "phase" not in sample
    ]


def _at(payload: Any, path: str) -> Any:
    for key in path.split("."):
        if not isinstance(payload, dict) or key not in payload:
            return None
        payload = payload[key]
    return payload


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _equal(found: object, wanted: str) -> bool:
    if isinstance(found, bool) or not isinstance(found, int | float):
        return _as_text(found) == wanted
    try:
        return abs(found - float(wanted)) < 0.05
    except ValueError:
        return False
