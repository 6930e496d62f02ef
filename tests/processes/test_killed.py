"""SIGKILL of either process in mid-charge, and an ordinary restart of the station: what the car and the CSMS notice."""

import asyncio
import os
import signal
import time

import pytest

from chargerd.evse.types import RELAY_LEASE_S
from tests.processes.charge import (
    CARD,
    Charger,
    assert_one_whole_story,
    charger,
    is_charging,
    once_each,
    transaction_of,
)

RESTART_WITHIN_S = 15.0


async def end_of_charge(station: Charger) -> None:
    """The driver taps again and leaves; the CSMS knows all of it."""
    await station.do("remote_stop")
    await station.until(lambda status: not status["evses"][0]["transaction"])
    await station.until(lambda status: status["link"]["queued"] == 0)


@pytest.mark.parametrize(
    "number, reason", [(signal.SIGKILL, "ApplicationReset"), (signal.SIGTERM, "LocalReset")], ids=["kill", "stop"]
)
def test_a_station_that_restarts_in_mid_charge_interrupts_nothing(number: signal.Signals, reason: str) -> None:
    async def story() -> None:
        async with charger() as station:
            transaction = await station.charge()
            await station.until_seen(lambda: len(station.events()) >= 4)
            assert (await station.world())["contacts_closed"]
            told = len(station.seen("BootNotification"))
            pid = station.rig.pid("station")
            os.kill(pid, number)
            while len(station.seen("BootNotification")) == told:
                await station.still_closed_for(0.1)
            status = await station.until(is_charging)
            assert station.rig.pid("station") != pid
            assert transaction_of(status) == transaction
            assert station.seen("BootNotification")[-1]["reason"] == reason
            before = len(station.events())
            await station.until_seen(lambda: len(station.events()) >= before + 2)
            await station.still_closed_for(1.0)
            await end_of_charge(station)
            events = once_each(station.events()) if number is signal.SIGKILL else station.events()
            assert_one_whole_story(events)
            states = [event["transactionInfo"].get("chargingState") for event in events]
            assert set(states[states.index("Charging") : -2]) == {"Charging"}

    asyncio.run(story())


def test_a_station_that_is_stopped_ends_within_3_s_and_closes_the_link_politely() -> None:
    async def story() -> None:
        async with charger() as station:
            await station.charge()
            assert station.rig.csms is not None
            began = time.monotonic()
            os.kill(station.rig.pid("station"), signal.SIGTERM)
            await station.until_seen(lambda: station.log.having("station ended (0)"))
            assert time.monotonic() - began < 3.0
            assert station.log.having("link of slot 1 is down: closed, the station stops")
            assert not station.rig.csms.connected

    asyncio.run(story())


def test_a_control_process_killed_in_mid_charge_opens_the_contactor_and_the_transaction_goes_on() -> None:
    async def story() -> None:
        async with charger() as station:
            transaction = await station.charge()
            await station.until_seen(lambda: len(station.events()) >= 4)
            run_id = (await station.status())["control_run_id"]
            station.rig.kill("control")
            killed = time.monotonic()
            while not (world := await station.world()):
                assert time.monotonic() - killed < RESTART_WITHIN_S
                await asyncio.sleep(0.02)
            assert world["plugged"]
            assert not world["contacts_closed"]
            assert world["vehicle_amps"] == 0.0
            status = await station.until(
                lambda status: status["control_run_id"] != run_id and is_charging(status), RESTART_WITHIN_S
            )
            assert transaction_of(status) == transaction
            before = len(station.events())
            await station.until_seen(lambda: len(station.events()) >= before + 2)
            await end_of_charge(station)
            assert_one_whole_story(station.events())
            states = [event["transactionInfo"].get("chargingState") for event in station.events()]
            interruption = states.index("SuspendedEVSE")
            assert "Charging" in states[:interruption]
            assert "Charging" in states[interruption:]
            assert [report["connectorStatus"] for report in station.seen("StatusNotification")] == [
                "Available",
                "Occupied",
            ]

    asyncio.run(story())


def test_both_processes_killed_at_once_end_the_transaction_for_nobody_knows_whose_car_it_is_now() -> None:
    async def story() -> None:
        async with charger() as station:
            first = await station.charge()
            await station.until_seen(lambda: len(station.events()) >= 4)
            run_id = (await station.status())["control_run_id"]
            station.rig.kill("control")
            station.rig.kill("station")
            await station.until(lambda status: status["control_run_id"] not in {run_id, None}, RESTART_WITHIN_S)
            await station.until_seen(lambda: station.events()[-1]["eventType"] == "Ended")
            assert_one_whole_story(once_each(station.events()))
            assert station.events()[-1]["transactionInfo"]["stoppedReason"] == "Reboot"
            assert not (await station.world())["contacts_closed"]
            await station.do("present_token", uid=CARD)
            assert transaction_of(await station.until(is_charging)) != first

    asyncio.run(story())


def test_a_control_process_that_stays_away_is_told_to_the_csms_and_ends_no_transaction_by_itself() -> None:
    async def story() -> None:
        async with charger() as station:
            await station.charge()
            os.kill(station.rig.pid("control"), signal.SIGSTOP)
            stopped = time.monotonic()
            try:
                status = await station.until(lambda status: status["control_run_id"] is None, within_s=8.0)
                assert 3.0 - RELAY_LEASE_S < time.monotonic() - stopped < 6.0
                assert status["evses"][0]["why_not"] == ["the control process is silent"]
                assert status["evses"][0]["transaction"]
            finally:
                os.kill(station.rig.pid("control"), signal.SIGCONT)
            await station.until(is_charging)
            await end_of_charge(station)
            assert_one_whole_story(station.events())

    asyncio.run(story())
