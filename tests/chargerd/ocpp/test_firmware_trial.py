"""A trial: how long, how steadily, and before whom."""

from chargerd.ocpp.firmware_trial import Trial, Verdict
from tests.chargerd.ocpp.updating import Station


def verdicts(station: Station, trial: Trial, seconds: int) -> list[Verdict]:
    found = []
    for _ in range(seconds):
        station.clock.advance(1.0)
        found.append(trial.verdict(station.clock.now()))
    return found


def begun(*, online: bool = True) -> tuple[Station, Trial]:
    station = Station(online=online)
    trial = Trial(station.station.ctx)
    trial.begin(station.clock.now())
    return station, trial


def test_it_takes_the_whole_time_and_no_more() -> None:
    station, trial = begun()
    found = verdicts(station, trial, 12)
    assert found.index(Verdict.GOOD) in {9, 10, 11}
    assert set(found[:9]) == {Verdict.OPEN}


def test_a_break_in_health_begins_it_again() -> None:
    station, trial = begun()
    verdicts(station, trial, 8)
    station.status_lost()
    verdicts(station, trial, 1)
    station.status()
    assert set(verdicts(station, trial, 9)) == {Verdict.OPEN}
    assert verdicts(station, trial, 3)[-1] is Verdict.GOOD


def test_nobody_to_ask_is_waited_for_until_the_grace_is_over() -> None:
    station, trial = begun(online=False)
    found = verdicts(station, trial, 101)
    assert set(found[:99]) == {Verdict.OPEN}
    assert found[-1] is Verdict.GOOD


def test_what_does_not_get_well_is_overdue() -> None:
    station, trial = begun()
    station.status_lost()
    found = verdicts(station, trial, 301)
    assert set(found[:299]) == {Verdict.OPEN}
    assert found[-1] is Verdict.OVERDUE
