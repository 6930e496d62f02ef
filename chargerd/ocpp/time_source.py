"""How the clock of the CSMS becomes ours: `currentTime` of BootNotification and Heartbeat, if TimeSource says so."""

from datetime import datetime

from chargerd.clock import Now
from chargerd.ocpp.block import StationContext
from chargerd.ocpp.effects import SetTime
from chargerd.ocpp.variables import date_time, integer, sequence_list

HEARTBEAT = "Heartbeat"

DATE_TIME = date_time("ClockCtrlr", "DateTime", doc="The station's present time.")
TIME_SOURCE = sequence_list(
    "ClockCtrlr",
    "TimeSource",
    ("NTP", HEARTBEAT),
    values=("NTP", HEARTBEAT, "RealTimeClock"),
    writable=True,
    doc="Where the time comes from, the first that works wins; Heartbeat is the CSMS.",
)
TIME_ADJUSTMENT_REPORTING_THRESHOLD = integer(
    "ClockCtrlr",
    "TimeAdjustmentReportingThreshold",
    20,
    unit="s",
    writable=True,
    required=False,
    minimum=0,
    doc="A clock that is set by more than this is reported as security event SettingSystemTime.",
)
HEARTBEAT_INTERVAL = integer(
    "OCPPCommCtrlr",
    "HeartbeatInterval",
    300,
    unit="s",
    writable=True,
    required=False,
    minimum=1,
    doc="Silence after which a Heartbeat is sent; the CSMS gives it with each accepted boot (B01.FR.04).",
)

TOLERANCE_S = 1.0
"""Network delay and the whole seconds of many a CSMS make smaller differences meaningless."""


def take_time(ctx: StationContext, current_time: datetime, now: Now) -> None:
    """The CSMS says it is `current_time`: set our clock if that is our best source (B01.FR.06)."""
    sources = ctx.variables[TIME_SOURCE]
    if HEARTBEAT not in sources or (now.synced and sources[0] != HEARTBEAT):
        return
    if not now.synced or abs((current_time - now.utc).total_seconds()) > TOLERANCE_S:
        ctx.do(SetTime(current_time))
