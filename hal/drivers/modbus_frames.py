"""Which bytes on a Modbus RTU line are the answer to a question, and which belong to somebody else. Pure.

RTU frames carry no number: an answer is told by unit, function, length and checksum alone. What does not fit is a
stray: an answer of another unit, or one that comes too late for its own question.
"""

from pymodbus.framer.rtu import FramerRTU

READ_BITS = (1, 2)
READ_REGISTERS = (3, 4)
WRITES = (5, 6, 15, 16)
EXCEPTION_BIT = 0x80
EXCEPTION_BYTES = 5
WRITE_ANSWER_BYTES = 8
SHORTEST_BYTES = 5


def answer_bytes(function: int, count: int) -> int:
    """Length of the frame that answers a request for `count` bits or registers, with unit and checksum."""
    if function in READ_BITS:
        return 5 + (count + 7) // 8
    if function in READ_REGISTERS:
        return 5 + 2 * count
    return WRITE_ANSWER_BYTES


def find_answer(received: bytes, unit: int, function: int, size: int) -> bytes:
    """The frame of `size` bytes (or the exception) that answers; empty while it is not there whole."""
    for start in range(len(received) - SHORTEST_BYTES + 1):
        if received[start] != unit:
            continue
        code = received[start + 1]
        length = size if code == function else EXCEPTION_BYTES if code == function | EXCEPTION_BIT else 0
        frame = received[start : start + length]
        if length and len(frame) == length and is_frame(frame):
            return frame
    return b""


def find_stray(received: bytes) -> int | None:
    """The unit whose answer (to whatever question) is in the bytes, None when there is none."""
    for start in range(len(received) - SHORTEST_BYTES + 1):
        code = received[start + 1]
        if code & EXCEPTION_BIT:
            length = EXCEPTION_BYTES
        elif code in READ_BITS or code in READ_REGISTERS:
            length = 5 + received[start + 2]
        elif code in WRITES:
            length = WRITE_ANSWER_BYTES
        else:
            continue
        frame = received[start : start + length]
        if len(frame) == length and is_frame(frame):
            return received[start]
    return None


def is_frame(frame: bytes) -> bool:
    """Whether the last two bytes are the checksum of the rest, low byte first."""
    # pymodbus computes the two bytes in the order in which they are sent.
    return FramerRTU.compute_CRC(frame[:-2]).to_bytes(2, "big") == frame[-2:]
