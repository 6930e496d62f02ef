"""Every fault of the table raised and cleared on a running bench, through its socket, as people at the page do it.

All of them at once, each on an EVSE of its own: what takes time is waiting. The few that take minutes by their nature
are toured by `make tour`.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from chargerd.ctl.asking import ask
from chargerd.evse.faults import TABLE, FaultCode, Origin
from hal.board import load_board
from tests.chargerd.bench.running import Bench, running_bench
from tests.chargerd.evse.provoking import PROVOCATIONS, Provocation, Step
from tests.chargerd.evse.rig import WHOLE
from tests.hal.boards import write

SLACK_S = 45.0
"""How soon is judged on the core's own rig, where time is exact. A bench has a network, a database and neighbours, and
a charge that one of them ended begins again after 30 s at the latest."""

LONG_S = 45.0
"""What waits longer than this is toured apart."""

ROLES = (
    "pilot", "relays", "meter", "proximity", "lock", "residual", "thermometer", "plug_thermometer", "phase_switch",
    "inputs", "external_limit", "indicator", "display", "reader",
)  # fmt: skip


def lasts_s(provocation: Provocation) -> float:
    steps = (*provocation.before, *provocation.steps, *provocation.mend)
    waits = sum(float(step[1]) for step in steps if step[0] == "wait")
    return waits + provocation.within_s + provocation.gone_within_s


SHORT = [each for each in PROVOCATIONS if lasts_s(each) <= LONG_S]
LONG = [each for each in PROVOCATIONS if lasts_s(each) > LONG_S]


def board(path: Path, evses: int) -> Path:
    """A simulated board with so many EVSEs, each with everything there is, and none that wakes every vehicle."""
    roles: dict[str, Any] = {role: {"driver": "sim"} for role in ROLES}
    one = {"max_amps": 32, "phases": 3, "connector": "sType2", "unbalance_amps": 10} | roles
    about = {"vendor": "V", "model": "Tour", "serial": "TOUR-1", "relay_deadman": "simulated"}
    return write(path, {"board": about, "evse": [one] * evses})


@pytest.fixture
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """One EVSE for each fault; whoever plugs in may charge."""
    path = board(tmp_path / "tour.toml", request.param)
    with running_bench(tmp_path, "--board", str(path), "--set", "AuthCtrlr.Enabled=false") as bench:
        yield bench


@pytest.mark.parametrize("bench", [len(SHORT)], indirect=True)
@pytest.mark.timeout(240)
def test_every_fault_is_raised_and_cleared_through_the_socket(bench: Bench) -> None:
    tour(bench, SHORT)


@pytest.mark.long
@pytest.mark.parametrize("bench", [len(LONG)], indirect=True)
@pytest.mark.timeout(3600)
def test_every_fault_that_takes_minutes_is_raised_and_cleared_through_the_socket(bench: Bench) -> None:
    tour(bench, LONG)


def test_the_tours_leave_no_fault_out() -> None:
    charging = {row.code for row in TABLE if row.origin is Origin.CHARGING}
    assert {each.code for each in (*SHORT, *LONG)} == charging
    assert len(SHORT) > len(LONG)


def test_the_board_of_the_tours_is_the_one_that_each_fault_was_timed_on(tmp_path: Path) -> None:
    assert load_board(board(tmp_path / "tour.toml", 1)).evses[0].facts == WHOLE


@pytest.mark.parametrize("bench", [1], indirect=True)
def test_what_only_the_station_sees_is_raised_and_cleared_too(bench: Bench) -> None:
    def told() -> set[str]:
        report = bench.do("status")
        return {fault["code"] for each in (report, *report["evses"]) for fault in each["troubles"]}

    bench.do("csms_call", action="SetVariables", payload=connection_timeout(5))
    bench.do("csms_call", action="SetVariables", payload=authorization("true"))
    bench.do("signal", dbm=-90.0)
    bench.do("plug_in", evse=1)
    assert wait_for(lambda: {"weak_signal", "authorization_timeout"} <= told(), 15.0), told()
    bench.do("signal")
    bench.do("plug_out", evse=1)
    assert wait_for(lambda: not told(), 10.0), told()
    bench.do("link_down")
    assert wait_for(lambda: told() == {FaultCode.NO_CSMS}, 75.0), told()
    bench.do("link_up")
    assert wait_for(lambda: not told(), 60.0), told()


def tour(bench: Bench, provocations: list[Provocation]) -> None:
    """Each on its own EVSE, all at the same time; every complaint is told."""
    for evse in range(1, len(provocations) + 1):
        bench.do("user_limit", evse=evse, amps=16.0)
    with ThreadPoolExecutor(len(provocations)) as people:
        complaints = list(people.map(lambda numbered: visit(bench, *numbered), enumerate(provocations, 1)))
    assert not [complaint for complaint in complaints if complaint]


def visit(bench: Bench, evse: int, provocation: Provocation) -> str:
    """Raise and clear one fault; what went otherwise than its row says, empty when nothing did."""

    def charging() -> dict[str, Any]:
        found: dict[str, Any] = bench.do("status")["evses"][evse - 1]["charging"]
        return found

    def charges() -> bool:
        return bool(charging()["relay_commanded"])

    def stands() -> bool:
        return any(fault["code"] == provocation.code for fault in charging()["faults"])

    take(bench, evse, provocation.before)
    if ("ev_ready",) in provocation.before and not wait_for(charges, SLACK_S):
        return f"{provocation.code}: the car did not charge before it"
    if stands():
        return f"{provocation.code}: stood before it was provoked"
    take(bench, evse, provocation.steps)
    if not wait_for(stands, provocation.within_s + SLACK_S):
        why = bench.do("status")["evses"][evse - 1]
        return f"{provocation.code}: was not raised; {why['charging']['faults']} {why['why_not']}"
    take(bench, evse, provocation.mend)
    if not wait_for(lambda: not stands(), provocation.gone_within_s + SLACK_S):
        return f"{provocation.code}: was not cleared"
    return ""


def take(bench: Bench, evse: int, steps: tuple[Step, ...]) -> None:
    """Do on the bench what a provocation does to the plant."""
    for name, *values in steps:
        if name == "wait":
            time.sleep(float(values[0]))
        else:
            ask(bench.control, str(name), {"evse": evse} | arguments(str(name), values))


def arguments(name: str, values: list[Any]) -> dict[str, Any]:
    """The values of a step by the names that the socket wants."""
    match name:
        case "plug_in":
            named = dict(zip(("amps", "phases"), values, strict=False))
            return named | {"quirks": list(values[2:])}
        case "plug_out":
            return {"force": True}
        case "fault":
            return dict(zip(("name", "value"), values, strict=False))
        case "clear_fault":
            return {"name": values[0]}
        case "ev_draw":
            return dict(zip(("amps", "phases"), values, strict=False))
        case _:
            assert not values, f"{name} takes nothing else"
            return {}


def wait_for(condition: Any, within_s: float) -> bool:
    give_up_at = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.2)
    return True


def connection_timeout(seconds: int) -> dict[str, Any]:
    return variable("TxCtrlr", "EVConnectionTimeOut", str(seconds))


def authorization(enabled: str) -> dict[str, Any]:
    return variable("AuthCtrlr", "Enabled", enabled)


def variable(component: str, name: str, value: str) -> dict[str, Any]:
    datum = {"component": {"name": component}, "variable": {"name": name}, "attributeValue": value}
    return {"setVariableData": [datum]}
