"""Both real processes on a bench, as a person at the charger sees them; each test tells what happens to a charge."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from chargerd.bench.rig import Rig, RigSettings
from chargerd.bench.verbs import BenchError

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "board-configs" / "bench.toml"
CARD = "04A1B2C3"
PASSWORD = "correct horse battery"

LIVELY = {
    "SampledDataCtrlr.TxUpdatedInterval": "1",
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": "1",
    "OCPPCommCtrlr.RetryBackOffRandomRange": "0",
    "OCPPCommCtrlr.RetryBackOffRepeatTimes": "0",
    "OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]": "1",
    "AuthCtrlr.OfflineTxForUnknownIdEnabled": "true",
}
"""Something happens each second, and a card that nobody knows may charge while the CSMS is away."""


class Log(logging.Handler):
    """Every line that the processes and the bench wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def having(self, *parts: str) -> list[str]:
        """The lines with all of `parts` in them."""
        return [line for line in self.lines if all(part in line for part in parts)]


@contextmanager
def log_of_the_bench() -> Iterator[Log]:
    log, logger = Log(), logging.getLogger("bench")
    level = logger.level
    logger.addHandler(log)
    logger.setLevel(logging.INFO)
    try:
        yield log
    finally:
        logger.removeHandler(log)
        logger.setLevel(level)


class Charger:
    """A running bench: what a person does with it, and what is to be seen."""

    def __init__(self, rig: Rig, log: Log) -> None:
        self.rig = rig
        self.log = log

    async def do(self, verb: str, **given: Any) -> dict[str, Any]:
        return await self.rig.do(verb, given)

    async def status(self) -> dict[str, Any]:
        """The station's report; empty while it cannot be asked."""
        try:
            return await self.rig.do("status", {})
        except BenchError:
            return {}

    async def world(self) -> dict[str, Any]:
        """The first EVSE of the plant; empty while it cannot be asked."""
        try:
            evse: dict[str, Any] = (await self.rig.do("plant", {}))["plant"]["evses"][0]
        except BenchError:
            return {}
        return evse

    async def until(self, holds: Callable[[dict[str, Any]], Any], within_s: float = 20.0) -> dict[str, Any]:
        """Wait for a report of the station that is as wanted, and return it."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + within_s
        while True:
            status = await self.status()
            if status and holds(status):
                return status
            assert loop.time() < give_up_at, f"not within {within_s} s: {status.get('evses')}\n" + "\n".join(
                self.log.lines[-30:]
            )
            await asyncio.sleep(0.02)

    async def until_seen(self, holds: Callable[[], Any], within_s: float = 20.0) -> None:
        """Wait for something that needs no asking."""
        async with asyncio.timeout(within_s):
            while True:
                if holds():
                    return
                await asyncio.sleep(0.02)

    async def until_logged(self, times: int, *parts: str) -> None:
        """Wait for so many lines with all of `parts` in them."""
        await self.until_seen(lambda: len(self.log.having(*parts)) >= times)

    async def until_open(self, within_s: float) -> None:
        """Wait for the contactor to be seen open."""
        async with asyncio.timeout(within_s):
            while True:
                if not (await self.world()).get("contacts_closed", True):
                    return
                await asyncio.sleep(0.02)

    async def charge(self) -> str:
        """Plug in, tap, and wait for current; the transaction's id."""
        await self.do("plug_in")
        await self.do("ev_ready")
        await self.do("present_token", uid=CARD)
        return transaction_of(await self.until(is_charging))

    async def still_closed_for(self, seconds: float) -> None:
        """Look at the contactor for so long; it must be closed whenever the plant answers."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            assert (await self.world())["contacts_closed"], "\n".join(self.log.lines[-30:])
            await asyncio.sleep(0.02)

    def events(self) -> list[dict[str, Any]]:
        """The TransactionEvents that the embedded CSMS has seen."""
        assert self.rig.csms is not None
        return [seen.payload for seen in self.rig.csms.seen if seen.action == "TransactionEvent"]

    def seen(self, action: str) -> list[dict[str, Any]]:
        """What the embedded CSMS has seen of this action."""
        assert self.rig.csms is not None
        return [seen.payload for seen in self.rig.csms.seen if seen.action == action]


@asynccontextmanager
async def charger(**settings: Any) -> AsyncIterator[Charger]:
    """A bench of its own, up and connected (`settings` as RigSettings), stopped and gone afterwards."""
    variables = LIVELY | settings.pop("variables", {})
    given: dict[str, Any] = {"board": BENCH, "identity": "CS-1", "password": PASSWORD, "variables": variables}
    with log_of_the_bench() as log:
        rig = Rig(RigSettings(**given | settings))
        try:
            await rig.start()
            running = Charger(rig, log)
            if rig.csms is not None:
                await running.until(lambda status: status["link"]["registration"] == "Accepted")
            yield running
        finally:
            await rig.stop()


def is_charging(status: dict[str, Any]) -> bool:
    evse = status["evses"][0]
    return bool(
        evse["transaction"]
        and evse["transaction"]["charging_state"] == "Charging"
        and evse["charging"]
        and evse["charging"]["relay_closed"]
    )


def transaction_of(status: dict[str, Any]) -> str:
    return str(status["evses"][0]["transaction"]["transaction_id"])


def once_each(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a CSMS makes of the events of a station that was killed: one whose answer died with it comes again, the same
    in every word.
    """
    return [event for number, event in enumerate(events) if event not in events[:number]]


def assert_one_whole_story(events: list[dict[str, Any]], *, ended: bool = True) -> None:
    """One transaction, Started first, Ended last, no number missing or doubled, no register running backwards."""
    assert len({event["transactionInfo"]["transactionId"] for event in events}) == 1
    kinds = [event["eventType"] for event in events]
    assert kinds == ["Started", *["Updated"] * (len(kinds) - 1 - ended), *["Ended"] * ended]
    assert [event["seqNo"] for event in events] == list(range(len(events)))
    registers = [
        sample["value"]
        for event in events
        if event["eventType"] != "Ended"
        for value in event.get("meterValue", ())
        for sample in value["sampledValue"]
        if sample.get("measurand") == "Energy.Active.Import.Register" and "phase" not in sample
    ]
    assert registers == sorted(registers)
