"""Scenarios: a day at the charger as a readable TOML file, played against the real processes.

A step says something, does one verb, and states what must come of it: `sees` lists requests that the CSMS must
receive next, in this order (others may come between them); `until` lists facts that must become true. After the last
step every transaction that the CSMS saw must be whole: one Started first, one Ended last unless `open` says
otherwise, no gap in seqNo, no register running backwards.
"""

import asyncio
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec

from chargerd.bench.expectations import brief, fault_of_fact, look_at, matches, why_not_whole
from chargerd.bench.rig import Rig
from chargerd.bench.verbs import BenchError, request_from_line

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
    """A file. `board`: name in board-configs; `set`: device model values; `registrations`: what the CSMS answers the
    next BootNotifications after the first one; `open`: transactions may still run at the end.
    """

    title: str
    step: tuple[Step, ...]
    about: str = ""
    board: str = "bench.toml"
    set: dict[str, str] = {}
    registrations: tuple[Literal["Accepted", "Pending", "Rejected"], ...] = ()
    open: bool = False


BOOTED = "registration == Accepted"
BOOT_WITHIN_S = 30.0
"""Before the first step: what a scenario says holds for a station that has booted."""


def load_scenario(path: Path) -> Scenario:
    """Read a scenario and check every line of it. Raises ScenarioError naming the place."""
    try:
        scenario = msgspec.convert(tomllib.loads(path.read_text()), Scenario)
    except FileNotFoundError as error:
        raise ScenarioError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ScenarioError(f"{path}: {error}") from error
    for number, step in enumerate(scenario.step, 1):
        fault = _fault_of_step(step)
        if fault is not None:
            raise ScenarioError(f"{path}: step {number} ({step.say}): {fault}")
    return scenario


def _fault_of_step(step: Step) -> str | None:
    """What is wrong with a step, None when it can be played."""
    try:
        if step.do:
            request_from_line(step.do)
    except BenchError as error:
        return str(error)
    return next((fault for fact in step.until if (fault := fault_of_fact(fact)) is not None), None)


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
        loop = asyncio.get_running_loop()
        await self._come_true(BOOTED, BOOT_WITHIN_S, loop.time())
        self._csms.registrations.extend(scenario.registrations)
        began = loop.time()
        for number, step in enumerate(scenario.step, 1):
            self._say(f"{loop.time() - began:5.1f} s  {number:2}. {step.say}" + (f"  [{step.do}]" if step.do else ""))
            try:
                await self._play_step(step)
            except (BenchError, ScenarioError) as error:
                raise ScenarioError(f"step {number} ({step.say}): {error}") from error
        broken = why_not_whole(self._csms.seen, may_be_open=scenario.open)
        if broken is not None:
            raise ScenarioError(broken)

    async def _play_step(self, step: Step) -> None:
        if step.do:
            verb, arguments = request_from_line(step.do)
            await self._rig.do(verb.name, arguments)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for pattern in step.sees:
            self._say(f"             CSMS sees {pattern}")
            while not self._saw(pattern):
                if loop.time() > began + step.within_s:
                    raise ScenarioError(
                        f"the CSMS did not see {pattern!r} within {step.within_s:g} s; it saw {self._unread()}"
                    )
                await asyncio.sleep(POLL_S)
        for fact in step.until:
            self._say(f"             until {fact}")
            await self._come_true(fact, step.within_s, began)

    async def _come_true(self, fact: str, within_s: float, began: float) -> None:
        """Wait for a fact. `began`: the loop's time from which on `within_s` count. Raises ScenarioError."""
        loop = asyncio.get_running_loop()
        while not (look := look_at(fact, await self._status())).holds:
            if loop.time() > began + within_s:
                raise ScenarioError(f"{fact!r} did not come true within {within_s:g} s; it is {look.found!r}")
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
