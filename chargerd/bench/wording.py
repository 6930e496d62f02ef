"""What the page says, in words: what is measured, why no energy flows, who limits, and what one could do next."""

from collections.abc import Mapping
from typing import Any

from chargerd.ctl.screen import limit_note

Evse = Mapping[str, Any]
"""One EVSE of the station's report (chargerd/report.py), decoded."""

SILENT_CONTROL = "the control process is silent"
SILENT_STATION = "the station process is silent"


def facts_line(charging: Mapping[str, Any] | None) -> str:
    """Pilot, contactor and meter in one line."""
    if charging is None:
        return SILENT_CONTROL
    relay = {True: "closed", False: "open", None: "without feedback"}[charging["relay_closed"]]
    parts = [
        f"pilot {charging['pilot_state']}",
        f"offered {charging['offered_amps']:.1f} A",
        f"contactor {relay}",
        "locked" if charging["locked"] else "",
    ]
    meter = charging["meter"]
    if meter is None:
        parts.append("no meter reading")
    else:
        amps = " / ".join(f"{amps:.1f}" for amps in meter["amps"])
        parts += [f"{amps} A", f"{meter['power_w'] / 1000:.2f} kW", energy_text(charging)]
    return " · ".join(part for part in parts if part)


def energy_text(charging: Mapping[str, Any]) -> str:
    """What the car at the plug has taken so far, else the register."""
    register_wh, plugged_wh = charging["meter"]["energy_wh"], charging["plugged_wh"]
    if charging["ev_connected"] and plugged_wh is not None:
        return f"+{(register_wh - plugged_wh) / 1000:.3f} kWh"
    return f"{register_wh / 1000:.3f} kWh"


def light_text(plant: Mapping[str, Any]) -> str:
    """What the light of one EVSE of the plant shows, a fault with its number; empty while nobody can say."""
    if not plant:
        return ""
    count = plant["blink_code"] if plant["indication"] == "faulted" else 0
    flashes = f", {count} flash{'es' if count > 1 else ''}" if count else ""
    return f"light: {plant['indication']}{flashes}"


def reason_lines(evse: Evse | None) -> list[str]:
    """Every reason for no energy; empty when energy may flow."""
    if evse is None:
        return [SILENT_STATION]
    return list(evse["why_not"])


def fault_lines(evse: Evse | None) -> list[str]:
    """The faults and warnings that stand, with the values behind them; faults first."""
    if evse is None:
        return []
    standing = [*(evse["charging"] or {"faults": ()})["faults"], *evse.get("troubles", ())]
    lines = [
        (fault["warning"], f"{'WARNING' if fault['warning'] else 'FAULT'} {fault['code']} {fault['detail']}".rstrip())
        for fault in standing
    ]
    return [line for _, line in sorted(lines, key=lambda each: each[0])]


def limit_rows(evse: Evse | None) -> list[tuple[str, float, bool, str]]:
    """The limit table as (source, amps, wins, what else there is to say)."""
    if evse is None:
        return []
    return [(row["source"], row["amps"], row["wins"], limit_note(row).strip()) for row in evse["limits"]]


def next_step(evse: Evse | None, *, has_csms: bool) -> str:
    """What a newcomer could do now."""
    charging = evse["charging"] if evse is not None else None
    if evse is None or charging is None:
        return "Wait: a process starts again."
    if any(not fault["warning"] for fault in charging["faults"]):
        return "A fault stands. Clear what caused it; some faults also want the car unplugged."
    if not charging["ev_connected"]:
        return "Plug the car in."
    transaction = evse["transaction"]
    if transaction is None:
        return "Tap a card" + (", or start from the CSMS." if has_csms else ".")
    if not transaction["authorized"]:
        return "Tap a card, or unplug."
    return _next_while_charging(str(transaction["charging_state"]))


def _next_while_charging(state: str) -> str:
    match state:
        case "Charging":
            return "It charges. Lower the limit, let the car pause, break something, or tap the same card to stop."
        case "SuspendedEV":
            return "The car waits. Press Ready or Resume, so that it asks for energy."
        case "SuspendedEVSE":
            return "The station offers no current; on the right stands why."
        case "EVConnected":
            return "Press Ready, so that the car asks for energy."
        case _:
            return "Unplug the car."
