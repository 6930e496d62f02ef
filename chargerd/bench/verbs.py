"""Everything a person can do at the bench, in one table: the control socket, `chargerctl bench`, scenarios and the
page use it.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

Value = bool | int | float | str | dict[str, object] | tuple[str, ...]


class BenchError(Exception):
    """A request to the bench that cannot be served: what is wrong and what would be right."""


class ServesVerbs(Protocol):
    """Whoever does what a verb asks: the rig."""

    async def do(self, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Serve one verb. Raises BenchError with a line for people."""


class Argument(msgspec.Struct, frozen=True):
    """One argument of a verb. `default` None: it must be given, unless it is `optional`: then it is left out.

    As words, a `dict` is one JSON object and takes the rest of the line, a `tuple` is names with commas between.
    """

    name: str
    kind: type[bool] | type[int] | type[float] | type[str] | type[dict[str, object]] | type[tuple[str, ...]]
    default: Value | None = None
    optional: bool = False


class Verb(msgspec.Struct, frozen=True):
    """`where`: who serves it: "plant" (the simulated world), "station", "csms" (the embedded one) or "rig"."""

    name: str
    where: str
    about: str
    arguments: tuple[Argument, ...] = ()


_EVSE = Argument("evse", int, 1)

VERBS: dict[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb(
            "plug_in",
            "plant",
            "plug a car in: rating of its cable, its phases, its habits (ignores_limit,slow_to_follow …)",
            (
                _EVSE,
                Argument("amps", float, optional=True),
                Argument("phases", int, optional=True),
                Argument("quirks", tuple, optional=True),
            ),
        ),
        Verb(
            "plug_out",
            "plant",
            "unplug the car; 'true' tears a locked plug out",
            (_EVSE, Argument("force", bool, optional=True)),
        ),
        Verb("unplug_ev", "plant", "unplug the cable at the car; its other end stays in the socket", (_EVSE,)),
        Verb("ev_ready", "plant", "the car asks for energy (state C)", (_EVSE,)),
        Verb("ev_pause", "plant", "the car pauses (state B)", (_EVSE,)),
        Verb("ev_resume", "plant", "the car asks again", (_EVSE,)),
        Verb(
            "ev_draw",
            "plant",
            "what the car wants per phase, and on how many phases",
            (_EVSE, Argument("amps", float), Argument("phases", int, optional=True)),
        ),
        Verb(
            "present_token",
            "plant",
            "hold a card to the reader",
            (_EVSE, Argument("uid", str, "04A1B2C3"), Argument("kind", str, "ISO14443")),
        ),
        Verb(
            "fault",
            "plant",
            "break something; some faults take a value ('faults' names them all)",
            (_EVSE, Argument("name", str), Argument("value", float, optional=True)),
        ),
        Verb("clear_fault", "plant", "mend it", (_EVSE, Argument("name", str))),
        Verb("faults", "plant", "what can break, in words"),
        Verb("plant", "plant", "the simulated world as it is"),
        Verb("vehicle", "station", "what a program is told that speaks ISO 15118 with the cars"),
        Verb(
            "contract",
            "station",
            "a car shows its contract certificate (PEM, its own first) and its eMAID",
            (_EVSE, Argument("chain", str), Argument("emaid", str, "")),
        ),
        Verb(
            "ev_certificate",
            "station",
            "a car wants a contract certificate: Install or Update, the schema of its message, the message in Base64",
            (
                _EVSE,
                Argument("action", str, "Install"),
                Argument("schema", str, "urn:iso:15118:2:2013:MsgDef"),
                Argument("exi", str, "QUFB"),
            ),
        ),
        Verb(
            "show_contract",
            "rig",
            "a car shows a contract certificate of the test operator, whose root the CSMS has installed first",
            (_EVSE, Argument("emaid", str, "DETSTC123456789")),
        ),
        Verb("link_down", "station", "cut the link to the CSMS"),
        Verb("link_up", "station", "mend the link"),
        Verb(
            "user_limit",
            "station",
            "a person on the spot limits an EVSE (no amps: no longer), for so many seconds",
            (_EVSE, Argument("amps", float, optional=True), Argument("for_s", float, optional=True)),
        ),
        Verb(
            "signal",
            "station",
            "the radio link has this level (nothing: what it really has)",
            (Argument("dbm", float, optional=True),),
        ),
        Verb("frames", "station", "the OCPP frames after a number", (Argument("after", int, -1),)),
        Verb(
            "remote_start",
            "csms",
            "RequestStartTransaction",
            (_EVSE, Argument("uid", str, "CENTRAL-1")),
        ),
        Verb("remote_stop", "csms", "RequestStopTransaction", (_EVSE,)),
        Verb("limit", "csms", "limit an EVSE from the CSMS (amps per phase)", (_EVSE, Argument("amps", float))),
        Verb("no_limit", "csms", "take that limit away", (_EVSE,)),
        Verb("block_token", "csms", "refuse this token from now on", (Argument("uid", str),)),
        Verb(
            "csms_call",
            "csms",
            "send any request: its action and payload",
            (Argument("action", str), Argument("payload", dict, {})),
        ),
        Verb(
            "update",
            "csms",
            "offer firmware: good, wrong-signature, wrong-hardware, downgrade or missing, with so many MB in it",
            (Argument("kind", str, "good"), Argument("megabytes", float, 0.1)),
        ),
        Verb("power_cut", "rig", "everything dies at once, and the machine is started anew"),
        Verb("status", "rig", "everything at once"),
        Verb("kill", "rig", "SIGKILL one process: control or station", (Argument("process", str),)),
    )
}


def request_from_line(line: str) -> tuple[Verb, dict[str, Value]]:
    """`limit 1 10` -> the verb `limit` and {"evse": 1, "amps": 10.0}. Raises BenchError."""
    name, *rest = line.split(maxsplit=1)
    verb = find(name)
    # JSON has blanks of its own, so the last argument takes all that is left.
    takes_rest = bool(verb.arguments) and verb.arguments[-1].kind is dict
    words = rest[0].split(maxsplit=len(verb.arguments) - 1 if takes_rest else -1) if rest else []
    return verb, arguments_from_words(verb.name, words)


def arguments_from_words(name: str, words: list[str]) -> dict[str, Value]:
    """`limit`, ["1", "10"] -> {"evse": 1, "amps": 10.0}. Raises BenchError."""
    verb = find(name)
    if len(words) > len(verb.arguments):
        raise BenchError(f"{verb.name}: too many arguments; usage: {usage(verb)}")
    given: dict[str, object] = {}
    for argument, word in zip(verb.arguments, words, strict=False):
        try:
            given[argument.name] = _from_word(argument, word)
        except ValueError as error:
            raise _wrong_kind(verb, argument, word) from error
    return complete(verb, given)


def complete(verb: Verb, given: Mapping[str, object]) -> dict[str, Value]:
    """`given`, each value of its argument's kind, with the defaults filled in. Raises BenchError for what is missing,
    unknown or of another kind.
    """
    known = {argument.name for argument in verb.arguments}
    unknown = sorted(set(given) - known)
    if unknown:
        raise BenchError(f"{verb.name}: unknown argument {unknown[0]!r}; usage: {usage(verb)}")
    full: dict[str, Value] = {}
    for argument in verb.arguments:
        value = given.get(argument.name, argument.default)
        if value is None and argument.optional:
            continue
        if value is None:
            raise BenchError(f"{verb.name}: {argument.name} is missing; usage: {usage(verb)}")
        full[argument.name] = _of_kind(verb, argument, value)
    return full


def find(name: str) -> Verb:
    """The verb of that name; `plug-in` and `plug_in` are the same. Raises BenchError."""
    verb = VERBS.get(name.replace("-", "_"))
    if verb is None:
        raise BenchError(f"unknown verb {name!r}; known verbs: {', '.join(VERBS)}")
    return verb


def usage(verb: Verb) -> str:
    """One line: the verb and its arguments, the optional ones in brackets."""
    words = [
        argument.name if argument.default is None and not argument.optional else f"[{argument.name}]"
        for argument in verb.arguments
    ]
    return " ".join([verb.name, *words])


_KINDS = {
    bool: "flag (true or false)",
    int: "whole number",
    float: "number",
    str: "text",
    dict: "JSON object",
    tuple: "list of names with commas between",
}


def _from_word(argument: Argument, word: str) -> object:
    """The word as a value of the argument's kind. ValueError: it is none."""
    if argument.kind is bool:
        return {"true": True, "false": False}[word] if word in {"true", "false"} else word
    if argument.kind is int:
        return int(word)
    if argument.kind is float:
        return float(word)
    if argument.kind is dict:
        return json.loads(word)
    return tuple(word.split(",")) if argument.kind is tuple else word


def _of_kind(verb: Verb, argument: Argument, value: object) -> Value:
    """`value` if it is of the argument's kind. Raises BenchError."""
    try:
        right: Value = msgspec.convert(value, argument.kind)
    except msgspec.ValidationError as error:
        raise _wrong_kind(verb, argument, value) from error
    if isinstance(right, float) and not math.isfinite(right):
        raise _wrong_kind(verb, argument, value)
    return right


def _wrong_kind(verb: Verb, argument: Argument, value: object) -> BenchError:
    return BenchError(f"{verb.name}: {argument.name}: {value!r} is no {_KINDS[argument.kind]}; usage: {usage(verb)}")
