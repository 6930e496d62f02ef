import random

import pytest

from hal.drivers import pn532
from hal.drivers.pn532 import ACK, ACKNOWLEDGED, FrameReader, answer_to, encode, uid_in


def framed(body: bytes) -> bytes:
    length = len(body)
    return b"\x00\x00\xff" + bytes((length, -length % 256)) + body + bytes((-sum(body) % 256, 0))


UID = bytes.fromhex("04A1B2C3D4E5F6")
FOUND = bytes.fromhex("D54B010100440007") + UID


def test_commands_are_framed_as_in_the_manual() -> None:
    assert encode(pn532.GET_FIRMWARE_VERSION) == bytes.fromhex("0000FF02FED4022A00")
    assert encode(pn532.SAM_NORMAL) == bytes.fromhex("0000FF05FBD41401140102 00")
    assert encode(pn532.FIND_CARD) == bytes.fromhex("0000FF04FCD44A0100E100")
    assert encode(pn532.ONE_RETRY) == bytes.fromhex("0000FF06FAD43205FF0101F400")


def test_an_acknowledgement_and_an_answer_are_found() -> None:
    assert FrameReader().feed(ACK + framed(FOUND)) == [ACKNOWLEDGED, FOUND]


def test_frames_are_found_in_whatever_pieces_they_come() -> None:
    reader = FrameReader()
    found = [body for byte in ACK + framed(FOUND) + ACK for body in reader.feed(bytes((byte,)))]
    assert found == [ACKNOWLEDGED, FOUND, ACKNOWLEDGED]
    assert reader.damaged == 0


@pytest.mark.parametrize(
    "noise", [b"\x00\xff", b"\x55\x00\x00\xff\x03", b"\xff\xff\x00", b"\x00\xff\x02\xfe\xd5\x03\x00"]
)
def test_a_frame_after_noise_is_found(noise: bytes) -> None:
    assert FrameReader().feed(noise + framed(FOUND))[-1] == FOUND


@pytest.mark.parametrize(
    "damage",
    [
        lambda frame: frame[:3] + bytes((frame[3] ^ 1,)) + frame[4:],
        lambda frame: frame[:8] + bytes((frame[8] ^ 0x10,)) + frame[9:],
        lambda frame: frame[:-2] + bytes((frame[-2] ^ 1, 0)),
        lambda _: b"\x00\x00\xff\xff\xff\x01\x00\xff" + bytes(255),
        lambda _: b"\x00\x00\xff\x40\xc0" + bytes(70),
    ],
    ids=["length", "body", "checksum", "extended", "too long"],
)
def test_a_damaged_frame_is_counted_and_none(damage: object) -> None:
    reader = FrameReader()
    assert reader.feed(damage(framed(FOUND))) == []  # type: ignore[operator]
    assert reader.damaged >= 1


def test_half_a_frame_is_none_yet() -> None:
    reader = FrameReader()
    assert reader.feed(framed(FOUND)[:-4]) == []
    assert reader.damaged == 0


def test_endless_noise_is_not_kept() -> None:
    reader, dice = FrameReader(), random.Random(1)
    for _ in range(200):
        reader.feed(dice.randbytes(100))
        assert len(reader._bytes) <= 70


def test_an_answer_belongs_to_its_command() -> None:
    assert answer_to(pn532.FIND_CARD, FOUND) == FOUND[2:]
    assert answer_to(pn532.FIELD_ON, FOUND) is None
    assert answer_to(pn532.FIND_CARD, b"\xd4\x4b\x00") is None


def test_the_uid_is_in_the_answer() -> None:
    assert uid_in(FOUND[2:]) == UID
    assert uid_in(FOUND[2:] + b"\x05\x75\x77\x81\x02\x80") == UID  # an ATS behind it


def test_no_card_is_none_whatever_follows() -> None:
    assert uid_in(b"\x00") is None
    assert uid_in(b"\x00\xaa\xaa") is None


@pytest.mark.parametrize("answer", [b"", b"\x01", b"\x02\x01\x00\x04\x08\x04\x01\x02\x03\x04", FOUND[2:-1]])
def test_an_answer_that_cannot_be_is_refused_without_a_word_of_the_uid(answer: bytes) -> None:
    with pytest.raises(ValueError, match=r"neither one card nor none|cut to") as caught:
        uid_in(answer)
    assert "A1B2" not in str(caught.value).upper()
