"""Verbs: words and JSON become arguments of the right kind, or an error that shows the usage."""

import pytest

from chargerd.bench.verbs import (
    VERBS,
    BenchError,
    arguments_from_words,
    complete,
    find,
    request_from_line,
    usage,
)

ASKED_FOR = {
    "plug_in", "plug_out", "ev_ready", "ev_pause", "ev_resume", "ev_draw", "present_token", "fault", "clear_fault",
    "link_down", "link_up", "status",
}  # fmt: skip


def test_the_table_has_every_promised_verb() -> None:
    assert VERBS.keys() >= ASKED_FOR


def test_every_verb_says_what_it_does_and_who_serves_it() -> None:
    for name, verb in VERBS.items():
        assert verb.name == name
        assert verb.about
        assert verb.where in {"plant", "station", "csms", "rig"}


def test_dash_and_underscore_name_the_same_verb() -> None:
    assert find("plug-in") is find("plug_in")


def test_an_unknown_verb_is_answered_with_the_known_ones() -> None:
    with pytest.raises(BenchError, match=r"unknown verb 'plugin'; known verbs: plug_in, plug_out"):
        find("plugin")


def test_words_become_numbers_and_text() -> None:
    assert arguments_from_words("limit", ["1", "10"]) == {"evse": 1, "amps": 10.0}
    assert arguments_from_words("fault", ["2", "weld_relay"]) == {"evse": 2, "name": "weld_relay"}


def test_defaults_fill_what_is_not_said_and_optional_arguments_stay_away() -> None:
    assert arguments_from_words("plug_in", []) == {"evse": 1}
    assert arguments_from_words("present_token", []) == {"evse": 1, "uid": "04A1B2C3", "kind": "ISO14443"}


def test_names_with_commas_become_a_list() -> None:
    given = arguments_from_words("plug_in", ["1", "20", "3", "ignores_limit,eager"])
    assert given == {"evse": 1, "amps": 20.0, "phases": 3, "quirks": ("ignores_limit", "eager")}


def test_json_with_blanks_is_one_argument_of_a_line() -> None:
    verb, arguments = request_from_line('csms_call Reset {"type": "Immediate"}')
    assert verb.name == "csms_call"
    assert arguments == {"action": "Reset", "payload": {"type": "Immediate"}}


def test_a_line_with_a_verb_alone_is_a_request() -> None:
    verb, arguments = request_from_line("link_down")
    assert (verb.name, arguments) == ("link_down", {})


@pytest.mark.parametrize(
    "name, words, complaint",
    [
        ("limit", ["1"], "limit: amps is missing; usage: limit [evse] amps"),
        ("plug_out", ["1", "yes"], "plug_out: force: 'yes' is no flag (true or false); usage: plug_out [evse] [force]"),
        ("limit", ["one", "10"], "limit: evse: 'one' is no whole number; usage: limit [evse] amps"),
        ("limit", ["1", "ten"], "limit: amps: 'ten' is no number; usage: limit [evse] amps"),
        ("limit", ["1", "nan"], "limit: amps: nan is no number; usage: limit [evse] amps"),
        ("limit", ["1", "inf"], "limit: amps: inf is no number; usage: limit [evse] amps"),
        ("link_up", ["1"], "link_up: too many arguments; usage: link_up"),
        ("csms_call", ["Reset", "{"], "csms_call: payload: '{' is no JSON object; usage: csms_call action [payload]"),
        ("csms_call", ["Reset", "[]"], "csms_call: payload: [] is no JSON object; usage: csms_call action [payload]"),
    ],
)
def test_wrong_words_are_refused_with_the_usage(name: str, words: list[str], complaint: str) -> None:
    with pytest.raises(BenchError) as refusal:
        arguments_from_words(name, words)
    assert str(refusal.value) == complaint


@pytest.mark.parametrize(
    "name, given, complaint",
    [
        ("limit", {"evse": "1", "amps": 10}, "limit: evse: '1' is no whole number"),
        ("limit", {"evse": True, "amps": 10}, "limit: evse: True is no whole number"),
        ("limit", {"evse": 1, "amps": [10]}, "limit: amps: [10] is no number"),
        ("block_token", {"uid": 7}, "block_token: uid: 7 is no text"),
        ("plug_in", {"quirks": "eager"}, "plug_in: quirks: 'eager' is no list of names with commas between"),
        ("plug_in", {"evs": 1}, "plug_in: unknown argument 'evs'"),
    ],
)
def test_json_of_another_kind_is_refused(name: str, given: dict[str, object], complaint: str) -> None:
    with pytest.raises(BenchError) as refusal:
        complete(find(name), given)
    assert str(refusal.value).startswith(complaint)


def test_json_numbers_and_lists_are_taken() -> None:
    assert complete(find("limit"), {"amps": 10}) == {"evse": 1, "amps": 10.0}
    assert complete(find("plug_in"), {"quirks": ["eager"]}) == {"evse": 1, "quirks": ("eager",)}


def test_usage_puts_what_may_be_left_out_in_brackets() -> None:
    assert usage(find("ev_draw")) == "ev_draw [evse] amps [phases]"
