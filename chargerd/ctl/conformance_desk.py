"""A charger on a desk as surroundings of a certification case: what a case wants done, a person is asked to do.

On a simulated charger the verbs can go to its bench instead, and nobody is asked.
"""

import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chargerd.conformance.authority import CSMS_ROOT
from chargerd.conformance.file_wire import FileServer
from chargerd.conformance.files import Files
from chargerd.conformance.peer import Peer
from chargerd.conformance.station import OTHER, VALID, CaseFailed, Offer, StationUnderTest
from chargerd.conformance.wire import WireServer
from chargerd.ctl.asking import CtlError, ask
from chargerd.ctl.screen import Ink
from chargerd.ctl.terminal import Reply, Terminal

COMES_WITHIN_S = 300.0
"""How long a station has to come to us, which may have to be told where we are."""

WORDS = {
    "plug_in": "Plug the vehicle in at EVSE {evse}, and let it not ask for energy yet.",
    "plug_out": "Unplug the vehicle at EVSE {evse}.",
    "unplug_ev": "Unplug the cable at the vehicle of EVSE {evse}, and leave its other end where it is.",
    "ev_ready": "Let the vehicle at EVSE {evse} ask for energy.",
    "ev_pause": "Let the vehicle at EVSE {evse} ask for no more energy, and leave it plugged in.",
    "ev_resume": "Let the vehicle at EVSE {evse} ask for energy again.",
    "ev_draw": "Let the vehicle at EVSE {evse} take {amps:g} A.",
    "contract": "Let the vehicle at EVSE {evse} identify itself by its contract certificate.",
    "ev_certificate": "Let the vehicle at EVSE {evse} ask for a contract certificate ({action}).",
    "fault": "Make this fault at EVSE {evse}, if you safely can: {name}.",
    "clear_fault": "End the fault {name} at EVSE {evse}.",
}

SETTING = re.compile(r"(?P<component>\w+)(\[\w+\])?\.(?P<variable>\w+)(\[(?P<instance>\w+)\])?")


class CaseSkipped(Exception):
    """The person does not do what the case needs, or the station cannot be set up for it: why."""


class DeskPeer(Peer):
    """The test system's side for real cards: a case knows them by its own names.

    `cards`: what the charger reads -> what the case calls it.
    """

    def __init__(self, check: Callable[[str, str, Mapping[str, Any]], str | None], cards: Mapping[str, str]) -> None:
        super().__init__(lambda: datetime.now(UTC), check)
        self._cards = cards

    def receive(self, text: str, mono: float) -> None:
        """See Peer."""
        for real, ours in self._cards.items():
            text = text.replace(f'"{real}"', f'"{ours}"')
        super().receive(text, mono)

    def due(self) -> list[str]:
        """See Peer."""
        frames = super().due()
        for real, ours in self._cards.items():
            frames = [text.replace(f'"{ours}"', f'"{real}"') for text in frames]
        return frames


def cards_by_name(cards: tuple[str, ...]) -> Mapping[str, str]:
    """The two cards of a declaration -> how cases call them."""
    return dict(zip(cards, (VALID, OTHER), strict=False))


class DeskSurroundings:
    """Surroundings of one charger after another case. `bench`: socket of a bench that does what is to be done."""

    def __init__(
        self,
        peer: Peer,
        terminal: Terminal,
        evses: int,
        *,
        bench: Path | None = None,
        another: Callable[[], WireServer] | None = None,
        file_server: Callable[[], FileServer] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`another`: makes one more CSMS. `file_server`: makes a server for files. `monotonic`: the time in seconds."""
        self.peer = peer
        self._monotonic = monotonic
        self.evses = evses
        self._terminal = terminal
        self._bench = bench
        self._another = another
        self._others: list[WireServer] = []
        self._new_file_server = file_server
        self._file_servers: list[FileServer] = []
        self._plugged: set[int] = set()
        self._settings: Mapping[str, str] = {}
        self._before: dict[str, str] = {}

    def begin(self, settings: Mapping[str, str]) -> None:
        """The next case, on a station that is here and has no vehicle; it will run with these settings.

        Raises CaseSkipped, and Ended by the person.
        """
        self.peer.start_over()
        self._settings = settings
        for evse in sorted(self._plugged):
            if self._bench is None:
                self._ask(f"Unplug the vehicle at EVSE {evse}; end its charge, if the charger holds the plug.")
            else:
                self._on_bench("plug_out", {"evse": evse, "force": True})
        self._plugged.clear()
        self._until_connected()

    def end(self) -> None:
        """Set back what the case has set, as far as the station lets us."""
        self.peer.start_over()
        before, self._before = self._before, {}
        for wire in self._others:
            wire.close()
        self._others.clear()
        for server in self._file_servers:
            server.close()
        self._file_servers.clear()
        sut = StationUnderTest(self)
        for name, value in before.items():
            try:
                sut.set_variable(**_place(name), value=value)
            except CaseFailed as failure:
                self._terminal.say(f"cannot be set back: {failure}", Ink.NOTICE)

    def now_mono(self) -> float:
        """See Surroundings."""
        return self._monotonic()

    def wait(self, seconds: float) -> None:
        """See Surroundings. The person may end it all meanwhile."""
        self._terminal.pressed(seconds)

    def act(self, verb: str, arguments: Mapping[str, Any]) -> str | None:
        """See Surroundings. Raises CaseSkipped."""
        problem = self._do(verb, arguments)
        if problem is None and verb in {"plug_in", "plug_out"}:
            (self._plugged.add if verb == "plug_in" else self._plugged.discard)(int(arguments["evse"]))
        return problem

    def power_on(self) -> None:
        """The station is on already: it is set up for the case and restarted, as the standard's test system does."""
        sut = StationUnderTest(self)
        for name, value in self._settings.items():
            try:
                self._before[name] = sut.get_variable(**_place(name))
                sut.set_variable(**_place(name), value=value)
            except CaseFailed as failure:
                raise CaseSkipped(f"cannot be set up: {failure}") from failure
        sut.forget()
        sut.call_gives("Reset", {"type": "Immediate"}, {"status": "Accepted"})

    def power_cycle(self, off_s: float) -> None:
        """See Surroundings."""
        if self._bench is not None:
            for process in ("control", "station"):
                self._on_bench("kill", {"process": process})
        else:
            self._ask(f"Take the mains from the charger for {max(off_s, 5.0):g} s, and give it back.")

    def another_csms(self, security_profile: int, root: str) -> tuple[str, Peer]:
        """See Surroundings."""
        if self._another is None:
            raise CaseSkipped("needs a second CSMS")
        if security_profile != self.peer.door.security_profile or root != CSMS_ROOT:
            raise CaseSkipped(f"needs a second CSMS of security profile {security_profile}, signed for by {root}")
        wire = self._another()
        self._others.append(wire)
        return wire.url, wire.peer

    def file_server(self) -> tuple[str, Files]:
        """See Surroundings."""
        if self._new_file_server is None:
            raise CaseSkipped("needs a server for files")
        server = self._new_file_server()
        self._file_servers.append(server)
        return server.url, server.files

    def firmware(self, kind: str) -> tuple[Offer, Files]:
        """See Surroundings. Only its maker can sign firmware for a charger."""
        raise CaseSkipped(f"needs {kind} firmware that the charger's maker has signed")

    def _do(self, verb: str, arguments: Mapping[str, Any]) -> str | None:
        if self._bench is not None:
            return self._on_bench(verb, arguments)
        words = _card(arguments) if verb == "present_token" else WORDS.get(verb)
        if words is None:
            raise CaseSkipped(f"a person cannot do this: {verb}")
        return self._ask(words.format(**arguments))

    def _on_bench(self, verb: str, arguments: Mapping[str, Any]) -> str | None:
        assert self._bench is not None
        try:
            ask(self._bench, verb, arguments)
        except CtlError as error:
            return str(error)
        return None

    def _ask(self, what: str) -> str | None:
        """None when it is done. Raises CaseSkipped."""
        match self._terminal.ask(f"{what} Done?", lambda: None):
            case Reply.YES:
                return None
            case Reply.NO:
                return "the person says that it cannot be done"
            case _:
                raise CaseSkipped("skipped by the person")

    def _until_connected(self) -> None:
        give_up_mono = self._monotonic() + COMES_WITHIN_S
        while not self.peer.connected:
            left_s = give_up_mono - self._monotonic()
            if left_s < 0:
                raise CaseSkipped("the station does not connect")
            self._terminal.show(f"waiting for the station to connect, {left_s:.0f} s")
            self.wait(0.2)
        self._terminal.show("")


def _card(arguments: Mapping[str, Any]) -> str:
    """What to do with a token."""
    uid, kind = arguments["uid"], arguments.get("kind", "ISO14443")
    if kind == "NoAuthorization":
        return "Press the start button of EVSE {evse}."
    if kind not in {"ISO14443", "ISO15693"}:
        return f"Give {kind} {uid} to EVSE {{evse}}."
    which = {VALID: "your first card", OTHER: "your second card"}.get(uid, f"a card that reads {uid}")
    return f"Hold {which} to the reader of EVSE {{evse}}."


def _place(name: str) -> dict[str, str]:
    """The arguments of StationUnderTest.set_variable for "Component.Variable[instance]"."""
    match = SETTING.fullmatch(name)
    assert match is not None, f"{name!r} is no name of a variable"
    return {key: value for key, value in match.groupdict().items() if value is not None}
