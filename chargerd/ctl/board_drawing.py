"""What is wired to what on a board, and what follows from it, as lines for a terminal."""

import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby

from chargerd.ctl.board_check import BlindSpot, BoardCheck, Finding, Level
from chargerd.ctl.board_picture import BoardPicture, EvsePicture, picture_of
from chargerd.ctl.screen import NARROWEST, WIDEST, Ink, Line, paint


def drawing(check: BoardCheck, *, columns: int = 100, colours: bool = False) -> list[str]:
    """A board that is right, and what follows from it, as lines of at most `columns` characters (40 at least)."""
    assert check.config is not None, "can't happen because a board with problems is not drawn"
    width = max(NARROWEST, min(columns, WIDEST))
    picture = picture_of(check.config)
    lines = [*_head(picture)]
    for evse in picture.evses:
        lines += [(Ink.PLAIN, ""), *_evse_lines(evse, width)]
    lines += [*_shared_lines(picture), *_served_lines(picture)]
    lines += [*_finding_lines(check.findings), *_blind_lines(check.blind_spots)]
    return [
        paint(ink, part) if colours else part
        for ink, text in lines
        for part in (textwrap.wrap(text, width, subsequent_indent="      ", break_on_hyphens=False) or [""])
    ]


def _head(picture: BoardPicture) -> Iterator[Line]:
    yield Ink.HEAD, picture.title + ("  SIMULATED" if picture.simulated else "")
    yield Ink.PLAIN, f"dead-man {picture.deadman}"


def _evse_lines(evse: EvsePicture, width: int) -> Iterator[Line]:
    yield Ink.HEAD, f"EVSE {evse.evse_id}  {evse.title}"
    for text in textwrap.wrap(f"limits: {'; '.join(evse.limits)}", width - 3):
        yield Ink.PLAIN, f"│  {text}"
    names = max(len(device.name) for device in evse.devices)
    drivers = max(len(device.driver) for device in evse.devices)
    for device in evse.devices:
        last = device is evse.devices[-1]
        head = f"{'└' if last else '├'}─ {device.name:{names}}  {device.driver:{drivers}}"
        beside = [f"── {wire}" for wire in device.wires] + [f"   {detail}" for detail in device.details]
        side = f"{' ' if last else '│'}{' ' * (len(head) - 1)}"
        if width - len(head) - 2 < 20:  # too narrow for two columns: what belongs to a device stands below it
            side = f"{' ' if last else '│'}    "
            beside.insert(0, "")
        for number, text in enumerate(_fitted(beside, width - len(side) - 2) or [""]):
            yield Ink.PLAIN, f"{head if number == 0 else side}  {text}".rstrip()


def _fitted(texts: Iterable[str], width: int) -> list[str]:
    return [
        part
        for text in texts
        for part in (textwrap.wrap(text, width, subsequent_indent="   ", break_on_hyphens=False) or [""])
    ]


def _shared_lines(picture: BoardPicture) -> Iterator[Line]:
    if picture.lines:
        yield Ink.PLAIN, ""
        yield Ink.HEAD, "lines"
    for line in picture.lines:
        yield Ink.PLAIN, f"  {line.name}  ({line.parameters})" if line.parameters else f"  {line.name}"
        for user in line.users:
            yield Ink.PLAIN, f"  {'└' if user is line.users[-1] else '├'}─ {user}"


def _served_lines(picture: BoardPicture) -> Iterator[Line]:
    if picture.served:
        yield Ink.PLAIN, ""
        yield Ink.HEAD, "served by the simulated plant"
    for served in picture.served:
        yield Ink.PLAIN, f"  {served}"


def _finding_lines(findings: tuple[Finding, ...]) -> Iterator[Line]:
    for level, ink in ((Level.WARNING, Ink.NOTICE), (Level.NOTE, Ink.PLAIN)):
        found = [finding for finding in findings if finding.level is level]
        if found:
            yield Ink.PLAIN, ""
            yield Ink.HEAD, f"{level}s"
        for finding in found:
            advice = f"; {finding.advice}" if finding.advice else ""
            yield ink, f"  {finding.place}: {finding.text}{advice}"


def _blind_lines(spots: tuple[BlindSpot, ...]) -> Iterator[Line]:
    if spots:
        yield Ink.PLAIN, ""
        yield Ink.HEAD, "faults that cannot be seen on this board"
    for evse_id, of_evse in groupby(spots, key=lambda spot: spot.evse_id):
        for spot in of_evse:
            yield Ink.PLAIN, f"  EVSE {evse_id}: {', '.join(spot.faults)}, for want of {spot.missing}"
