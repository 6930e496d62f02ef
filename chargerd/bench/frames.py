"""OCPP frames for people: which way, which action, what it says in short, and the whole of it laid out."""

import json
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

CALLS_REMEMBERED = 100

TOLD = ("eventType", "triggerReason", "seqNo", "offline", "connectorStatus", "evseId", "reason", "status", "type")
TOLD_INSIDE = (("idTokenInfo", "status"), ("transactionInfo", "chargingState"), ("transactionInfo", "stoppedReason"))
"""Fields that tell a reader what a message is about, in this order."""


class FrameView(msgspec.Struct, frozen=True):
    """One frame as it is shown. `direction`: "out" to the CSMS, "in" from it. `kind`: call, result, error or garbage.
    `action`: that of the call, also for its answer; "?" when the call is not known. `time`: of day, local.
    """

    time: str
    direction: str
    kind: str
    action: str
    short: str
    whole: str


class FrameReader:
    """Reads frames in their order and remembers calls, for an answer does not say what it answers."""

    def __init__(self) -> None:
        self._actions: OrderedDict[str, str] = OrderedDict()

    def read(self, frame: Mapping[str, Any]) -> FrameView:
        """`frame`: `direction`, `at_utc` and `text` as the station keeps them. Never raises for any text."""
        time = datetime.fromisoformat(frame["at_utc"]).astimezone().strftime("%H:%M:%S")
        try:
            message = json.loads(frame["text"])
            kind, action, content = self._parts(message)
            whole = json.dumps(message, indent=2, ensure_ascii=False)
        except (ValueError, IndexError, TypeError, KeyError, RecursionError):
            return FrameView(time, frame["direction"], "garbage", "?", frame["text"][:80], frame["text"])
        short = in_short(content) if isinstance(content, dict) else str(content)
        return FrameView(time, frame["direction"], kind, action, short, whole)

    def _parts(self, message: list[Any]) -> tuple[str, str, Any]:
        """Kind, action and content. Raises ValueError or what indexing raises for what is no frame."""
        number, message_id = message[0], str(message[1])
        match number:
            case 2:
                self._actions[message_id] = str(message[2])
                if len(self._actions) > CALLS_REMEMBERED:
                    self._actions.popitem(last=False)
                return "call", str(message[2]), message[3]
            case 3:
                return "result", self._actions.pop(message_id, "?"), message[2]
            case 4:
                return "error", self._actions.pop(message_id, "?"), f"{message[2]} {message[3]}".rstrip()
            case _:
                raise ValueError(number)


def in_short(payload: Mapping[str, Any]) -> str:
    """The telling fields of a payload: `Updated · MeterValuePeriodic · seqNo 4`."""
    told = [_told(name, payload[name]) for name in TOLD if isinstance(payload.get(name), str | int | float)]
    for name, inner in TOLD_INSIDE:
        if isinstance(payload.get(name), dict) and inner in payload[name]:
            told.append(str(payload[name][inner]))
    return " · ".join(told)


def _told(name: str, value: str | float) -> str:
    """A word speaks for itself, a number needs its name; so does a flag, which is told by its name alone."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return name if value else f"not {name}"
    return f"{name} {value}"
