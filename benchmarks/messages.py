"""Frame -> typed request -> typed response -> frame: chargerd's own path against the `ocpp` package's, turn by turn.

Ours is what the station runs for every CALL: `Rpc.on_text`, the codec, a handler that gets a struct and returns one,
the reply as text. Theirs is `ChargePoint.route_message` for the same frame with a handler that returns its response.
"""

import gc
import json
import logging
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import ocpp.messages
from ocpp.routing import on
from ocpp.v201 import ChargePoint, call_result

from benchmarks.table import Row
from chargerd.clock import Now, SystemClock
from chargerd.ocpp.effects import Severity
from chargerd.ocpp.messages.enums import ChargingProfileStatus
from chargerd.ocpp.messages.smart_charging import SetChargingProfileResponse
from chargerd.ocpp.messages.transactions import TransactionEventResponse
from chargerd.ocpp.messages.wire import Call, Wire
from chargerd.ocpp.rpc import Rpc

RATIO_AIM = 100

ROUNDS = 15
OURS_EACH_ROUND = 3_000
THEIRS_EACH_ROUND = 40
"""One round takes each side about 60 ms; the sides alternate, so that a change of the machine's pace meets both."""


def _sampled(measurand: str, value: float, unit: str, phase: str | None = None) -> dict[str, Any]:
    plain = {"value": value, "context": "Sample.Periodic", "measurand": measurand, "location": "Outlet"}
    return plain | ({"phase": phase} if phase else {}) | {"unitOfMeasure": {"unit": unit}}


TRANSACTION_EVENT = json.dumps(
    [
        2,
        "7d3f5c1a-52f0-4d6e-9d4b-0c0a1f1f9a11",
        "TransactionEvent",
        {
            "eventType": "Updated",
            "timestamp": "2026-03-01T10:00:00.250Z",
            "triggerReason": "MeterValuePeriodic",
            "seqNo": 17,
            "transactionInfo": {
                "transactionId": "3b8f4a1e-7b1c-4f5e-9d35-1f6d2a9c0e77",
                "chargingState": "Charging",
                "timeSpentCharging": 1020,
            },
            "meterValue": [
                {
                    "timestamp": "2026-03-01T10:00:00Z",
                    "sampledValue": [
                        _sampled("Energy.Active.Import.Register", 1234567.0, "Wh"),
                        _sampled("Power.Active.Import", 11040.0, "W"),
                        *(_sampled("Current.Import", 16.0, "A", f"L{phase}") for phase in (1, 2, 3)),
                        *(_sampled("Voltage", 230.1, "V", f"L{phase}-N") for phase in (1, 2, 3)),
                    ],
                }
            ],
            "evse": {"id": 1, "connectorId": 1},
            "idToken": {"idToken": "04A2C1D2E35F80", "type": "ISO14443"},
        },
    ],
    separators=(",", ":"),
)
"""A sample within a transaction, three phases: what a station and its CSMS exchange most."""

SET_CHARGING_PROFILE = json.dumps(
    [
        2,
        "c5f0e7b4-0a77-4a64-8a51-6b1e2f9d3c42",
        "SetChargingProfile",
        {
            "evseId": 1,
            "chargingProfile": {
                "id": 7,
                "stackLevel": 2,
                "chargingProfilePurpose": "TxDefaultProfile",
                "chargingProfileKind": "Absolute",
                "validFrom": "2026-03-01T00:00:00Z",
                "chargingSchedule": [
                    {
                        "id": 1,
                        "startSchedule": "2026-03-01T00:00:00Z",
                        "duration": 86400,
                        "chargingRateUnit": "A",
                        "chargingSchedulePeriod": [
                            {"startPeriod": hour * 3600, "limit": 10.0 + hour % 7, "numberPhases": 3}
                            for hour in range(0, 24, 4)
                        ],
                    }
                ],
            },
        },
    ],
    separators=(",", ":"),
)
"""A limit for the day in six periods."""

FRAMES = {"TransactionEvent": TRANSACTION_EVENT, "SetChargingProfile": SET_CHARGING_PROFILE}


class Spread(NamedTuple):
    """Of the rounds."""

    median: float
    least: float
    most: float


class Speed(msgspec.Struct, frozen=True):
    """Microseconds for one message. `theirs_alone_us`: without the thread the package does its validation in."""

    action: str
    frame_bytes: int
    ours_us: Spread
    theirs_us: Spread
    theirs_alone_us: Spread


class _Ours:
    """An Rpc as the station has one, answering at once."""

    def __init__(self) -> None:
        self.replies: list[str] = []
        self._now = SystemClock().now()
        self._rpc = Rpc(
            send=self.replies.append,
            dispatch=_answer,
            mark=lambda: 0,
            reply=lambda _mark, text: self.replies.append(text),
            new_id=lambda: "1",
            note=_must_not_note,
        )

    def run(self, frame: str, times: int) -> float:
        """Seconds for one."""
        on_text, now = self._rpc.on_text, self._now
        self.replies.clear()
        started = time.perf_counter()
        for _ in range(times):
            on_text(frame, now)
        took_s = time.perf_counter() - started
        assert len(self.replies) == times
        return took_s / times


def _answer(request: Call[Any], _now: Now) -> Wire:
    if request.action == "TransactionEvent":
        return TransactionEventResponse(total_cost=1.25)
    return SetChargingProfileResponse(status=ChargingProfileStatus.ACCEPTED)


def _must_not_note(_severity: Severity, text: str) -> None:
    raise AssertionError(text)


class _Theirs(ChargePoint):  # type: ignore[misc]  # the package has no types
    """The same two handlers in the `ocpp` package."""

    def __init__(self) -> None:
        self.replies: list[str] = []
        super().__init__("benchmark", self)

    async def send(self, text: str) -> None:
        self.replies.append(text)

    @on("TransactionEvent")  # type: ignore[untyped-decorator]
    def on_transaction_event(self, **_request: Any) -> object:
        return call_result.TransactionEvent(total_cost=1.25)

    @on("SetChargingProfile")  # type: ignore[untyped-decorator]
    def on_set_charging_profile(self, **_request: Any) -> object:
        return call_result.SetChargingProfile(status="Accepted")

    async def run(self, frame: str, times: int, validation_in_thread: bool) -> float:
        """Seconds for one."""
        ocpp.messages.ASYNC_VALIDATION = validation_in_thread
        self.replies.clear()
        started = time.perf_counter()
        for _ in range(times):
            await self.route_message(frame)
        took_s = time.perf_counter() - started
        assert len(self.replies) == times
        return took_s / times


async def measure(progress: Callable[[str], None]) -> list[Speed]:
    """Both messages, ours and theirs in turns."""
    logging.getLogger("ocpp").setLevel(logging.WARNING)  # it would write down every message it sends
    ours, theirs = _Ours(), _Theirs()
    speeds = []
    for action, frame in FRAMES.items():
        progress(f"messages: {action}")
        rounds = []
        for _ in range(ROUNDS):
            gc.collect()
            rounds.append(
                (
                    ours.run(frame, OURS_EACH_ROUND) * 1e6,
                    await theirs.run(frame, THEIRS_EACH_ROUND, validation_in_thread=True) * 1e6,
                    await theirs.run(frame, THEIRS_EACH_ROUND, validation_in_thread=False) * 1e6,
                )
            )
        assert json.loads(ours.replies[-1]) == json.loads(theirs.replies[-1]), "both must do the same work"
        speeds.append(Speed(action, len(frame), *(_spread(column) for column in zip(*rounds, strict=True))))
    return speeds


def rows(speeds: list[Speed]) -> list[Row]:
    both = Speed(
        " + ".join(speed.action for speed in speeds),
        sum(speed.frame_bytes for speed in speeds),
        *(
            Spread(*(sum(parts) for parts in zip(*(getattr(speed, side) for speed in speeds), strict=True)))
            for side in ("ours_us", "theirs_us", "theirs_alone_us")
        ),
    )
    return [_row(speed) for speed in (*speeds, both)]


def _row(speed: Speed) -> Row:
    ours, theirs, alone = speed.ours_us, speed.theirs_us, speed.theirs_alone_us
    ratio = theirs.median / ours.median
    return Row(
        f"{speed.action} ({speed.frame_bytes} bytes), frame to frame",
        f"{ours.median:.1f} µs ({ours.least:.1f} to {ours.most:.1f})",
        f"`ocpp`: {theirs.median:.0f} µs ({theirs.least:.0f} to {theirs.most:.0f}), **{ratio:.0f} times**; "
        f"without its thread: {alone.median:.0f} µs, {alone.median / ours.median:.0f} times",
        f"{RATIO_AIM} times faster",
        ratio >= RATIO_AIM,
    )


def _spread(values: tuple[float, ...]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))
