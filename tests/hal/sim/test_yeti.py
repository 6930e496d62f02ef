"""The simulated Yeti board against what its firmware has to do, in its own bytes."""

import struct

import pytest

from hal.sim.yeti import BOOT_S, DEAD_MAN_S, LOCKED, PERIOD_S, UNDEFINED, UNLOCKED, YetiBoard
from hal.types import PilotMode
from tests.hal.sim.controller_rig import Rig


def crc(message: bytes) -> bytes:
    value = 0xFFFFFFFF
    for byte in message:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
    return value.to_bytes(4, "little")


def framed(message: str) -> bytes:
    plain = bytes.fromhex(message) + crc(bytes.fromhex(message))
    return b"".join(bytes((len(block) + 1,)) + block for block in plain.split(b"\0")) + b"\0"


def plain(frame: bytes) -> str:
    """The message in a frame, its checksum checked."""
    packet, out = frame[:-1], b""
    while packet:
        out += packet[1 : packet[0]] + b"\0"
        packet = packet[packet[0] :]
    assert frame.endswith(b"\0")
    assert crc(out[:-5]) == out[-5:-1]
    return out[:-5].hex()


KEEP_ALIVE, ALLOW, FORBID, RESET = "a20600", "c00601", "c00600", "c80601"
X1, STATE_F, DUTY_16_A = "b806914e", "b80600", "b806eb14"  # 2667 hundredths
LOCK, UNLOCK, ONE_PHASE, THREE_PHASES = "b00601", "b00600", "d00600", "d00601"


@pytest.fixture
def rig() -> Rig[YetiBoard]:
    rig = Rig[YetiBoard](lambda world, say: YetiBoard(world.evse, say))
    rig.live(BOOT_S + 0.1)
    return rig


def told(rig: Rig[YetiBoard]) -> list[str]:
    """What it has said since it was asked last, as messages."""
    messages = [plain(frame) for frame in rig.said]
    rig.said.clear()
    return messages


def tell(rig: Rig[YetiBoard], *messages: str) -> None:
    for message in messages:
        rig.say(framed(message))


def charge(rig: Rig[YetiBoard], *quirks: str) -> None:
    tell(rig, KEEP_ALIVE, DUTY_16_A, ALLOW)
    rig.evse.plug_in(quirks=quirks)
    rig.evse.ev_ready()
    rig.until(rig.closed, 3.0)


def test_it_says_that_it_has_started_and_then_everything_there_is(rig: Rig[YetiBoard]) -> None:
    messages = told(rig)
    assert messages[0] == "a80600"  # started, not by its watchdog
    assert {"b00600", "b80600", "c20600", "d00600", f"d8060{UNLOCKED}"} <= set(messages)
    assert any(message.startswith("1a") for message in messages)  # a sign of life


def test_a_sign_of_life_and_a_sample_come_each_second_and_nothing_else_at_rest(rig: Rig[YetiBoard]) -> None:
    told(rig)
    rig.live(5 * PERIOD_S + 0.1)
    kinds = [message[:4] for message in told(rig)]
    assert kinds.count("e206") == kinds.count("ca06") == 5  # samples, telemetry
    assert len(kinds) == 15  # and signs of life


def test_each_change_is_told_once_and_at_once(rig: Rig[YetiBoard]) -> None:
    told(rig)
    rig.evse.plug_in(cable_amps=20)
    rig.live(0.2)
    assert [message for message in told(rig) if message[:4] in {"b006", "d006"}] == ["d00602", "b00601"]


def test_it_closes_with_permission_for_a_vehicle_that_asks_and_not_without(rig: Rig[YetiBoard]) -> None:
    tell(rig, KEEP_ALIVE, DUTY_16_A)
    rig.evse.plug_in()
    rig.evse.ev_ready()
    rig.live(2.0)
    assert not rig.closed()
    tell(rig, KEEP_ALIVE, ALLOW)
    rig.until(rig.closed, 0.2)
    assert "b80601" in told(rig)


def test_permission_alone_closes_nothing(rig: Rig[YetiBoard]) -> None:
    tell(rig, KEEP_ALIVE, ALLOW, DUTY_16_A)
    rig.live(1.0)
    assert not rig.closed()


def test_without_permission_it_opens_at_once(rig: Rig[YetiBoard]) -> None:
    charge(rig)
    tell(rig, FORBID)
    assert rig.until(lambda: not rig.closed()) <= 0.05


def test_it_opens_by_itself_within_100_ms_when_the_vehicle_goes_or_stops_asking(rig: Rig[YetiBoard]) -> None:
    charge(rig)
    rig.evse.plug_out(force=True)
    assert rig.until(lambda: not rig.closed()) <= 0.1
    charge(rig)
    rig.evse.ev_pause()
    rig.until(lambda: not rig.evse.vehicle or not rig.evse.vehicle.s2_closed)
    assert rig.until(lambda: not rig.closed()) <= 0.1


def test_a_soft_stop_stays_closed_until_the_vehicle_has_stopped(rig: Rig[YetiBoard]) -> None:
    charge(rig)
    rig.live(2.0)
    tell(rig, KEEP_ALIVE, X1)
    rig.live(0.1)
    assert rig.closed()
    rig.until(lambda: not rig.closed(), 3.0)
    assert rig.evse.state().vehicle_amps == 0.0


def test_without_signs_of_life_of_the_host_it_opens_and_offers_nothing(rig: Rig[YetiBoard]) -> None:
    charge(rig)
    tell(rig, KEEP_ALIVE)
    assert rig.until(lambda: not rig.closed(), DEAD_MAN_S + 1.0) == pytest.approx(DEAD_MAN_S, abs=0.2)
    assert rig.evse.state().pilot_mode is PilotMode.STEADY_HIGH


def test_with_signs_of_life_it_goes_on(rig: Rig[YetiBoard]) -> None:
    charge(rig)
    for _ in range(10):
        rig.live(1.0)
        tell(rig, KEEP_ALIVE)
    assert rig.closed()


@pytest.mark.parametrize(
    "fault, flags",
    [
        ("trip_rcd", "c206021801"),
        ("trip_rcd_dc", "c206021801"),
        ("no_diode", "c206020801"),
        ("short_pilot", "c206023001"),
    ],
)
def test_what_is_wrong_opens_and_is_told_in_its_flags(rig: Rig[YetiBoard], fault: str, flags: str) -> None:
    charge(rig)
    told(rig)
    rig.evse.fault(fault)
    assert rig.until(lambda: not rig.closed()) <= 0.1
    assert flags in told(rig)


def test_a_trip_is_over_when_the_vehicle_has_gone(rig: Rig[YetiBoard]) -> None:
    charge(rig)
    rig.evse.fault("trip_rcd")
    rig.live(0.2)
    rig.evse.clear_fault("trip_rcd")
    told(rig)
    rig.live(0.2)
    assert "c20600" not in told(rig)
    rig.evse.plug_out(force=True)
    rig.live(0.2)
    assert "c20600" in told(rig)
    charge(rig)


def test_a_self_test_that_fails_keeps_it_open(rig: Rig[YetiBoard]) -> None:
    rig.evse.fault("rcd_test_fails")
    tell(rig, KEEP_ALIVE, DUTY_16_A, ALLOW)
    rig.evse.plug_in()
    rig.evse.ev_ready()
    rig.live(2.0)
    assert not rig.closed()
    assert "c206021001" in told(rig)


def test_a_vehicle_that_needs_ventilation_is_refused(rig: Rig[YetiBoard]) -> None:
    tell(rig, KEEP_ALIVE, DUTY_16_A, ALLOW)
    rig.evse.plug_in(quirks=("ventilation",))
    rig.evse.ev_ready()
    rig.live(2.0)
    assert not rig.closed()
    assert "c206022001" in told(rig)


def test_the_pilot_shows_what_it_is_told(rig: Rig[YetiBoard]) -> None:
    tell(rig, KEEP_ALIVE, DUTY_16_A)
    assert rig.evse.offer_amps == pytest.approx(16.0, abs=0.01)
    tell(rig, X1)
    assert rig.evse.state().pilot_mode is PilotMode.STEADY_HIGH
    tell(rig, STATE_F)
    assert rig.evse.state().pilot_mode is PilotMode.STEADY_LOW
    rig.live(0.2)
    assert "b00605" in told(rig)


def test_the_lock_moves_and_tells_where_it_is(rig: Rig[YetiBoard]) -> None:
    told(rig)
    tell(rig, KEEP_ALIVE, LOCK)
    rig.live(0.5)
    assert [m for m in told(rig) if m.startswith("d806")] == [f"d8060{UNDEFINED}", f"d8060{UNLOCKED}", f"d8060{LOCKED}"]
    tell(rig, UNLOCK)
    rig.live(0.5)
    assert told(rig)[-1] != f"d8060{LOCKED}"
    assert not rig.evse.locked


def test_phases_change_while_it_is_open_only(rig: Rig[YetiBoard]) -> None:
    charge(rig)
    tell(rig, KEEP_ALIVE, ONE_PHASE)
    rig.live(0.5)
    assert rig.evse.phases == 3
    tell(rig, FORBID)
    rig.live(0.5)
    assert rig.evse.phases == 1
    tell(rig, THREE_PHASES)
    rig.live(0.5)
    assert rig.evse.phases == 3


def test_told_to_start_anew_it_forgets_everything_and_tells_it_again(rig: Rig[YetiBoard]) -> None:
    charge(rig)
    told(rig)
    tell(rig, RESET, ALLOW)
    rig.live(0.1)
    assert not rig.closed()
    rig.live(BOOT_S)
    messages = told(rig)
    assert messages[0] == "a80600"
    assert "b00602" in messages or "b00601" in messages
    assert not rig.controller.allowed


def test_a_sample_has_the_values_of_the_meter(rig: Rig[YetiBoard]) -> None:
    charge(rig)
    rig.live(5.0)
    tell(rig, KEEP_ALIVE)
    told(rig)
    rig.live(1.0)
    sample = bytes.fromhex(next(message for message in told(rig) if message.startswith("e206")))
    (volts,) = struct.unpack("<f", sample[sample.index(b"\x15") + 1 :][:4])
    assert volts == pytest.approx(230, abs=3)


def test_what_does_not_check_out_is_not_obeyed(rig: Rig[YetiBoard]) -> None:
    frame = bytearray(framed(ALLOW))
    frame[2] ^= 0x10
    rig.say(bytes(frame))
    rig.say(b"\xff" * 1000 + b"\0")
    rig.say(b"\0\0\0")
    assert not rig.controller.allowed
    tell(rig, ALLOW)
    assert rig.controller.allowed
