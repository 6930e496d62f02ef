"""Block J: what is measured, when, and where it is told."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from chargerd.conformance.case import case
from chargerd.conformance.peer import Payload
from chargerd.conformance.station import CaseFailed, StationUnderTest
from chargerd.conformance.steps import (
    authorized,
    booted,
    charging,
    connected,
    energy_starts,
    event,
    stopped_locally,
    unplugged,
)

INTERVAL_S = 2
ENERGY = "Energy.Active.Import.Register"
WANTED = (ENERGY, "Voltage")
BOTH = ",".join(WANTED)

JITTER_S = 0.5
"""A machine that has other things to do measures a little late."""

ALIGNED = {"AlignedDataCtrlr.Interval": str(INTERVAL_S), "AlignedDataCtrlr.Measurands": BOTH}


@case("TC_J_01_CS", settings=ALIGNED)
def tc_j_01(sut: StationUnderTest) -> None:
    """Without a transaction every EVSE is measured at each clock-aligned instant."""
    booted(sut)
    for evse in range(1, sut.evses + 1):
        aligned(sut, evse, 3)


@case("TC_J_02_CS", settings=ALIGNED | {"AlignedDataCtrlr.SendDuringIdle": "false"})
def tc_j_02(sut: StationUnderTest) -> None:
    """With a transaction its EVSE is measured at each clock-aligned instant as well."""
    booted(sut)
    transaction_id = charging(sut)
    told = [event(sut, "Updated", trigger="MeterValueClock", transaction_id=transaction_id) for _ in range(3)]
    check(told, "Sample.Clock", WANTED)


@case(
    "TC_J_03_CS",
    settings={
        "AlignedDataCtrlr.TxEndedInterval": str(INTERVAL_S),
        "AlignedDataCtrlr.TxEndedMeasurands": BOTH,
        "AlignedDataCtrlr.SendDuringIdle": "false",
        "SampledDataCtrlr.TxEndedMeasurands": "",
    },
)
def tc_j_03(sut: StationUnderTest) -> None:
    """What was measured at clock-aligned instants during a transaction is told at its end."""
    booted(sut)
    charging(sut)
    sut.wait(3 * INTERVAL_S)
    ended = stopped_locally(sut)
    unplugged(sut)
    check(split(ended), "Sample.Clock", WANTED)


@case("TC_J_06_CS", settings=ALIGNED | {"AlignedDataCtrlr.SendDuringIdle": "true", "SampledDataCtrlr.Enabled": "false"})
def tc_j_06(sut: StationUnderTest) -> None:
    """With SendDuringIdle nothing is told of meters while a transaction runs."""
    booted(sut)
    aligned(sut, 1, 2)
    charging(sut)
    sut.forget()
    sut.expect_nothing("MeterValues", for_s=2 * INTERVAL_S + 1)
    sut.expect_nothing("TransactionEvent", {"meterValue": ...}, for_s=0.1)
    ended = stopped_locally(sut)
    if "meterValue" in ended:
        raise CaseFailed(f"the end of the transaction tells of the meter: {ended}")
    unplugged(sut)
    sut.forget()
    aligned(sut, 1, 2)


@case(
    "TC_J_07_CS",
    settings={"TxCtrlr.TxStartPoint": "EVConnected", "SampledDataCtrlr.TxStartedMeasurands": BOTH},
)
def tc_j_07(sut: StationUnderTest) -> None:
    """What the meter shows at the begin is told with the start of the transaction."""
    booted(sut)
    connected(sut)
    started = event(sut, "Started", state="EVConnected")
    check([started], "Transaction.Begin", WANTED)
    authorized(sut)
    energy_starts(sut)


@case(
    "TC_J_09_CS",
    settings={"SampledDataCtrlr.TxUpdatedInterval": str(INTERVAL_S), "SampledDataCtrlr.TxUpdatedMeasurands": BOTH},
)
def tc_j_09(sut: StationUnderTest) -> None:
    """Every TxUpdatedInterval the meter is read for an update of the transaction."""
    booted(sut)
    transaction_id = charging(sut)
    told = [event(sut, "Updated", trigger="MeterValuePeriodic", transaction_id=transaction_id) for _ in range(3)]
    check(told, "Sample.Periodic", WANTED)


@case(
    "TC_J_10_CS",
    settings={
        "SampledDataCtrlr.TxEndedInterval": str(INTERVAL_S),
        "SampledDataCtrlr.TxEndedMeasurands": BOTH,
        "AlignedDataCtrlr.TxEndedMeasurands": "",
    },
)
def tc_j_10(sut: StationUnderTest) -> None:
    """What was read every TxEndedInterval, at the begin and at the end is told with the end of the transaction."""
    booted(sut)
    charging(sut)
    sut.wait(3 * INTERVAL_S)
    told = split(stopped_locally(sut))
    unplugged(sut)
    contexts = [context_of(each) for each in told]
    if (contexts[0], contexts[-1]) != ("Transaction.Begin", "Transaction.End"):
        raise CaseFailed(f"the readings are {contexts}")
    check(told[:1], "Transaction.Begin", WANTED)
    check(told[1:-1], "Sample.Periodic", WANTED)
    check(told[-1:], "Transaction.End", WANTED)


def aligned(sut: StationUnderTest, evse: int, times: int) -> None:
    """So many MeterValues of that EVSE follow one another at clock-aligned instants."""
    check([sut.expect("MeterValues", {"evseId": evse}) for _ in range(times)], "Sample.Clock", WANTED)


def split(ended: Payload) -> list[Payload]:
    """Each moment of which an Ended event tells, as a message of its own; there must be some."""
    told = ended.get("meterValue", [])
    if not told:
        raise CaseFailed(f"the end of the transaction tells nothing of the meter: {ended}")
    return [{"meterValue": [each]} for each in told]


def context_of(message: Payload) -> Any:
    """Why it was measured; what is left out is Sample.Periodic."""
    return message["meterValue"][0]["sampledValue"][0].get("context", "Sample.Periodic")


def check(messages: Iterable[Payload], context: str, measurands: Iterable[str]) -> None:
    """Each message tells of one moment with all these measurands, in that context; the moments are INTERVAL_S apart."""
    moments = []
    for message in messages:
        (told,) = message["meterValue"]
        if context_of(message) != context:
            raise CaseFailed(f"measured as {context_of(message)}, expected {context}: {told}")
        there = {each.get("measurand", ENERGY) for each in told["sampledValue"]}
        if missing := set(measurands) - there:
            raise CaseFailed(f"{', '.join(sorted(missing))} was not measured: {told}")
        moments.append(datetime.fromisoformat(told["timestamp"]))
    for before, after in pairwise(moments):
        if abs(after - before - timedelta(seconds=INTERVAL_S)) > timedelta(seconds=JITTER_S):
            raise CaseFailed(f"measured at {before} and {after}, which are not {INTERVAL_S} s apart")
