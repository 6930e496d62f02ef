"""Card reader or keypad that is a USB keyboard: types digits and ENTER, and is grabbed so that nobody else sees them.

What the digits mean is the reader's own matter - hex or decimal, first byte first or last - so the board file says it.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from hal.drivers.kernel import LINUX, Kernel
from hal.drivers.keyboard import Identity, Keyboard
from hal.drivers.uids import UID_BYTES, ByteOrder, CardKind, Presence, token_of
from hal.slot import DeviceSlot, DriverSettings
from hal.types import BoardError, DeviceGarbled, EvseFacts, Token, TokenKind

TYPED_APART_S = 1.0
"""A reader types a card in some tenths of a second; what lies longer apart was cut short."""

PRESSED_APART_S = 10.0
"""A person at a keypad takes longer; a code left unfinished is forgotten before the next person comes."""

LONGEST_CODE = 36  # OCPP idToken

UsbId = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]


class Settings(DriverSettings, frozen=True, kw_only=True):
    """[evse.reader] with driver = "reader_hid": by `path`, or by USB `vendor` and `product`.

    `format`: what is typed, "text" taken as it is; `kind`: what it identifies. See board-configs/README.md.
    """

    path: str | None = None
    vendor: UsbId | None = None
    product: UsbId | None = None
    format: Literal["decimal", "hex", "text"]
    byte_order: ByteOrder = "as_sent"
    kind: CardKind = "ISO14443"

    def check(self, evse: EvseFacts) -> None:
        """One way to find it; codes are text, and the identifiers of cards are not."""
        ids = (self.vendor is not None, self.product is not None)
        if ids[0] != ids[1] or (self.path is not None) == ids[0]:
            raise BoardError(
                "path",
                "the reader is named twice, by half or not at all",
                "give 'path', or both 'vendor' and 'product'",
            )
        if self.kind == "KeyCode" and self.format != "text":
            raise BoardError(
                "format", f"found '{self.format}' for a KeyCode", 'a code is taken as typed: set format = "text"'
            )
        if TokenKind(self.kind) in UID_BYTES and self.format == "text":
            raise BoardError(
                "format", f"found 'text' for {self.kind}", "say how the reader writes the bytes: decimal or hex"
            )

    def claims(self) -> tuple[str, ...]:
        """The device."""
        return (self.path or f"keyboard {self.vendor:04x}:{self.product:04x}",)

    def nodes(self) -> tuple[str, ...]:
        """All input devices, as DeviceAllow= takes them: a reader that was put back may have another number."""
        return ("char-input",)


class HidReader:
    """The reader of one EVSE. `inputs` and `kernel`: where input devices are, and how they are called."""

    def __init__(
        self, settings: Settings, slot: DeviceSlot, *, inputs: Path = Path("/dev/input"), kernel: Kernel = LINUX
    ) -> None:
        self._settings = settings
        self._slot = slot
        self._kind = TokenKind(settings.kind)
        self._keyboard = Keyboard(slot.device, _which(settings), inputs=inputs, kernel=kernel)
        self._keyboard.path()
        self._presence = Presence()

    def read(self) -> Token | None:
        """The card or code of the last line typed, or None; returns at once. DeviceMissing or DeviceGarbled."""
        now_mono = self._slot.monotonic()
        apart_s = PRESSED_APART_S if self._kind is TokenKind.KEY_CODE else TYPED_APART_S
        line = self._keyboard.next_line(now_mono, apart_s)
        token = self._token_in(line, now_mono) if line is not None else None
        return token if self._presence.is_new(token.uid if token else None, now_mono) else None

    def close(self) -> None:
        """Let go of the device: it types into the console again."""
        self._keyboard.close()

    def _token_in(self, line: str, now_mono: float) -> Token | None:
        settings = self._settings
        if settings.format == "text":
            if len(line) > LONGEST_CODE or not line.isalnum():
                raise self._no_identifier(line)
            return Token(line, self._kind, now_mono)
        uid = _bytes_of(line, settings.format, UID_BYTES.get(self._kind))
        if uid is None:
            raise self._no_identifier(line)
        return token_of(self._slot.device, uid, settings.byte_order, self._kind, now_mono)

    def _no_identifier(self, line: str) -> DeviceGarbled:
        """Without a word of what was typed."""
        why = (
            f"typed {len(line)} characters that are no {self._settings.format} of {self._kind}; mend 'format' or 'kind'"
        )
        return DeviceGarbled(self._slot.device, why)


def _which(settings: Settings) -> Path | Identity:
    if settings.path is not None:
        return Path(settings.path)
    assert settings.vendor is not None, "can't happen because check() wants both or a path"
    assert settings.product is not None, "can't happen because check() wants both or a path"
    return Identity(settings.vendor, settings.product)


def _bytes_of(line: str, written: Literal["decimal", "hex"], lengths: tuple[int, ...] | None) -> bytes | None:
    """The bytes; a decimal number has lost its leading zeros, so it gets the shortest length it fits in."""
    if not line.isascii():
        return None
    if written == "hex":
        try:
            return bytes.fromhex(line)
        except ValueError:
            return None
    if not line.isdigit():
        return None
    number = int(line)
    least = max(1, (number.bit_length() + 7) // 8)
    return number.to_bytes(next((length for length in lengths or () if length >= least), least), "big")
