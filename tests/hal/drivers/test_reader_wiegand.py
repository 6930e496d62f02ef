import errno
import os
import time
from pathlib import Path
from typing import Any

import gpiod
import pytest
from gpiod.line import Bias, Clock, Edge

from hal.drivers.reader_wiegand import (
    EVENTS_KEPT,
    GpiodPulses,
    Pulse,
    Settings,
    WiegandReader,
    bytes_of,
    has_parity,
    split_frame,
)
from hal.types import BoardError, DeviceGarbled, DeviceMissing, Token, TokenKind
from tests.hal.drivers.wiegand_wires import Wires, frame_of
from tests.hal.plants import World


@pytest.fixture
def wires(tmp_path: Path) -> Wires:
    return Wires(tmp_path / "gpiochip0")


def reader_of(wires: Wires, world: World | None = None, **values: Any) -> WiegandReader:
    settings = Settings(**{"chip": str(wires.chip), "d0": 5, "d1": 6, "bits": 34, **values})
    return WiegandReader(settings, (world or World()).slot("reader"), wires.open)


@pytest.mark.parametrize("card, bits", [("A1B2C3", 26), ("04A1B2C3", 34)])
def test_a_card_is_read(wires: Wires, card: str, bits: int) -> None:
    world = World()
    reader = reader_of(wires, world, bits=bits)
    wires.show(frame_of(card))
    assert reader.read() == Token(card, TokenKind.LOCAL, world.mono)
    assert reader.read() is None


def test_34_bits_may_hold_a_short_uid_last_byte_first(wires: Wires) -> None:
    reader = reader_of(wires, kind="ISO14443", byte_order="reversed")
    wires.show(frame_of("C3B2A104"))
    token = reader.read()
    assert token is not None
    assert (token.uid, token.kind) == ("04A1B2C3", TokenKind.ISO14443)


def test_a_random_uid_is_no_token(wires: Wires) -> None:
    reader = reader_of(wires, kind="ISO14443")
    wires.show(frame_of("08A1B2C3"))
    assert reader.read() is None


def test_two_cards_that_came_before_they_were_fetched_are_two(wires: Wires) -> None:
    reader = reader_of(wires)
    wires.show(frame_of("04A1B2C3"))
    wires.show(frame_of("05A1B2C3"))
    found = [reader.read() for _ in range(3)]
    assert [token.uid if token else None for token in found] == ["04A1B2C3", "05A1B2C3", None]


def test_a_reader_that_repeats_a_card_presents_it_once(wires: Wires) -> None:
    world = World()
    reader = reader_of(wires, world)
    found = []
    for _ in range(5):
        wires.show(frame_of("04A1B2C3"))
        found.append(reader.read())
        world.wait(0.3)
    assert [token is not None for token in found] == [True, False, False, False, False]


@pytest.mark.parametrize("card", ["00000000", "FFFFFFFF"])
def test_what_a_dead_line_sends_is_no_card(wires: Wires, card: str) -> None:
    reader = reader_of(wires)
    wires.show(frame_of(card))
    with pytest.raises(DeviceGarbled, match="equal bytes"):
        reader.read()


@pytest.mark.parametrize("position", [0, 1, 16, 17, 32, 33])
def test_a_bit_that_fell_over_is_seen_by_its_parity(wires: Wires, position: int) -> None:
    reader = reader_of(wires)
    bits = frame_of("04A1B2C3")
    bits[position] ^= 1
    wires.show(bits)
    with pytest.raises(DeviceGarbled, match="34 bits with wrong parity") as caught:
        reader.read()
    assert "A1B2" not in str(caught.value)


@pytest.mark.parametrize("count", [1, 25, 33, 35, 100])
def test_a_frame_of_another_length_is_garbled_and_the_next_is_read(wires: Wires, count: int) -> None:
    reader = reader_of(wires)
    wires.show([1, 0] * (count // 2) + [1] * (count % 2))
    with pytest.raises(DeviceGarbled, match=f"read a frame of {count} bits, expected 34; check D0 and D1"):
        reader.read()
    wires.show(frame_of("04A1B2C3"))
    assert reader.read() is not None


def test_pulses_without_end_are_told_in_time(wires: Wires) -> None:
    reader = reader_of(wires)
    wires.endless = True
    begin = time.monotonic()
    with pytest.raises(DeviceGarbled, match="pulses without end"):
        reader.read()
    assert time.monotonic() - begin <= 0.5
    wires.endless = False
    wires.show(frame_of("04A1B2C3"))
    assert _until_quiet(reader) == "04A1B2C3"


def _until_quiet(reader: WiegandReader) -> str | None:
    """The first card after what is left of the noise."""
    for _ in range(EVENTS_KEPT):
        try:
            if (token := reader.read()) is not None:
                return token.uid
        except DeviceGarbled:
            continue
    return None


def test_a_frame_that_is_still_coming_is_waited_for(tmp_path: Path) -> None:
    class Slow(Wires):
        """One pulse at each look."""

        def take(self) -> list[Pulse]:
            return [self._pulses.popleft()]

    wires = Slow(tmp_path / "gpiochip0")
    reader = reader_of(wires)
    wires.show(frame_of("04A1B2C3"))
    assert reader.read() is not None


def test_a_frame_that_does_not_end_in_time_is_ended_by_the_next_call(tmp_path: Path) -> None:
    class Slower(Wires):
        """A pulse each 20 ms, which is as slow as they may come."""

        def wait(self, seconds: float) -> bool:
            time.sleep(0.02)
            return super().wait(seconds)

        def take(self) -> list[Pulse]:
            return [self._pulses.popleft()]

    wires = Slower(tmp_path / "gpiochip0")
    reader = reader_of(wires)
    wires.show(frame_of("04A1B2C3"), gap_ns=20_000_000)
    begin = time.monotonic()
    assert reader.read() is None
    assert time.monotonic() - begin <= 0.5
    tokens = [reader.read() for _ in range(5)]
    assert [token.uid for token in tokens if token] == ["04A1B2C3"]


def test_lines_that_fail_are_missing_and_work_again(wires: Wires) -> None:
    reader = reader_of(wires)
    wires.error = OSError(errno.ENODEV, os.strerror(errno.ENODEV))
    with pytest.raises(DeviceMissing, match=r"evse\[0\].reader: the lines of .* are gone \(No such device\)"):
        reader.read()
    with pytest.raises(DeviceMissing, match=r"lines 5 and 6 of .* cannot be used"):
        reader.read()
    wires.error = None
    wires.show(frame_of("04A1B2C3"))
    assert reader.read() is not None
    reader.close()
    reader.close()
    assert wires.opened == 0


def test_lines_that_another_holds_are_missing(wires: Wires) -> None:
    wires.error = OSError(errno.EBUSY, os.strerror(errno.EBUSY))
    with pytest.raises(DeviceMissing, match=r"lines 5 and 6 of .* cannot be used .*Device or resource busy"):
        reader_of(wires)


def test_a_chip_that_is_not_there_is_missing(tmp_path: Path) -> None:
    settings = Settings(chip=str(tmp_path / "gpiochip9"), d0=5, d1=6, bits=26)
    with pytest.raises(DeviceMissing, match="/gpiochip9 is not there; mend 'chip'"):
        WiegandReader(settings, World().slot("reader"))


def test_the_real_kernel_says_why_a_file_is_no_chip(wires: Wires) -> None:
    settings = Settings(chip=str(wires.chip), d0=5, d1=6, bits=26)
    with pytest.raises(DeviceMissing, match=r"lines 5 and 6 of .* cannot be used"):
        WiegandReader(settings, World().slot("reader"))


# ---- pure ----


def test_frames_are_split_by_silence() -> None:
    first, second = [(1, 0), (0, 2_000_000)], [(1, 40_000_000)]
    assert split_frame([*first, *second]) == ([1, 0], second)
    assert split_frame([]) == ([], [])


def test_a_known_frame_of_26_bits() -> None:
    """Site 123, card 45678: 01111011 1011001001101110; even parity over six ones, odd over nine."""
    bits = [int(bit) for bit in "1" + "01111011" + "1011001001101110" + "0"]
    parity = [sum(bits[1:13]) % 2, *bits[1:25], 1 - sum(bits[13:25]) % 2]
    assert has_parity(parity)
    assert bytes_of(parity) == bytes((123, 45678 >> 8, 45678 & 0xFF))


# ---- gpiod ----


class Request:
    """A gpiod line request with these events."""

    def __init__(self, events: list[tuple[int, int]]) -> None:
        self.events = events
        self.released = False

    def wait_edge_events(self, timeout: float) -> bool:
        assert timeout == 0.025
        return bool(self.events)

    def read_edge_events(self, most: int) -> list[gpiod.EdgeEvent]:
        falling = gpiod.EdgeEvent.Type.FALLING_EDGE.value
        return [gpiod.EdgeEvent(falling, at, line, 0, 0) for line, at in self.events[:most]]

    def release(self) -> None:
        self.released = True


def test_falling_edges_of_both_lines_are_asked_for_and_told_apart(wires: Wires) -> None:
    asked: dict[str, Any] = {}
    request = Request([(5, 100), (6, 200)])

    def request_lines(chip: str, **values: Any) -> Any:
        asked.update(values, chip=chip)
        return request

    settings = Settings(chip=str(wires.chip), d0=5, d1=6, bits=26, bias="pull_up")
    pulses = GpiodPulses(settings, request_lines)
    (lines, edges), *_ = asked["config"].items()
    assert (asked["chip"], lines, asked["event_buffer_size"]) == (str(wires.chip), (5, 6), EVENTS_KEPT)
    assert (edges.edge_detection, edges.bias, edges.event_clock) == (Edge.FALLING, Bias.PULL_UP, Clock.MONOTONIC)
    assert pulses.wait(0.025)
    assert pulses.take() == [(0, 100), (1, 200)]
    pulses.close()
    assert request.released


# ---- settings ----


def test_settings_that_cannot_be_are_refused() -> None:
    facts = World().evse.facts
    with pytest.raises(BoardError, match="line 5 is d0 as well"):
        Settings(chip="/dev/gpiochip0", d0=5, d1=5, bits=26).check(facts)
    with pytest.raises(BoardError, match="26 bits hold 3 bytes"):
        Settings(chip="/dev/gpiochip0", d0=5, d1=6, bits=26, kind="ISO14443").check(facts)
    Settings(chip="/dev/gpiochip0", d0=5, d1=6, bits=34, kind="ISO14443").check(facts)


def test_it_claims_its_lines() -> None:
    assert Settings(chip="/dev/gpiochip0", d0=5, d1=6, bits=26).claims() == (
        "gpio /dev/gpiochip0 5",
        "gpio /dev/gpiochip0 6",
    )
