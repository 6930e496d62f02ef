"""Everything a person can do at the bench, in one table: the control socket, `chargerctl bench`, scenarios and the
page use it.
"""

import msgspec


class BenchError(Exception):
    """A request to the bench that cannot be served: what is wrong and what would be right."""


class Argument(msgspec.Struct, frozen=True):
    """One argument of a verb. `default` None: it must be given."""

    name: str
    kind: type[int] | type[float] | type[str]
    default: int | float | str | None = None
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
        Verb("plug_in", "plant", "plug the car in", (_EVSE,)),
        Verb("plug_out", "plant", "unplug the car", (_EVSE,)),
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
        Verb("fault", "plant", "break something", (_EVSE, Argument("name", str))),
        Verb("clear_fault", "plant", "mend it", (_EVSE, Argument("name", str))),
        Verb("faults", "plant", "what can break, in words"),
        Verb("plant", "plant", "the simulated world as it is"),
        Verb("link_down", "station", "cut the link to the CSMS"),
        Verb("link_up", "station", "mend the link"),
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
            (Argument("action", str), Argument("payload", str, "{}")),
        ),
        Verb("status", "rig", "everything at once"),
        Verb("kill", "rig", "SIGKILL one process: control or station", (Argument("process", str),)),
    )
}


def arguments_from_words(name: str, words: list[str]) -> dict[str, int | float | str]:
    """`limit`, ["1", "10"] -> {"evse": 1, "amps": 10.0}. Raises BenchError."""
    verb = find(name)
    if len(words) > len(verb.arguments):
        raise BenchError(f"{verb.name}: too many arguments; usage: {usage(verb)}")
    given: dict[str, int | float | str] = {}
    for argument, word in zip(verb.arguments, words, strict=False):
        try:
            given[argument.name] = argument.kind(word)
        except ValueError as error:
            raise BenchError(
                f"{verb.name}: {argument.name}: {word!r} is no {argument.kind.__name__}; usage: {usage(verb)}"
            ) from error
    return complete(verb, given)


def complete(verb: Verb, given: dict[str, int | float | str]) -> dict[str, int | float | str]:
    """`given` with the defaults filled in. Raises BenchError for what is missing or unknown."""
    known = {argument.name for argument in verb.arguments}
    unknown = sorted(set(given) - known)
    if unknown:
        raise BenchError(f"{verb.name}: unknown argument {unknown[0]!r}; usage: {usage(verb)}")
    full = dict(given)
    for argument in verb.arguments:
        if argument.name in full or argument.optional:
            continue
        if argument.default is None:
            raise BenchError(f"{verb.name}: {argument.name} is missing; usage: {usage(verb)}")
        full[argument.name] = argument.default
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
