"""What the console serves: on every charger the report and a limit, on a bench what it does to the link."""

from collections.abc import Callable
from typing import Any

import pytest

from chargerd.access import VERBS
from chargerd.clock import ManualClock
from chargerd.console import ConsoleError
from chargerd.ocpp.effects import OpenLink
from chargerd.ocpp.events import Event, SignalMeasured
from chargerd.station_verbs import FRAMES_KEPT, BenchHand, StationVerbs
from tests.chargerd.ocpp.building import Rig, board

ORDER = OpenLink(
    slot=1, url="wss://csms.test", identity="CS-1", password="not-shown-anywhere", security_profile=2,
    ping_interval_s=0.0, connect_timeout_s=30.0,
)  # fmt: skip


class Line:
    """A link that remembers what it was told."""

    def __init__(self) -> None:
        self.is_open = False
        self.told: list[str] = []

    def open(self, order: OpenLink) -> None:
        self.told.append(f"open {order.slot}")

    def close(self, why: str) -> None:
        self.told.append(f"close, {why}")


def verbs_of(rig: Rig, line: Line) -> StationVerbs:
    def act(work: Callable[[], None]) -> None:
        work()

    return StationVerbs(lambda: rig.station, act, line, rig.clock, lambda: {"keys": []}, progress=lambda: None)


def hand(*, idle: bool = False) -> tuple[BenchHand, Line, list[Event]]:
    line, fed = Line(), list[Event]()
    return BenchHand(fed.append, line, ManualClock(), idle=idle), line, fed


def test_every_charger_tells_what_goes_on_and_who_it_is() -> None:
    rig, line = Rig(facts=board(2)), Line()
    table = verbs_of(rig, line).table()
    assert [evse["evse_id"] for evse in table["status"]({})["evses"]] == [1, 2]
    assert table["status"]({})["link"]["open"] is False
    line.is_open = True
    assert table["status"]({})["link"]["open"] is True
    assert table["identity"]({}) == {"keys": []}


def test_a_person_limits_an_evse_and_takes_the_limit_away() -> None:
    rig = Rig(facts=board(2))
    limit = verbs_of(rig, Line()).table()["user_limit"]
    assert limit({"evse": 2, "amps": 10}) == {}
    assert rig.station.user_limits.why_not(2, 10.0, None) is None
    with pytest.raises(ConsoleError, match="EVSE"):
        limit({"evse": 3, "amps": 10})


@pytest.mark.parametrize("wrong", [{}, {"evse": "1"}, {"evse": 1, "amps": "10"}, {"evse": 1, "amps": True}])
def test_a_limit_that_is_none_says_what_was_expected(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConsoleError, match='expected "evse"'):
        verbs_of(Rig(), Line()).table()["user_limit"](wrong)


def test_a_bench_holds_the_link_down_and_lets_it_go() -> None:
    bench, line, _ = hand()
    bench.open_link(ORDER)
    bench.table()["link_down"]({})
    bench.open_link(ORDER)
    assert line.told == ["open 1", "close, held down by the bench"]
    bench.table()["link_up"]({})
    assert line.told[2:] == ["open 1"]
    bench.table()["link_up"]({})
    assert len(line.told) == 3


def test_a_bench_looks_back_at_the_frames_that_passed() -> None:
    bench, _, _ = hand()
    for number in range(FRAMES_KEPT + 5):
        bench.keep_frame("in" if number % 2 else "out", f"[{number}]")
    frames = bench.table()["frames"]({})["frames"]
    assert [frame["seq"] for frame in frames] == list(range(5, FRAMES_KEPT + 5))
    assert [frame["text"] for frame in bench.table()["frames"]({"after": FRAMES_KEPT + 3})["frames"]] == ["[204]"]


def test_a_bench_says_how_strong_the_radio_is_until_it_says_no_more() -> None:
    bench, _, fed = hand()
    signal = bench.table()["signal"]
    given = []
    for dbm in ({"dbm": -80}, {}):
        signal(dbm)
        given.append(bench.signal_is_given)
    assert given == [True, False]
    assert fed == [SignalMeasured(-80), SignalMeasured(None)]
    with pytest.raises(ConsoleError, match="dbm"):
        signal({"dbm": "loud"})


def test_on_a_real_charger_the_hand_is_idle() -> None:
    bench, line, _ = hand(idle=True)
    assert bench.table() == {}
    bench.keep_frame("in", "[]")
    bench.open_link(ORDER)
    assert line.told == ["open 1"]
    assert list(bench._frames) == []


def test_every_verb_has_a_role() -> None:
    assert verbs_of(Rig(), Line()).table().keys() | hand()[0].table().keys() <= VERBS.keys()
