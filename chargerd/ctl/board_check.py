"""Whether a board file is right, and what follows from it that its maker may not have meant.

A file that is wrong has problems (hal/board_file.py finds them). A file that is right still says things that somebody
should know before the first charge: findings, as warnings where people or cables are worse off for it, as notes where
only comfort is. Which faults nobody can see on this board is one of them.
"""

import re
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import msgspec

from chargerd.ctl.board_picture import device_nodes
from chargerd.evse.faults import ALARMS
from hal.board_file import BoardConfig, EvseConfig, examine_board
from hal.types import BoardError, EvseFacts, InputName, RelayDeadman


class Level(StrEnum):
    """How grave a finding is."""

    WARNING = "warning"
    NOTE = "note"


class Finding(msgspec.Struct, frozen=True):
    """Something that follows from a board file. `place`: where it is about; `advice`: what can be done about it."""

    level: Level
    place: str
    text: str
    advice: str = ""


class BlindSpot(msgspec.Struct, frozen=True):
    """Faults that cannot be seen on one EVSE, by their codes, and what is not fitted."""

    evse_id: int
    missing: str
    faults: tuple[str, ...]


class BoardCheck(msgspec.Struct, frozen=True):
    """What came of looking at a file. `config` None: it has problems, and nothing else is known."""

    config: BoardConfig | None
    problems: tuple[BoardError, ...] = ()
    findings: tuple[Finding, ...] = ()
    blind_spots: tuple[BlindSpot, ...] = ()


class Watch(NamedTuple):
    """What sees some faults: whether an EVSE has it, what to call it where it is missing, and the codes."""

    fitted: Callable[[EvseFacts], bool]
    missing: str
    faults: tuple[str, ...]


SEEN_EVERYWHERE = (
    "pilot_level", "pilot_short", "pilot_silent", "diode", "ventilation", "ev_not_charging", "device_silent",
    "phase_switch", "controller_fault", "heartbeat_missed",
)  # fmt: skip
"""Codes of faults that need no more than a pilot, or than the device whose faults they are."""

SEEN_BY_THE_STATION = ("weak_signal", "authorization_timeout", "no_csms")
"""Codes of faults that no hardware has a part in."""

WATCHES = (
    Watch(lambda facts: facts.has_feedback, "a feedback contact (feedback = false)", ("contactor_no_close",)),
    Watch(
        lambda facts: facts.has_feedback or InputName.OUTPUT_VOLTAGE in facts.inputs,
        "a feedback contact or the input output_voltage",
        ("contactor_welded",),
    ),
    Watch(
        lambda facts: facts.has_meter,
        "[evse.meter]",
        (
            "ev_overdraw",
            "ev_overdraw_warning",
            "ev_does_not_stop",
            "current_while_open",
            "over_voltage",
            "under_voltage",
            "phase_loss",
            "meter_silent",
            "meter_frozen",
            "meter_implausible",
            "meter_swapped",
        ),
    ),
    Watch(
        lambda facts: facts.has_meter or InputName.POWER_FAIL in facts.inputs,
        "[evse.meter] or the input power_fail",
        ("power_loss",),
    ),
    Watch(
        lambda facts: facts.phases == 1 or (facts.has_meter and facts.unbalance_amps is not None),
        "[evse.meter] and unbalance_amps",
        ("phase_unbalance",),
    ),
    Watch(
        lambda facts: facts.has_residual,
        "[evse.residual]",
        ("residual_ac", "residual_dc", "residual_dc_again", "residual_test"),
    ),
    Watch(lambda facts: facts.has_thermometer, "[evse.thermometer]", ("over_temperature", "derating")),
    Watch(
        lambda facts: facts.has_plug_thermometer,
        "[evse.plug_thermometer]",
        ("plug_over_temperature", "plug_derating"),
    ),
    Watch(
        lambda facts: facts.has_proximity or facts.tethered,
        "[evse.proximity]",
        ("cable_invalid", "cable_changed", "partial_insertion"),
    ),
    Watch(lambda facts: facts.has_lock or facts.tethered, "[evse.lock]", ("lock_failure", "latch_broken")),
    Watch(
        lambda facts: InputName.CABLE_CUT in facts.inputs or not facts.tethered, "the input cable_cut", ("cable_cut",)
    ),
    Watch(lambda facts: InputName.OUTPUT_VOLTAGE in facts.inputs, "the input output_voltage", ("output_voltage",)),
    Watch(lambda facts: InputName.EMERGENCY_STOP in facts.inputs, "the input emergency_stop", ("emergency_stop",)),
    Watch(lambda facts: InputName.ENCLOSURE in facts.inputs, "the input enclosure", ("enclosure_open",)),
    Watch(
        lambda _: False,
        "a controller behind the pilot that watches protective earth",
        ("no_ground",),
    ),
)
"""What sees which faults, by their codes in chargerd/evse/faults.py; what a controller tells by itself comes on top."""


def check_board(path: Path) -> BoardCheck:
    """Look at one file. Touches no device."""
    config, problems = examine_board(path)
    if config is None:
        return BoardCheck(None, tuple(problems))
    return BoardCheck(config, (), tuple(_findings(config)), tuple(_blind_spots(config)))


def _findings(config: BoardConfig) -> Iterator[Finding]:
    yield from _about_the_board(config)
    for evse_id, evse in enumerate(config.evses, 1):
        place = f"EVSE {evse_id}"
        for level, text, advice in (*_protection(evse.facts), *_ratings(evse.facts), *_comfort(evse)):
            yield Finding(level, place, text, advice)
        yield from _unsteady_names(evse, evse_id)


def _about_the_board(config: BoardConfig) -> Iterator[Finding]:
    if config.relay_deadman is RelayDeadman.NONE:
        yield Finding(
            Level.WARNING, "board", "nothing opens the contactor when the software hangs", "accepted on a bench only"
        )
    elif not config.simulated:
        yield Finding(
            Level.NOTE,
            "board",
            f"relay_deadman = {config.relay_deadman!s} is believed as it stands",
            "let `chargerctl board bring-up` prove it on each unit you build",
        )
    absent = [str(node) for node in device_nodes(config) if not node.exists()]
    if absent:
        yield Finding(
            Level.NOTE,
            "board",
            f"not on this machine: {', '.join(absent)}",
            "to be expected unless this is the charger",
        )
    hosts = [device for evse in config.evses for device in evse.devices if getattr(device.settings, "host", None)]
    if hosts:
        yield Finding(
            Level.NOTE,
            "board",
            "a device on the network is reached only with a drop-in of the control unit",
            "write it with `chargerd board-dropin`",
        )


Told = tuple[Level, str, str]


def _protection(facts: EvseFacts) -> Iterator[Told]:
    warn = Level.WARNING
    if not facts.has_residual:
        yield (
            warn,
            "no residual current monitor",
            "fit an RCD type B ahead of it, or type A with detection of 6 mA DC (IEC 61851-1, 8.5)",
        )
    if not facts.has_feedback and InputName.OUTPUT_VOLTAGE not in facts.inputs:
        yield warn, "a welded contactor is not seen", "fit a mirror contact, or a line output_voltage behind it"
    if not facts.has_meter:
        yield warn, "a vehicle that takes more than it is offered is not seen", "fit a meter for each phase"
    if not facts.tethered and not facts.has_lock:
        yield warn, "the plug can be pulled out under load", "fit a lock"
    if not facts.tethered and not facts.has_proximity:
        yield warn, "the rating of the cable is not known", "fit a proximity contact, or limit max_amps to the weakest"
    if not facts.has_thermometer:
        yield warn, "heat in the enclosure is not seen", "fit a thermometer"


def _ratings(facts: EvseFacts) -> Iterator[Told]:
    note = Level.NOTE
    if facts.contactor_amps is not None and facts.contactor_amps < facts.max_amps:
        yield note, f"the contactor ({facts.contactor_amps:g} A) is weaker than max_amps ({facts.max_amps:g} A)", ""
    if facts.has_thermometer and facts.derating[0].amps < facts.max_amps:
        yield note, f"the derating curve begins at {facts.derating[0].amps:g} A, below max_amps", ""
    if facts.ventilated:
        yield note, "vehicles that need ventilation are charged", "the place must be ventilated"
    if facts.phases == 3 and not facts.has_phase_switch:
        least_w = 3 * 6 * facts.nominal_volts
        yield (
            note,
            f"three phases charge with {least_w / 1000:.1f} kW at least",
            "a phase contactor goes down to a third",
        )
    if facts.autonomous:
        yield note, "the controller behind the pilot closes the contactor by itself while current is offered", ""
    if facts.pilot_stale_s > 0.1:
        yield (
            note,
            f"the pilot is read every {facts.pilot_stale_s:g} s at the latest",
            "the controller itself opens within 100 ms when a vehicle leaves",
        )


def _comfort(evse: EvseConfig) -> Iterator[Told]:
    note = Level.NOTE
    fitted = {device.role for device in evse.devices}
    if "reader" not in fitted:
        yield note, "no reader: the CSMS alone, or an offline rule, can authorise", ""
    if "indicator" not in fitted and "display" not in fitted:
        yield note, "nothing tells a user what goes on", "fit lights or a display"
    for device in evse.devices:
        if device.driver == "_blueprint":
            yield note, f"{device.role} has the driver made to be copied", "its protocol is an example"


UNSTEADY = re.compile(r"/dev/(?:ttyUSB|ttyACM|input/event|hidraw|video)\d+$")


def _unsteady_names(evse: EvseConfig, evse_id: int) -> Iterator[Finding]:
    for device in evse.devices:
        for key, path in device.paths().items():
            if UNSTEADY.match(path):
                yield Finding(
                    Level.WARNING,
                    f"EVSE {evse_id} {device.role}.{key}",
                    f"{path} may be another device after the next start",
                    "name it by /dev/serial/by-id/... or /dev/input/by-id/...",
                )


def _blind_spots(config: BoardConfig) -> Iterator[BlindSpot]:
    for evse_id, evse in enumerate(config.evses, 1):
        told = {ALARMS[alarm] for device in evse.devices for alarm in device.settings.alarms()}
        for watch in WATCHES:
            unseen = tuple(fault for fault in watch.faults if fault not in told)
            if unseen and not watch.fitted(evse.facts):
                yield BlindSpot(evse_id, watch.missing, unseen)
