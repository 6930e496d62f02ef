import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.drivers import yeti
from hal.drivers.yeti import (
    LONGEST_FRAME_BYTES,
    CpState,
    ErrorFlags,
    KeepAlive,
    LockState,
    Packets,
    PowerMeter,
    PpState,
    RelaysClosed,
    Restarted,
    Unused,
    YetiGarbled,
    cobs_decode,
    cobs_encode,
    decode,
    frame,
    unframe,
)

# ---- what the host says, byte by byte as protobuf has it ----


@pytest.mark.parametrize(
    "message, bytes_of_it",
    [
        (yeti.allow_power_on(True), "c00601"),  # field 104, varint 1
        (yeti.allow_power_on(False), "c00600"),
        (yeti.duty(1667), "b806830d"),  # field 103, 1667
        (yeti.duty(yeti.STATE_F), "b80600"),
        (yeti.duty(yeti.STEADY_HIGH), "b806914e"),  # 10 001
        (yeti.connector_lock(True), "b00601"),
        (yeti.three_phases(False), "d00600"),
        (yeti.reset(), "c80601"),
        (yeti.keep_alive(), "a2060a" + "3208" + b"chargerd".hex()),
    ],
)
def test_each_message_of_the_host_is_what_protobuf_makes_of_it(message: bytes, bytes_of_it: str) -> None:
    assert message.hex() == bytes_of_it


# ---- what the board says ----


@pytest.mark.parametrize(
    "message, told",
    [
        ("b00600", CpState.A),
        ("b00602", CpState.C),
        ("b80601", RelaysClosed(True)),
        ("a80600", Restarted(False)),
        ("a80601", Restarted(True)),
        ("d00603", PpState.A32),
        ("d80602", LockState.LOCKED),
        ("c20600", ErrorFlags()),
        ("c206021801", ErrorFlags(rcd_triggered=True)),
        ("c2060408013801", ErrorFlags(diode_fault=True, over_current=True)),
        ("ca060308e05d", Unused(105)),
    ],
)
def test_each_message_of_the_board_is_understood(message: str, told: object) -> None:
    assert decode(bytes.fromhex(message)) == told


def floats(*fields: tuple[int, float]) -> bytes:
    return b"".join(bytes(_key(number)) + struct.pack("<f", value) for number, value in fields)


def _key(number: int) -> list[int]:
    key = number << 3 | 5
    return [key] if key < 128 else [key & 0x7F | 0x80, key >> 7]


def test_a_sign_of_life_tells_what_the_board_is() -> None:
    inner = b"\x18\x02" + b"\x32\x03" + b"2.2" + floats((7, 32.0)) + b"\x48\x03" + b"\x50\x01"
    told = decode(b"\x1a" + bytes((len(inner),)) + inner)
    assert told == KeepAlive(hw_revision=2, software="2.2", max_amps=32.0, max_phases=3, min_phases=1)


def test_a_power_meter_tells_every_phase_and_what_is_left_out_is_0() -> None:
    inner = floats((2, 230.0), (5, 16.0), (6, 15.5), (12, 1234.5), (13, 40.0), (16, 41.5), (17, 3680.0), (20, 50.0))
    told = decode(b"\xe2\x06" + bytes((len(inner),)) + inner)
    assert told == PowerMeter(
        volts=(230.0, 0.0, 0.0),
        amps=(16.0, 15.5, 0.0),
        watts=(3680.0, 0.0, 0.0),
        celsius=(40.0, 0.0, 0.0, 41.5),
        energy_wh=1234.5,
        frequency_hz=50.0,
    )


@pytest.mark.parametrize(
    "message",
    [
        "",  # no field
        "b00600b80601",  # two
        "b006",  # a field without its value
        "b006ffffffffffffffffffff01",  # a number without end
        "b00609",  # no such state
        "d00606",
        "d80603",
        "b20600",  # a state that is bytes
        "c00601",  # the host's own field 104 as a number, not as flags
        "e206051500",  # fewer bytes than announced
        "e20605150000c07f",  # NaN is no voltage
        "b306",  # a group
    ],
)
def test_what_is_no_message_is_refused(message: str) -> None:
    with pytest.raises(YetiGarbled):
        decode(bytes.fromhex(message))


@given(st.binary(max_size=200))
def test_no_bytes_at_all_do_more_than_be_refused(data: bytes) -> None:
    for take in (decode, unframe):
        with contextlib.suppress(YetiGarbled):
            take(data)


# ---- frames ----


@pytest.mark.parametrize(
    "plain, encoded",
    [("", "01"), ("00", "0101"), ("0000", "010101"), ("11220033", "0311220233"), ("11223344", "0511223344")],
)
def test_zero_bytes_are_replaced_by_distances(plain: str, encoded: str) -> None:
    assert cobs_encode(bytes.fromhex(plain)).hex() == encoded
    assert cobs_decode(bytes.fromhex(encoded)).hex() == plain


@given(st.binary(max_size=253))
def test_what_is_encoded_has_no_zero_byte_and_decodes_to_itself(data: bytes) -> None:
    encoded = cobs_encode(data)
    assert 0 not in encoded
    assert cobs_decode(encoded) == data


def test_a_run_without_zero_is_cut_after_254_bytes() -> None:
    run = bytes(range(1, 255))
    assert cobs_decode(b"\xff" + run) == run
    assert cobs_decode(b"\xff" + run + b"\x02\xff") == run + b"\xff"
    assert cobs_decode(b"\xff" + run + b"\x01\x02\xff") == run + b"\x00\xff"


@pytest.mark.parametrize("packet", ["05112233", "00", "ff", "0211ff"])
def test_a_distance_beyond_the_end_is_refused(packet: str) -> None:
    with pytest.raises(YetiGarbled):
        cobs_decode(bytes.fromhex(packet))


def test_the_checksum_is_jamcrc() -> None:
    assert cobs_decode(frame(b"123456789")[:-1]) == b"123456789" + (0x340BC6D9).to_bytes(4, "little")


def test_a_frame_gives_its_message_back() -> None:
    packet = frame(yeti.duty(5333))
    assert packet.endswith(b"\0")
    assert unframe(packet[:-1]) == yeti.duty(5333)


def test_every_single_damaged_bit_is_noticed() -> None:
    packet = frame(yeti.duty(5333))[:-1]
    for index in range(len(packet) * 8):
        damaged = bytearray(packet)
        damaged[index // 8] ^= 1 << index % 8
        with pytest.raises(YetiGarbled):
            unframe(bytes(damaged))


def test_packets_are_cut_where_they_end_wherever_the_bytes_are_cut() -> None:
    packets = Packets()
    stream = frame(yeti.reset()) + b"\0" + frame(yeti.duty(1))
    found = [packet for byte in stream for packet in packets.feed(bytes((byte,)))]
    assert [unframe(packet) for packet in found] == [yeti.reset(), yeti.duty(1)]


def test_a_packet_without_end_does_not_grow_and_does_not_check_out() -> None:
    packets = Packets()
    for _ in range(100):
        packets.feed(b"x" * 100)
    (packet,) = packets.feed(b"\0")
    assert len(packet) <= LONGEST_FRAME_BYTES + 100
    with pytest.raises(YetiGarbled):
        unframe(packet)
    packets.feed(b"half")
    packets.clear()
    assert packets.feed(b"\0") == []
