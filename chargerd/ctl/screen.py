"""What the station's report looks like in a terminal: lines of a given width, some in colour."""

import textwrap
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

WIDEST = 120
NARROWEST = 40


class Ink(StrEnum):
    """Colours by what they mean (SGR codes)."""

    PLAIN = ""
    HEAD = "1"
    GOOD = "32"
    NOTICE = "33"
    BAD = "1;31"


Line = tuple[Ink, str]


def screen(report: Mapping[str, Any], *, columns: int = 100, colours: bool = False) -> list[str]:
    """The whole report as lines of at most `columns` characters (40 at least), with colours if wanted."""
    width = max(NARROWEST, min(columns, WIDEST))
    lines = [*head_lines(report)]
    for evse in report["evses"]:
        lines += [(Ink.PLAIN, ""), *evse_lines(evse)]
    return [
        paint(ink, part) if colours else part
        for ink, text in lines
        for part in (textwrap.wrap(text, width, subsequent_indent=_indent(text)) or [""])
    ]


def paint(ink: Ink, text: str) -> str:
    """`text` in a colour."""
    return f"\x1b[{ink}m{text}\x1b[0m" if ink and text else text


def head_lines(report: Mapping[str, Any]) -> list[Line]:
    """The station, its CSMS, and whether its other half is there."""
    link = report["link"]
    listens = link["open"] and link["registration"] == "Accepted"
    state = f"connected, {link['registration']}" if link["open"] else "not connected"
    board = f"{report['vendor']} {report['model']}  {report['serial']}"
    simulated = "  SIMULATED" if report["simulated"] else ""
    lines = [
        (Ink.HEAD, f"{board}  chargerd {report['firmware_version']}{simulated}"),
        (
            Ink.GOOD if listens else Ink.NOTICE,
            f"CSMS {link['url']} as {link['identity']}: {state}, {link['queued']} queued",
        ),
    ]
    if (update := report.get("update")) is not None:
        lines.append((Ink.NOTICE, update_line(update)))
    if report["control_run_id"] is None:
        lines.append((Ink.BAD, "the control process is silent: no energy, nothing known of the charging side"))
    return lines


def update_line(update: Mapping[str, Any]) -> str:
    """The firmware update that is under way, and how far its download is."""
    line = f"update {update['request_id']}: {update['status'] or update['step']} {update['version']}".rstrip()
    if not update["total_bytes"]:
        return line
    return f"{line}, {update['done_bytes'] / 1e6:.1f} of {update['total_bytes'] / 1e6:.1f} MB"


def evse_lines(evse: Mapping[str, Any]) -> list[Line]:
    """One EVSE: head line, measured values, reasons, limits, faults."""
    charging, transaction = evse["charging"], evse["transaction"]
    head = f"EVSE {evse['evse_id']}  {evse['connector_status']}"
    if transaction is not None:
        head += f"  {transaction['charging_state']}  transaction {transaction['transaction_id'][:8]}"
    lines: list[Line] = [(Ink.HEAD, head)]
    if charging is None:
        return lines
    relay = {True: "closed", False: "open", None: "without feedback"}[charging["relay_closed"]]
    lines += [
        (
            Ink.PLAIN,
            f"  pilot {charging['pilot_state']}   offered {charging['offered_amps']:.1f} A   contactor {relay}",
        ),
        (Ink.PLAIN, "  " + meter_line(charging["meter"], evse["meter_age_s"])),
    ]
    if charging["phases_pending"] is not None:
        wanted = f"{charging['phases_pending']} wanted ({charging['phases_wait'].replace('_', ' ')})"
        lines.append((Ink.NOTICE, f"  phases {charging['phases']}, {wanted}"))
    lines += [(Ink.BAD, f"  FAULT {fault['code']} {fault['detail']}".rstrip()) for fault in charging["faults"]]
    lines += [(Ink.NOTICE, f"  no energy: {reason}") for reason in evse["why_not"]]
    if not evse["why_not"]:
        lines.append((Ink.GOOD, "  energy may flow"))
    return [*lines, (Ink.PLAIN, "  limits:"), *((Ink.PLAIN, f"    {line}") for line in limit_lines(evse))]


def meter_line(meter: Mapping[str, Any] | None, age_s: float | None) -> str:
    """Measured values with their age."""
    if meter is None:
        return "meter: no reading"
    amps = " / ".join(f"{amps:.1f}" for amps in meter["amps"])
    age = "" if age_s is None else f"   {age_s:.1f} s old"
    return f"meter {amps} A   {meter['power_w'] / 1000:.2f} kW   {meter['energy_wh'] / 1000:.3f} kWh{age}"


def limit_lines(evse: Mapping[str, Any]) -> list[str]:
    """The limit table, the winner marked, with what stands only for a while or for a silent owner."""
    if evse["charging"] is None:
        return ["unknown: the control process is silent"]
    return [
        f"{'>' if limit['wins'] else ' '} {limit['source']:16} {limit['amps']:6.1f} A{limit_note(limit)}"
        for limit in evse["limits"]
    ] or ["nobody allows anything yet"]


def limit_note(limit: Mapping[str, Any]) -> str:
    """What there is to say of a row beside its current: that its owner is silent, or how long it still holds."""
    if limit["fallback"]:
        return "   fallback: its owner is silent"
    return "" if limit["left_s"] is None else f"   for {limit['left_s']:.0f} s more"


def _indent(text: str) -> str:
    return " " * (len(text) - len(text.lstrip()) + 4)
