"""Charging profiles on a whole station, for the tests of block K."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.chargerd.ocpp.building import Payload, Rig

START = datetime(2026, 1, 1, tzinfo=UTC)
"""What a ManualClock shows first."""


def stamp(seconds: float = 0.0) -> str:
    return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def profile(limits: dict[int, float], purpose: str = "TxDefaultProfile", **fields: Any) -> Payload:
    schedule: Payload = {
        "id": 1,
        "chargingRateUnit": fields.pop("unit", "A"),
        "chargingSchedulePeriod": [{"startPeriod": at, "limit": limit} for at, limit in limits.items()],
    }
    kind = fields.get("chargingProfileKind", "Absolute")
    if kind != "Relative":
        schedule["startSchedule"] = fields.pop("start", stamp())
    if "duration" in fields:
        schedule["duration"] = fields.pop("duration")
    whole = {"id": 1, "stackLevel": 0, "chargingProfilePurpose": purpose, "chargingProfileKind": kind}
    return whole | {"chargingSchedule": [schedule]} | fields


def set_profile(rig: Rig, limits: dict[int, float], evse_id: int = 1, **fields: Any) -> Payload:
    return rig.call("SetChargingProfile", evseId=evse_id, chargingProfile=profile(limits, **fields))


def station(**settings: Any) -> Rig:
    """A station whose control process has spoken."""
    rig = Rig(**settings)
    rig.meter(0.0)
    return rig


def charging(rig: Rig, evse_id: int = 1) -> str:
    """A vehicle charges on this EVSE; the id of its transaction."""
    rig.plug_in(evse_id)
    rig.tap(evse_id=evse_id)
    rig.charge(evse_id)
    assert rig.orders(evse_id).permit
    transaction_id: str = rig.events()[-1]["transactionInfo"]["transactionId"]
    return transaction_id


def csms_amps(rig: Rig, evse_id: int = 1) -> float | None:
    """The csms row of the last orders, None where there is none."""
    return next((limit.amps for limit in rig.orders(evse_id).limits if limit.source == "csms"), None)


def periods(answer: Payload) -> dict[int, float]:
    return {one["startPeriod"]: one["limit"] for one in answer["schedule"]["chargingSchedulePeriod"]}


def shelf(rig: Rig) -> None:
    """Five profiles of all kinds on two EVSEs."""
    set_profile(rig, {0: 30.0}, evse_id=0, purpose="ChargingStationMaxProfile", id=1)
    set_profile(rig, {0: 20.0}, evse_id=0, id=2)
    set_profile(rig, {0: 20.0}, evse_id=1, id=3, stackLevel=1)
    set_profile(rig, {0: 20.0}, evse_id=2, id=4, stackLevel=1)
    set_profile(rig, {0: 20.0}, evse_id=2, id=5, stackLevel=2)
