"""The plant's card reader: a PN532 that sees the cards of `present_token`, its serial port a pseudo-terminal.

Its frames are written and read here once more, not by the driver's code: a mistake on one side shows on the other.
"""

from pathlib import Path

from hal.sim.faults import Fault
from hal.sim.plant import PlantEvse
from hal.sim.pty_port import PtyPort
from hal.sim.settings import PlantPeer
from hal.types import TokenKind

HELD_S = 0.7
"""How long people hold a card to a reader, and how long they take to show the next one."""

ACK = bytes.fromhex("0000ff00ff00")
SYNTAX_ERROR = bytes.fromhex("0000ff01ff7f8100")
FIRMWARE = bytes.fromhex("32010607")
ATS = bytes.fromhex("067577810280")
"""What a card of ISO/IEC 14443-4 adds when it is selected further."""

ENDLESS = 0xFF


class Card:
    """A card at the reader. `is_selected`: it was read, and is deaf until the field was off."""

    def __init__(self, uid: bytes, until_mono: float) -> None:
        self.uid = uid
        self.until_mono = until_mono
        self.is_selected = False


class Pn532Chip:
    """The chip as seen on any of its three ports: bytes in, frames out. It begins asleep, as after power-up."""

    def __init__(self, evse: PlantEvse) -> None:
        self._evse = evse
        self._card: Card | None = None
        self._next_card_mono = 0.0
        self.lose_power()

    def lose_power(self) -> None:
        """Everything that was set is forgotten."""
        self._received = b""
        self.is_awake = False
        self._in_normal_mode = False
        self._retries = ENDLESS
        self.selects_further = True
        self.field_on = False

    def wake(self) -> None:
        """Somebody spoke to it: its address on I2C, chip select on SPI, two bytes of 55 on the UART."""
        self.is_awake = True

    def take(self, received: bytes) -> list[bytes]:
        """The frames it sends for what it received; none while it is frozen."""
        self._received = (self._received + received)[-512:]
        frames: list[bytes] = []
        while (start := self._received.find(b"\x00\xff")) >= 0:
            head = self._received[start + 2 : start + 4]
            if len(head) < 2:
                break
            length, check = head
            end = start + 4 + (length + 1 if length else 0)
            if (length + check) % 256 or not length:
                self._received = self._received[start + 2 :]
                continue
            if len(self._received) < end:
                break
            body, self._received = self._received[start + 4 : end - 1], self._received[end:]
            frames += self._obey(body)
        with self._evse.plant.lock:
            return [] if Fault.FREEZE_READER in self._evse.faults else frames

    def _obey(self, body: bytes) -> list[bytes]:
        if not self.is_awake or body[:1] != b"\xd4":
            return []
        code, values = body[1], body[2:]
        answer: bytes | None = b""
        if code == 0x14:
            self._in_normal_mode = values[:1] == b"\x01"
        elif not self._in_normal_mode:
            return []
        elif code == 0x02:
            answer = FIRMWARE
        elif code == 0x32 and values[:1] == b"\x05":
            self._retries = values[3]
        elif code == 0x32 and values[:1] == b"\x01":
            self._switch_field(bool(values[1] & 1))
        elif code == 0x4A:
            answer = self._list_cards()
        elif code == 0x12:
            self.selects_further = bool(values[0] & 0x10)
        else:
            return [ACK, SYNTAX_ERROR]
        return [ACK] if answer is None else [ACK, _frame(bytes((0xD5, code + 1)) + answer)]

    def _switch_field(self, on: bool) -> None:
        self.field_on = on
        if not on and self._card is not None:
            self._card.is_selected = False

    def _list_cards(self) -> bytes | None:
        """What it found; None while it looks on without end."""
        card = self._card_in_field() if self.field_on else None
        if card is None or card.is_selected:
            return None if self._retries == ENDLESS else b"\x00"
        card.is_selected = True
        return b"\x01\x01\x03\x44\x20" + bytes((len(card.uid),)) + card.uid + (ATS if self.selects_further else b"")

    def _card_in_field(self) -> Card | None:
        with self._evse.plant.lock:
            now_mono = self._evse.catch_up()
            if self._card is not None and now_mono >= self._card.until_mono:
                self._next_card_mono = self._card.until_mono + HELD_S
                self._card = None
            while self._card is None and self._evse.tokens and now_mono >= self._next_card_mono:
                token = self._evse.tokens.popleft()
                if token.kind is TokenKind.ISO14443 and (uid := _uid(token.uid)):
                    self._card = Card(uid, now_mono + HELD_S)
            return self._card


class Pn532Server:
    """Serves the chip's UART at `path` (a link to the pseudo-terminal) until it is closed."""

    def __init__(self, evse: PlantEvse, peer: PlantPeer, path: Path) -> None:
        self.chip = Pn532Chip(evse)
        self._port = PtyPort(evse, "plant reader", path)
        self._port.start(self._run, "pn532")

    def close(self) -> None:
        """Stop the thread and take the port away, as when the adapter is pulled out."""
        self._port.close()

    def _run(self) -> None:
        while self._port.wait() is not None:
            received = self._port.read()
            if b"\x55\x55" in received:
                self.chip.wake()
            for frame in self.chip.take(received):
                self._port.write(frame)


def _frame(body: bytes) -> bytes:
    length = len(body)
    return b"\x00\x00\xff" + bytes((length, (256 - length) % 256)) + body + bytes(((256 - sum(body)) % 256, 0))


def _uid(text: str) -> bytes | None:
    """The card's bytes; None for what no card of type A has (a code that somebody typed elsewhere)."""
    try:
        uid = bytes.fromhex(text)
    except ValueError:
        return None
    return uid if len(uid) in {4, 7, 10} else None
