"""Card reader on a PN532 by UART, I2C or SPI: MIFARE, NTAG, DESFire and other cards of ISO/IEC 14443 type A.

Each poll switches the field on, looks for one card and switches it off again: a card that was read once stays selected
as long as the field lasts, and does not answer the next poll.
"""

import time
from pathlib import Path
from typing import Annotated

import msgspec

from hal.drivers import pn532
from hal.drivers.i2c import I2cPort, i2c_claim
from hal.drivers.kernel import LINUX, Kernel
from hal.drivers.pn532_wires import I2C_ADDRESS, I2cWire, SpiWire, UartWire, Wire
from hal.drivers.spi import SpiPort
from hal.drivers.uids import ByteOrder, Presence, token_of
from hal.slot import DeviceSlot, DriverSettings
from hal.types import BoardError, DeviceGarbled, DeviceMissing, DeviceSilent, EvseFacts, HalError, Token, TokenKind

POLL_S = 0.19
"""Every second call of a caller that asks each tenth of a second; people notice 0.3 s."""

POWER_UP_S = 0.005  # ISO/IEC 14443-3 clause 5: a card may need that long in the field before it listens
ANSWER_S = 0.3
"""The chip answers in some 10 ms; it may be busy with a card at the edge of the field."""

CALL_S = 0.4
"""One call of `read` may take 0.5 s (hal/interfaces.py); the last answer and the closing are in the rest."""

REOPEN_AFTER = 3
"""So many failures in a row and the port is opened anew: a USB adapter may have come back under the same name."""


class Settings(DriverSettings, frozen=True, kw_only=True):
    """[evse.reader] with driver = "reader_pn532": a serial `port`, or an `i2c` bus, or an `spi` device; one of them.

    `spi_hz`: clock of the SPI bus. `byte_order`: of the identifier; the chip gives it as cards send it.
    """

    port: str | None = None
    i2c: str | None = None
    spi: str | None = None
    spi_hz: Annotated[int, msgspec.Meta(ge=100_000, le=5_000_000)] = 1_000_000
    byte_order: ByteOrder = "as_sent"

    def check(self, evse: EvseFacts) -> None:
        """One way to the chip."""
        given = [way for way in (self.port, self.i2c, self.spi) if way is not None]
        if len(given) != 1:
            raise BoardError(
                "port", f"found {len(given)} of 'port', 'i2c' and 'spi'", "give the one that the chip is wired to"
            )

    def maker(self) -> tuple[str, str]:
        """The chip."""
        return "NXP", "PN532"

    def claims(self) -> tuple[str, ...]:
        """The port, the SPI device, or the chip's address on the I2C bus."""
        return (i2c_claim(self.i2c, I2C_ADDRESS) if self.i2c is not None else self.path,)

    @property
    def path(self) -> str:
        """The device node, whichever it is."""
        path = self.port or self.i2c or self.spi
        assert path is not None, "can't happen because check() wants one of them"
        return path


class Pn532Reader:
    """The reader of one EVSE. `kernel`: the calls to I2C and SPI; `patience`: factor on all times to wait."""

    def __init__(self, settings: Settings, slot: DeviceSlot, *, kernel: Kernel = LINUX, patience: float = 1.0) -> None:
        if not Path(settings.path).exists():
            raise DeviceMissing(
                slot.device,
                f"{settings.path} is not there; plug the reader in or enable the bus, or mend the board file",
            )
        self._slot = slot
        self._byte_order = settings.byte_order
        self._chip = Chip(slot.device, _wire(settings, slot.device, kernel), patience)
        self._presence = Presence()
        self._failures = 0
        self._polled_mono = -POLL_S

    def read(self) -> Token | None:
        """The card that came since the last call, or None. DeviceMissing, DeviceSilent or DeviceGarbled."""
        if self._slot.monotonic() - self._polled_mono < POLL_S:
            return None
        self._polled_mono = self._slot.monotonic()
        try:
            uid = self._chip.find_card()
            at_mono = self._slot.monotonic()
            token = None
            if uid is not None:
                token = token_of(self._slot.device, uid, self._byte_order, TokenKind.ISO14443, at_mono)
        except HalError:
            self._failures += 1
            if self._failures % REOPEN_AFTER == 0:
                self._chip.close()
            raise
        self._failures = 0
        return token if self._presence.is_new(token.uid if token else None, at_mono) else None

    def close(self) -> None:
        """Give the port back; the field is off between polls."""
        self._chip.close()


class Chip:
    """The conversation with the chip. After any failure the next one begins with waking it and setting it up."""

    def __init__(self, device: str, wire: Wire, patience: float) -> None:
        self._device = device
        self._wire = wire
        self._patience = patience
        self._is_set_up = False
        self._deadline_s = 0.0

    def find_card(self) -> bytes | None:
        """The identifier of a card in the field, as sent; None: no card."""
        self._deadline_s = time.monotonic() + CALL_S * self._patience
        is_set_up, self._is_set_up = self._is_set_up, False
        if not is_set_up:
            self._set_up()
        self._ask(pn532.FIELD_ON)
        time.sleep(POWER_UP_S)
        answer = self._ask(pn532.FIND_CARD)
        self._ask(pn532.FIELD_OFF)
        try:
            uid = pn532.uid_in(answer)
        except ValueError as error:
            raise DeviceGarbled(self._device, f"the chip on {self._wire.name} tells of {error}") from error
        self._is_set_up = True
        return uid

    def close(self) -> None:
        """Give the port back."""
        self._is_set_up = False
        self._wire.close()

    def _set_up(self) -> None:
        self._wire.wake()
        self._ask(pn532.SAM_NORMAL)
        version = self._ask(pn532.GET_FIRMWARE_VERSION)
        if version[:1] != bytes((pn532.CHIP,)):
            raise DeviceGarbled(self._device, f"what answers on {self._wire.name} is no PN532 ({version.hex()})")
        self._ask(pn532.NO_RATS)
        self._ask(pn532.ONE_RETRY)

    def _ask(self, command: bytes) -> bytes:
        """The answer to a command, once it was acknowledged."""
        frames = pn532.FrameReader()
        self._wire.send(pn532.encode(command))
        until_s = min(time.monotonic() + ANSWER_S * self._patience, self._deadline_s)
        acknowledged = False
        while True:
            for body in frames.feed(self._wire.receive()):
                if body == pn532.ACKNOWLEDGED:
                    acknowledged = True
                elif body == pn532.SYNTAX_ERROR:
                    raise DeviceGarbled(self._device, f"the chip on {self._wire.name} refuses command {command.hex()}")
                elif acknowledged and (answer := pn532.answer_to(command, body)) is not None:
                    return answer
            if time.monotonic() >= until_s:
                break
        if frames.damaged:
            raise DeviceGarbled(self._device, f"what came on {self._wire.name} is no frame of a PN532")
        raise DeviceSilent(self._device, f"no PN532 answers on {self._wire.name}; is it powered, its switches set?")


def _wire(settings: Settings, device: str, kernel: Kernel) -> Wire:
    if settings.i2c is not None:
        return I2cWire(I2cPort(device, settings.i2c, I2C_ADDRESS, kernel))
    if settings.spi is not None:
        return SpiWire(SpiPort(device, settings.spi, settings.spi_hz, kernel))
    return UartWire(device, settings.path)
