import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.drivers.rapi import (
    AWAKE,
    CHECK_NAMES,
    LONGEST_LINE_BYTES,
    Condition,
    Flag,
    Lines,
    News,
    RapiGarbled,
    Reply,
    State,
    celsius_of,
    condition_in,
    condition_of,
    decode,
    encode,
    sum_of,
    switched_off,
    xor_of,
)
from hal.types import Alarm

GOLDEN = [
    "$GS^30", "$GC^20", "$GE^26", "$GG^24", "$GP^33", "$GU^36", "$GV^35", "$GF^25", "$G0^53", "$FE^27", "$FS^31",
    "$FD^26", "$FR^30", "$SB^35", "$SC 16^13", "$SC 16 V^65", "$SY 100 6^29", "$SY^2E", "$SY 165^3C",
]  # fmt: skip
"""Commands with their checksums as OpenEVSE documents them."""


@pytest.mark.parametrize("line", GOLDEN)
def test_commands_have_the_documented_checksums(line: str) -> None:
    command = line[1:].partition("^")[0]
    assert encode(command) == f"{line}\r".encode()


def test_a_sequence_number_goes_before_the_checksum() -> None:
    assert encode("GS", 1) == b"$GS :01^2B\r"
    assert encode("GS", 255).startswith(b"$GS :FF^")


@pytest.mark.parametrize("line, total", [("$FD", 0xAE), ("$FE", 0xAF), ("$S0 0", 0xF7), ("$FB 7", 0x03)])
def test_the_older_checksum_is_the_documented_one(line: str, total: int) -> None:
    assert sum_of(line) == total


def line_of(body: str) -> bytes:
    return f"{body}^{xor_of(body):02X}".encode()


def test_an_answer_is_told_with_its_words_and_its_sequence() -> None:
    assert decode(line_of("$OK 03 120 03 0140 :2A")) == Reply(True, ("03", "120", "03", "0140"), 0x2A)
    assert decode(line_of("$NK 16")) == Reply(False, ("16",), None)
    assert decode(f"$OK*{sum_of('$OK'):02X}".encode()) == Reply(True, (), None)


def test_what_nobody_asked_for_is_news() -> None:
    assert decode(line_of("$AB 00 8.2.3")) == News("AB", ("00", "8.2.3"))
    assert decode(line_of("$AN 1")) == News("AN", ("1",))
    assert decode(line_of("$WF 02")) == News("WF", ("02",))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"$",
        b"$OK",
        b"$OK 1",
        b"$OK^",
        b"$OK^2",
        b"$OK^00",
        b"$OK^ZZ",
        b"$OK*00",
        b"OK^20",
        b"$ok^00",
        b"$\xffK^20",
    ],
)
def test_a_line_that_is_damaged_or_not_whole_is_refused(line: bytes) -> None:
    with pytest.raises(RapiGarbled):
        decode(line)


def test_every_single_damaged_bit_is_noticed() -> None:
    good = line_of("$OK 03 120 03 0140 :2A")
    for index in range(len(good) * 8):
        damaged = bytearray(good)
        damaged[index // 8] ^= 1 << index % 8
        try:
            said = decode(bytes(damaged))
        except RapiGarbled:
            continue
        # The case of a checksum's hexadecimal digit is no information.
        assert said == decode(good)


@given(st.binary(max_size=60))
def test_no_bytes_at_all_do_more_than_be_refused(data: bytes) -> None:
    try:
        said = decode(data)
        if isinstance(said, Reply):
            condition_of(said.words)
    except RapiGarbled:
        pass


def test_a_state_is_read_from_an_answer_and_from_news() -> None:
    told = condition_of(("03", "120", "03", "0140"))
    assert told == Condition(State.C, Flag.CHARGING | Flag.EV_CONNECTED, 120)
    assert told.closed
    assert told.connected
    news = decode(line_of("$AT fe 03 16 0100"))
    assert isinstance(news, News)
    assert condition_in(news) == Condition(State.SLEEPING, Flag.EV_CONNECTED)


@pytest.mark.parametrize(
    "words",
    [
        ("03", "120", "03"),
        ("zz", "1", "1", "1"),
        ("42", "1", "1", "0"),
        ("03", "x", "03", "0"),
        ("03", "1", "03", "10000"),
    ],
)
def test_a_state_that_cannot_be_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(RapiGarbled):
        condition_of(words)


CONNECTED = Flag.EV_CONNECTED


@pytest.mark.parametrize(
    "state, flags, offered, high, low",
    [
        (State.A, Flag(0), True, 12, 12),
        (State.B, CONNECTED, True, 9, -12),
        (State.C, CONNECTED, True, 6, -12),
        (State.VENT_REQUIRED, CONNECTED, True, 3, -12),
        (State.DIODE_FAILED, CONNECTED, True, 9, -9),
        (State.SLEEPING, CONNECTED, False, 9, 9),
        (State.SLEEPING, CONNECTED, True, 9, -12),  # about to be woken
        (State.SLEEPING, Flag(0), False, 12, 12),
        (State.STARTING, Flag(0), True, 12, 12),
        (State.STARTING, CONNECTED, True, 9, -12),
        (State.DISABLED, Flag(0), False, -12, -12),
        (State.GFCI_TRIPPED, CONNECTED, False, 9, 9),
        (State.NO_GROUND, Flag(0), False, 12, 12),
    ],
)
def test_each_state_has_its_volts(state: State, flags: Flag, offered: bool, high: float, low: float) -> None:
    assert Condition(state, flags).peaks(offered) == (high, low)


@pytest.mark.parametrize(
    "state, alarm",
    [
        (State.GFCI_TRIPPED, Alarm.RESIDUAL_AC),
        (State.NO_GROUND, Alarm.NO_GROUND),
        (State.STUCK_RELAY, Alarm.CONTACTOR_WELDED),
        (State.GFI_TEST_FAILED, Alarm.RESIDUAL_TEST),
        (State.OVER_TEMPERATURE, Alarm.OVER_TEMPERATURE),
        (State.OVER_CURRENT, Alarm.OVER_CURRENT),
        (State.RELAY_NO_CLOSE, Alarm.CONTACTOR_NO_CLOSE),
        (State.PROXIMITY_SHORT, Alarm.PROXIMITY),
        (State.PROXIMITY_MISSING, Alarm.PROXIMITY),
        (State.MEMORY_FAULT, Alarm.INTERNAL),
    ],
)
def test_each_fault_state_is_an_alarm(state: State, alarm: Alarm) -> None:
    told = Condition(state, CONNECTED)
    assert told.alarms() == (alarm,)
    assert told.faulted


def test_a_fault_that_is_kept_while_asleep_is_still_an_alarm() -> None:
    assert Condition(State.SLEEPING, Flag.HARD_FAULT).alarms() == (Alarm.INTERNAL,)
    assert Condition(State.DIODE_FAILED, Flag.HARD_FAULT).alarms() == ()  # the pilot's levels tell it


@pytest.mark.parametrize("state", [*AWAKE, State.SLEEPING, State.DISABLED])
def test_a_state_without_fault_raises_no_alarm(state: State) -> None:
    assert Condition(state, CONNECTED).alarms() == ()


def test_a_stuck_relay_is_a_closed_one() -> None:
    assert Condition(State.STUCK_RELAY, Flag(0)).closed
    assert not Condition(State.SLEEPING, Flag(0)).closed


@pytest.mark.parametrize("check", CHECK_NAMES)
def test_each_check_that_is_off_is_named(check: int) -> None:
    assert switched_off(("32", f"{check | 0x21:04x}"), ventilated=False) == [CHECK_NAMES[check]]  # type: ignore[index]


def test_with_all_checks_on_nothing_is_named() -> None:
    assert switched_off(("32", "1021"), ventilated=False) == []


def test_a_ventilated_place_needs_no_refusal_of_state_d() -> None:
    assert switched_off(("32", "0004"), ventilated=True) == []
    assert switched_off(("32", "0006"), ventilated=True) == ["diode check"]


def test_the_warmest_sensor_counts_and_those_not_fitted_do_not() -> None:
    assert celsius_of(("231", "-2560", "402")) == 40.2
    assert celsius_of(("-50", "-2560", "-2560")) == -5.0
    assert celsius_of(("-2560", "-2560", "-2560")) is None


def test_lines_are_cut_where_they_end_wherever_the_bytes_are_cut() -> None:
    lines = Lines()
    whole = b"$OK 1^00\r$AT x^01\r$OK"
    assert [line for byte in whole for line in lines.feed(bytes((byte,)))] == [b"$OK 1^00", b"$AT x^01"]
    assert lines.half == b"$OK"


def test_half_a_line_is_dropped_when_the_next_begins() -> None:
    assert Lines().feed(b"noise$OK 0$OK 1^00\rmore noise\r") == [b"$OK 1^00"]


def test_a_line_without_end_does_not_grow() -> None:
    lines = Lines()
    for _ in range(100):
        lines.feed(b"x" * 100)
    assert len(lines.half) == LONGEST_LINE_BYTES
    lines.clear()
    assert lines.half == b""
