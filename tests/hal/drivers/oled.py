"""An SSD1306 as its data sheet has it: commands with their arguments, page memory, and the picture on the glass."""

ARGUMENTS = {0x81: 1, 0xA8: 1, 0xD3: 1, 0xD5: 1, 0xD9: 1, 0xDA: 1, 0xDB: 1, 0x20: 1, 0x8D: 1}
MEMORY_COLUMNS = 132  # an SH1106 has these; an SSD1306 uses the first 128


class Oled:
    """A device of tests.hal.drivers.i2c_bus. It begins as after power-up: off, memory full of noise."""

    def __init__(self) -> None:
        self.lose_power()

    def lose_power(self) -> None:
        self.is_on = False
        self.set: dict[int, int] = {}
        self.flags: set[int] = set()
        self.memory = [bytearray(b"\xa5" * MEMORY_COLUMNS) for _ in range(8)]
        self._page = self._column = 0

    def write(self, message: bytes) -> None:
        if message[0] == 0x40:
            for value in message[1:]:
                self.memory[self._page][self._column] = value
                self._column += 1
            return
        assert message[0] == 0x00
        commands = list(message[1:])
        while commands:
            command = commands.pop(0)
            if command in ARGUMENTS:
                self.set[command] = commands.pop(0)
            elif command in {0xAE, 0xAF}:
                self.is_on = command == 0xAF
            elif 0xB0 <= command <= 0xB7:
                self._page = command & 7
            elif command <= 0x0F:
                self._column = self._column & 0xF0 | command
            elif command <= 0x1F:
                self._column = self._column & 0x0F | (command & 0x0F) << 4
            else:
                self.flags.add(command)

    def read(self, count: int) -> bytes:
        raise AssertionError("the driver reads")

    def picture(self, height: int, offset: int = 0) -> list[str]:
        """The pixels, `#` where there is light; blank rows and columns at the ends left out."""
        rows = [
            "".join("#" if self.memory[row // 8][offset + column] >> row % 8 & 1 else "." for column in range(128))
            for row in range(height)
        ]
        return [row.rstrip(".") for row in rows]
