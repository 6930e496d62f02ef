"""What a case can do with a station, be it simulated, two real processes, or a charger on a desk.

Everything blocks until it has happened; on virtual time that takes no time. What is waited for and does not come
raises CaseFailed.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

import msgspec

from chargerd.conformance.authority import CSMS_ROOT
from chargerd.conformance.files import Files
from chargerd.conformance.peer import Answer, Asked, Heard, Payload, Peer, Refusal

WITHIN_S = 10.0
"""How long the station has for what it does by itself."""

LOOK_EVERY_S = 0.05

VALID = "04A1B2C3"
OTHER = "0411223344"
"""Two tokens as a reader gives them; what they may is up to the case."""

SCHEMA_15118 = "urn:iso:15118:2:2013:MsgDef"

GOOD_FIRMWARE, WRONG_FIRMWARE = "good", "wrong"
"""New software for the station, and a file that its maker signed although it cannot be installed."""


class Offer(msgspec.Struct, frozen=True):
    """Firmware at a file server, as UpdateFirmware names it."""

    location: str
    certificate_pem: str
    signature: str


Wanted = Mapping[str, Any]
"""Field (“transactionInfo.chargingState”) -> what it has to be: a value, a set of values, or a function that judges
it; None: it must not be there, ...: it must be there.
"""


class CaseFailed(AssertionError):
    """The station did something else than the case wants: what was expected, and what there was instead."""


class Surroundings(Protocol):
    """What is around the station: people, a vehicle, the mains, the network."""

    peer: Peer
    evses: int

    def now_mono(self) -> float:
        """The time by which waits are measured, in seconds."""

    def wait(self, seconds: float) -> None:
        """Let time pass, moving frames meanwhile."""

    def act(self, verb: str, arguments: Mapping[str, Any]) -> str | None:
        """Somebody does something at the charger: a verb of the bench. Why it cannot be done now; None: it was."""

    def power_on(self) -> None:
        """The mains come for the first time."""

    def power_cycle(self, off_s: float) -> None:
        """The mains fail for so long; then everything starts from nothing but what is on disk."""

    def another_csms(self, security_profile: int, root: str) -> tuple[str, Peer]:
        """One more CSMS: where a station finds it, and its end of the wire. `root`: the name of the authority that
        signs for it, where it speaks TLS.
        """

    def file_server(self) -> tuple[str, Files]:
        """A server that takes files: its URL, without a folder, and what arrives."""

    def firmware(self, kind: str) -> tuple[Offer, Files]:
        """GOOD_FIRMWARE or WRONG_FIRMWARE for this station, at a server of its own."""


class StationUnderTest:
    """One station as it comes from the factory, still without power, and its CSMS."""

    def __init__(self, surroundings: Surroundings, peer: Peer | None = None) -> None:
        """`peer`: whose messages are looked at, where there is more than one CSMS."""
        self._around = surroundings
        self.peer = peer or surroundings.peer
        self.evses = surroundings.evses

    # ------------------------------------------------------------------ time

    def now(self) -> float:
        """Seconds, for measuring what the station takes."""
        return self._around.now_mono()

    def utc(self) -> datetime:
        """The time of day, which the station has from this CSMS."""
        return self.peer.utc()

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._around.wait(seconds)

    def until(self, holds: Callable[[], Any], what: str, within_s: float = WITHIN_S) -> Any:
        """Wait until `holds` gives something true; that."""
        give_up_mono = self.now() + within_s
        while not (found := holds()):
            if self.now() > give_up_mono:
                raise CaseFailed(f"{what} did not come within {within_s:g} s; {self._since()}")
            self.wait(LOOK_EVERY_S)
        return found

    # ------------------------------------------------------------------ what the CSMS does

    def call(self, action: str, payload: Payload | None = None, within_s: float = WITHIN_S) -> Payload:
        """Ask the station; its answer. A CALLERROR fails the case."""
        asked = self._ask(action, payload, within_s)
        if asked.result is None:
            raise CaseFailed(f"{action} was refused: {asked.refusal}")
        return asked.result

    def call_refused(self, action: str, payload: Payload | None = None, within_s: float = WITHIN_S) -> Refusal:
        """Ask the station for what it has to answer with a CALLERROR; that."""
        asked = self._ask(action, payload, within_s)
        if asked.refusal is None:
            raise CaseFailed(f"{action} was answered with {asked.result}, and a CALLERROR was expected")
        return asked.refusal

    def call_gives(self, action: str, payload: Payload | None, wanted: Wanted) -> Payload:
        """Ask the station; its answer must look like `wanted`."""
        result = self.call(action, payload)
        if problem := difference(result, wanted):
            raise CaseFailed(f"{action} was answered with {result}: {problem}")
        return result

    def _ask(self, action: str, payload: Payload | None, within_s: float) -> Asked:
        self.until(lambda: self.peer.connected, "a connection", within_s)
        asked = self.peer.ask(action, payload or {})
        self.until(lambda: asked.done, f"the answer to {action}", within_s)
        self._check_problems()
        return asked

    def answer(self, action: str, answer: Answer, times: int | None = None) -> None:
        """What the CSMS answers to `action`, the next `times` times or from now on."""
        self.peer.answer(action, answer, times)

    def get_variable(self, component: str, variable: str, **more: Any) -> str:
        """The actual value of a variable, which must be readable. `more`: of the request's element."""
        element = _element(component, variable, more)
        result = self.call("GetVariables", {"getVariableData": [element]})["getVariableResult"][0]
        if result["attributeStatus"] != "Accepted":
            raise CaseFailed(f"{component}.{variable} cannot be read: {result}")
        return str(result["attributeValue"])

    def set_variable(self, component: str, variable: str, value: str, **more: Any) -> Payload:
        """Set a variable, which must be accepted; RebootRequired counts as accepted."""
        element = _element(component, variable, more) | {"attributeValue": value}
        result: Payload = self.call("SetVariables", {"setVariableData": [element]})["setVariableResult"][0]
        if result["attributeStatus"] not in {"Accepted", "RebootRequired"}:
            raise CaseFailed(f"{component}.{variable} = {value} is refused: {result}")
        return result

    # ------------------------------------------------------------------ what the station says

    def expect(self, action: str, wanted: Wanted | None = None, within_s: float = WITHIN_S) -> Payload:
        """The first request not yet looked at that is an `action` like `wanted`; waits for it. Others stay."""
        return self.expect_one_of((action, wanted or {}), within_s=within_s)

    def expect_one_of(self, *choices: tuple[str, Wanted], within_s: float = WITHIN_S) -> Payload:
        """The first request not yet looked at that is one of these: an action and what it must look like."""

        def found() -> Heard | None:
            return next((heard for action, wanted in choices if (heard := self._find(action, wanted))), None)

        what = " or ".join(f"{action} {told(wanted)}".strip() for action, wanted in choices)
        heard: Heard = self.until(found, what, within_s)
        heard.taken = True
        self._check_problems()
        return heard.payload

    def expect_nothing(self, action: str, wanted: Wanted | None = None, for_s: float = 2.0) -> None:
        """No such request that was not looked at yet, and none comes in this time."""
        end_mono = self.now() + for_s
        while True:
            heard = self._find(action, wanted)
            if heard is not None:
                raise CaseFailed(f"{action} {told(wanted or {})} came, and should not: {heard.payload}")
            if self.now() >= end_mono:
                return
            self.wait(LOOK_EVERY_S)

    def heard(self, action: str, wanted: Wanted | None = None) -> list[Payload]:
        """All such requests so far, looked at or not."""
        with self.peer.lock:
            return [each.payload for each in self.peer.heard if _matches(each, action, wanted)]

    def last(self, action: str, wanted: Wanted | None = None) -> Payload | None:
        """The newest such request."""
        found = self.heard(action, wanted)
        return found[-1] if found else None

    def forget(self) -> None:
        """What the station said so far is of no interest."""
        with self.peer.lock:
            for each in self.peer.heard:
                each.taken = True

    def _find(self, action: str, wanted: Wanted | None) -> Heard | None:
        with self.peer.lock:
            return next((each for each in self.peer.heard if not each.taken and _matches(each, action, wanted)), None)

    # ------------------------------------------------------------------ what people do

    def act(self, verb: str, **arguments: Any) -> None:
        """Any verb of the bench, as soon as it can be done: a plug is pulled when the lock lets go of it."""
        problem: str | None = "it was not tried"

        def done() -> bool:
            nonlocal problem
            problem = self._around.act(verb, arguments)
            return problem is None

        try:
            self.until(done, f"{verb} {arguments}")
        except CaseFailed as failure:
            raise CaseFailed(f"{failure}; {problem}") from failure

    def plug_in(self, evse: int = 1, **habits: Any) -> None:
        """Plug a vehicle in at both ends. `habits`: as the bench's verb has them."""
        self.act("plug_in", evse=evse, **habits)

    def plug_out(self, evse: int = 1) -> None:
        """Unplug the vehicle, as soon as it is unlocked."""
        self.act("plug_out", evse=evse)

    def unplug_ev(self, evse: int = 1) -> None:
        """Unplug the cable at the vehicle; its other end stays in the charger."""
        self.act("unplug_ev", evse=evse)

    def ev_ready(self, evse: int = 1) -> None:
        """The vehicle asks for energy."""
        self.act("ev_ready", evse=evse)

    def ev_pause(self, evse: int = 1) -> None:
        """The vehicle does not want energy for now."""
        self.act("ev_pause", evse=evse)

    def present(self, uid: str = VALID, evse: int = 1, kind: str = "ISO14443") -> None:
        """Hold a card to the reader, or what stands for it with another kind of token."""
        self.act("present_token", evse=evse, uid=uid, kind=kind)

    def show_contract(self, chain_pem: str, evse: int = 1) -> None:
        """The vehicle identifies itself by its contract certificate (ISO 15118)."""
        self.act("contract", evse=evse, chain=chain_pem)

    def want_certificate(self, action: str, exi: str, evse: int = 1) -> None:
        """The vehicle asks for a contract certificate, its first (Install) or a newer one (Update)."""
        self.act("ev_certificate", evse=evse, action=action, schema=SCHEMA_15118, exi=exi)

    def fault(self, name: str, evse: int = 1, value: float | None = None) -> None:
        """Break something."""
        self.act("fault", evse=evse, name=name, **({} if value is None else {"value": value}))

    def mend(self, name: str, evse: int = 1) -> None:
        """Mend it."""
        self.act("clear_fault", evse=evse, name=name)

    def go_offline(self) -> None:
        """Cut the network to this CSMS."""
        self.peer.open = False
        self.until(lambda: not self.peer.connected, "the end of the connection")

    def go_online(self, within_s: float = 60.0) -> None:
        """Mend the network, and wait until the station is back."""
        before = self.peer.connections
        self.peer.open = True
        self.until(lambda: self.peer.connections > before and self.peer.connected, "the station's return", within_s)

    def attempted(self, number: int, within_s: float = 60.0) -> float:
        """When the station tried to connect to this CSMS for the `number`th time; waits for it."""
        attempts = self.peer.attempts
        self.until(lambda: len(attempts) >= number, f"attempt {number} to connect", within_s)
        return attempts[number - 1]

    def power_on(self) -> None:
        """The station starts for the first time; until then the CSMS can be told what to answer."""
        self._around.power_on()

    def power_cycle(self, off_s: float = 1.0) -> None:
        """Mains off and on again."""
        self._around.power_cycle(off_s)

    def another_csms(self, security_profile: int = 1, root: str = CSMS_ROOT) -> tuple[str, "StationUnderTest"]:
        """One more CSMS to move to: its ocppCsmsUrl, and the same station as that CSMS sees it. `root`: the name of the
        authority that signs for it (authority.py).
        """
        url, peer = self._around.another_csms(security_profile, root)
        return url, StationUnderTest(self._around, peer)

    def file_server(self) -> tuple[str, Files]:
        """A server to send files to: its URL, without a folder (files.py), and what arrives there."""
        return self._around.file_server()

    def firmware(self, kind: str = GOOD_FIRMWARE) -> tuple[Offer, Files]:
        """Firmware by the maker of this station, of one of the two kinds, and the server that has it."""
        return self._around.firmware(kind)

    # ------------------------------------------------------------------ complaints

    def _check_problems(self) -> None:
        if self.peer.problems:
            raise CaseFailed(self.peer.problems[0])

    def _since(self) -> str:
        with self.peer.lock:
            unread = [f"{each.action} {each.payload}" for each in self.peer.heard if not each.taken]
        return f"not looked at yet: {'; '.join(unread[-8:]) or 'nothing'}"


def difference(payload: Payload, wanted: Wanted) -> str | None:
    """What is not as wanted; None: all is."""
    for path, want in wanted.items():
        found: Any = payload
        for name in path.split("."):
            if isinstance(found, list):
                found = found[int(name)] if name.isdecimal() and int(name) < len(found) else None
            else:
                found = found.get(name) if isinstance(found, Mapping) else None
        if not _is_as_wanted(found, want):
            return f"{path} is {found!r}, expected {_said(want)}"
    return None


def told(wanted: Wanted) -> str:
    """What is wanted, in words; nothing where anything will do."""
    fields = ", ".join(f"{path} {_said(want)}" for path, want in wanted.items())
    return f"with {fields}" if fields else ""


def _said(want: Any) -> str:
    if want is ...:
        return "of any value"
    if want is None:
        return "absent"
    if callable(want):
        return "as the case judges it"
    if isinstance(want, set | frozenset):
        return " or ".join(sorted(_said(each) for each in want))
    return repr(want)


def _is_as_wanted(found: Any, want: Any) -> bool:
    if want is ...:
        return found is not None
    if callable(want):
        return found is not None and bool(want(found))
    if isinstance(want, set | frozenset):
        return found in want
    return bool(found == want)


def _matches(heard: Heard, action: str, wanted: Wanted | None) -> bool:
    return heard.action == action and (wanted is None or difference(heard.payload, wanted) is None)


def _element(component: str, variable: str, more: Mapping[str, Any]) -> dict[str, Any]:
    """An element of GetVariables or SetVariables. `instance` is the variable's, `evse` the component's."""
    more = dict(more)
    named: dict[str, Any] = {"name": variable}
    if "instance" in more:
        named["instance"] = more.pop("instance")
    owner: dict[str, Any] = {"name": component}
    if "evse" in more:
        owner["evse"] = {"id": more.pop("evse")}
    return {"component": owner, "variable": named} | more
