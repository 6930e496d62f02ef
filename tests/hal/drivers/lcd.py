"""An HD44780 behind a PCF8574 as its data sheet has it: half bytes at the falling enable line, modes, memory."""

BLANK = 0x20
LINE_LENGTH = 40
SECOND_LINE = 0x40
ADDRESSES = [*range(LINE_LENGTH), *range(SECOND_LINE, SECOND_LINE + LINE_LENGTH)]


class Lcd:
    """A device of tests.hal.drivers.i2c_bus. It begins as after power-up: 8-bit mode, off, memory full of noise."""

    def __init__(self) -> None:
        self.lose_power()

    def lose_power(self) -> None:
        self.four_bits = False
        self.two_lines = False
        self.is_on = False
        self.backlight = False
        self.memory = dict.fromkeys(ADDRESSES, ord("#"))
        self.cells_written = 0
        self._address = 0
        self._upper: int | None = None
        self._lines = 0

    def noise(self) -> None:
        """The enable line sees a pulse that nobody sent."""
        self._latch(0x40, False)

    def write(self, message: bytes) -> None:
        for lines in message:
            if self._lines & 0x04 and not lines & 0x04:
                assert not lines & 0x02, "the driver reads"
                self._latch(self._lines & 0xF0, bool(self._lines & 0x01))
            self._lines = lines
            self.backlight = bool(lines & 0x08)

    def read(self, count: int) -> bytes:
        raise AssertionError("the driver reads")

    def codes(self, columns: int, rows: int) -> list[bytes]:
        """What the glass shows."""
        starts = (0x00, SECOND_LINE, columns, SECOND_LINE + columns)[:rows]
        return [bytes(self.memory[start + column] for column in range(columns)) for start in starts]

    def text(self, columns: int, rows: int) -> list[str]:
        return [line.decode("ascii", "backslashreplace").rstrip() for line in self.codes(columns, rows)]

    def _latch(self, half: int, is_data: bool) -> None:
        if not self.four_bits:
            self._obey(half, is_data)
        elif self._upper is None:
            self._upper = half
        else:
            value, self._upper = self._upper | half >> 4, None
            self._obey(value, is_data)

    def _obey(self, value: int, is_data: bool) -> None:
        if is_data:
            self.memory[self._address] = value
            self.cells_written += 1
            self._address = ADDRESSES[(ADDRESSES.index(self._address) + 1) % len(ADDRESSES)]
        elif value & 0x80:
            assert value & 0x7F in self.memory
            self._address = value & 0x7F
        elif value & 0x20:
            self.four_bits, self.two_lines = not value & 0x10, bool(value & 0x08)
            self._upper = None
        elif value & 0x08 and value < 0x10:
            self.is_on = bool(value & 0x04)
        elif value == 0x01:
            self.memory = dict.fromkeys(ADDRESSES, BLANK)
            self._address = 0
