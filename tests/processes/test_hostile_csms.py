"""Whatever the CSMS is or does, a charge goes on, each trouble has its line in the log, and in the end all is told."""

import asyncio
from itertools import pairwise

from tests.processes.charge import LIVELY, PASSWORD, assert_one_whole_story, charger, is_charging
from tests.processes.hostile import Hostile

HABITS = ("refuse password", "another subprotocol", "binary", "10 MB", "garbage", "second reply")


def test_a_charge_outlives_a_csms_that_is_absent_and_one_that_misbehaves_in_every_way() -> None:
    async def story() -> None:
        hostile = Hostile(HABITS)
        async with charger(csms_url=hostile.url, password=PASSWORD) as station:
            station.rig.csms = hostile.csms
            await station.charge()
            await station.until_seen(lambda: station.log.having("is down: unreachable", f":{hostile.port}"))
            queued = (await station.status())["link"]["queued"]
            assert queued > 0
            async with hostile.listening():
                while not hostile.is_good:
                    await station.still_closed_for(0.1)
                await station.until(lambda status: status["link"]["queued"] == 0)
                assert is_charging(await station.status())
                assert hostile.met == [*HABITS, "good"]
                await station.still_closed_for(1.0)
                await station.do("present_token")
                await station.until(lambda status: not status["evses"][0]["transaction"])
                await station.until(lambda status: status["link"]["queued"] == 0)
                # The link may end between an answer and its arrival: then the same event comes twice, as it must.
                events = {event["seqNo"]: event for event in station.events()}
                assert_one_whole_story([events[number] for number in sorted(events)])
                assert events[0]["offline"] is True
            for line in (
                ("refused credentials", "HTTP 401", "'CS-1' or its password"),
                ("wrong subprotocol", "ocpp2.0.1"),
                ("bad frame", "binary"),
                ("bad frame", "broke the protocol"),
                ("rpc:",),
            ):
                assert station.log.having("warning", *line), line
            assert not station.log.having("Traceback")
            assert station.log.having("station ended") == []
            assert not [line for line in station.log.lines if PASSWORD in line]

    asyncio.run(story())


def test_a_csms_that_is_absent_is_tried_again_and_again_with_growing_waits() -> None:
    async def story() -> None:
        hostile = Hostile(())
        waits = LIVELY | {"OCPPCommCtrlr.RetryBackOffRepeatTimes": "2"}
        async with charger(csms_url=hostile.url, password=PASSWORD, variables=waits) as station:
            loop = asyncio.get_running_loop()
            told_at: list[float] = []
            for number in range(1, 5):
                await station.until_logged(number, "is down: unreachable")
                told_at.append(loop.time())
            gaps = [round(later - earlier) for earlier, later in pairwise(told_at[1:])]
            assert gaps == [2, 4]  # part 4, 5.3: doubled each time; the wait of 1 s may have begun before we looked
            async with hostile.listening():
                await station.until_seen(lambda: hostile.is_good)
                await station.until(lambda status: status["link"]["registration"] == "Accepted")

    asyncio.run(story())


def test_a_new_password_set_by_the_csms_is_used_at_once() -> None:
    async def story() -> None:
        async with charger() as station:
            assert station.rig.csms is not None
            csms = station.rig.csms
            await station.charge()
            wanted = "another-password-of-30-chars-x"
            csms._password = wanted  # before the call: the station may come back before its answer has been read here
            answer = await csms.call(
                "SetVariables",
                {
                    "setVariableData": [
                        {
                            "component": {"name": "SecurityCtrlr"},
                            "variable": {"name": "BasicAuthPassword"},
                            "attributeValue": wanted,
                        }
                    ]
                },
            )
            assert answer["setVariableResult"][0]["attributeStatus"] == "Accepted"
            await station.until_logged(2, "network: connected to")
            assert is_charging(await station.status())
            assert not station.log.having("refused credentials")
            assert not [line for line in station.log.lines if wanted in line]

    asyncio.run(story())
