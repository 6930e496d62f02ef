"""The PN532's frames and the commands a reader needs, as bytes: no port, no clock. NXP UM0701-02, chapters 6 and 7.

A frame is `00 00 FF LEN LCS TFI ... DCS 00`: LEN + LCS and the sum of all from TFI to DCS are 0 modulo 256. TFI is D4
towards the chip, D5 from it. Each command is acknowledged by `00 00 FF 00 FF 00`, then answered by its code + 1.
"""

TO_CHIP, FROM_CHIP = 0xD4, 0xD5
START = b"\x00\xff"
ACK = b"\x00\x00\xff\x00\xff\x00"
"""From the chip: understood. Towards it: stop what you are doing (6.2.1.3)."""

LONGEST_BODY = 56
"""More than any answer to the commands below; a longer frame is none."""

GET_FIRMWARE_VERSION = bytes((0x02,))
SAM_NORMAL = bytes((0x14, 0x01, 0x14, 0x01))  # SAMConfiguration: no security module; also ends the low battery mode
NO_RATS = bytes(
    (0x12, 0x04)
)  # SetParameters: identify only, do not select further (DESFire would then not be seen anew)
ONE_RETRY = bytes((0x32, 0x05, 0xFF, 0x01, 0x01))  # RFConfiguration 5: the default looks for a card without end
FIELD_ON, FIELD_OFF = bytes((0x32, 0x01, 0x01)), bytes((0x32, 0x01, 0x00))
FIND_CARD = bytes((0x4A, 0x01, 0x00))  # InListPassiveTarget: one card, 106 kbit/s type A

CHIP = 0x32
"""First byte of the answer to GetFirmwareVersion."""

ACKNOWLEDGED = b""
SYNTAX_ERROR = b"\x7f"


def encode(command: bytes) -> bytes:
    """The frame of a command."""
    body = bytes((TO_CHIP,)) + command
    return b"\x00" + START + bytes((len(body), -len(body) & 0xFF)) + body + bytes((-sum(body) & 0xFF, 0x00))


class FrameReader:
    """Finds frames in bytes as they come, whatever is between them."""

    def __init__(self) -> None:
        self._bytes = b""
        self.damaged = 0

    def feed(self, received: bytes) -> list[bytes]:
        """The bodies of the frames that are complete now; ACKNOWLEDGED for an acknowledgement.

        What began as a frame and was none is counted in `damaged`.
        """
        self._bytes += received
        found: list[bytes] = []
        while True:
            start = self._bytes.find(START)
            if start < 0:
                self._bytes = self._bytes[-1:]  # half a start code
                return found
            self._bytes = self._bytes[start:]
            if len(self._bytes) < 4:
                return found
            length, check = self._bytes[2:4]
            if (length, check) == (0x00, 0xFF):
                found.append(ACKNOWLEDGED)
                self._bytes = self._bytes[4:]
            elif (length + check) & 0xFF or not 1 <= length <= LONGEST_BODY:
                self._skip_start()
            elif len(self._bytes) < 5 + length:
                return found
            elif sum(self._bytes[4 : 5 + length]) & 0xFF:
                self._skip_start()
            else:
                found.append(self._bytes[4 : 4 + length])
                self._bytes = self._bytes[5 + length :]

    def _skip_start(self) -> None:
        self.damaged += 1
        self._bytes = self._bytes[len(START) :]


def answer_to(command: bytes, body: bytes) -> bytes | None:
    """What `body` answers to that command; None when it is the answer to another one."""
    return body[2:] if body[:2] == bytes((FROM_CHIP, command[0] + 1)) else None


def uid_in(answer: bytes) -> bytes | None:
    """The identifier in an answer to FIND_CARD; None: no card. Raises ValueError for what cannot be an answer.

    Number of cards, then of the first: its number, SENS_RES (2), SEL_RES (1), length of the UID, the UID.
    """
    if answer[:1] == b"\x00":
        return None
    if len(answer) < 6 or answer[0] != 1:
        raise ValueError("neither one card nor none")
    length = answer[5]
    if len(answer) < 6 + length:
        raise ValueError(f"an identifier of {length} bytes, cut to {len(answer) - 6}")
    return answer[6 : 6 + length]
