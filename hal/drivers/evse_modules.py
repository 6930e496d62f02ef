"""Ready-made EVSE modules on Modbus as register tables: EVSE-WB and EVSE-DIN, and the EV modules of Phoenix Contact.

A module generates and measures the pilot, tests the vehicle's diode and switches the contactor by itself. What it is
told is a current and whether it may be offered; what it tells is the letter of IEC 61851-1, and what it found wrong. No
such module is known to notice that nobody asks any more: it goes on offering what it was told last.

Sources: the data sheet of the EVSE-WB, EVSE-DIN and EVSE-W16 as its users quote it (registers 1000 to 1007, 2000 and
2005), and for Phoenix Contact table 9-2 of the manual 106377_en_04 (EV-CC-AC1-M3-...-SER). The Ethernet modules have
the same error word as far as is known.
"""

from typing import Literal, Protocol

import msgspec

from hal.drivers.modbus_line import DeviceRefused
from hal.drivers.modbus_unit import ModbusUnit
from hal.types import Alarm, DeviceGarbled, HalError

PROXIMITY_SHORT = 0xFFFF
"""What a Phoenix module tells instead of a cable's amps when the contact is shorted."""


class Wish(msgspec.Struct, frozen=True):
    """What a module is to do: offer `amps` (0: nothing), and with `cut` open the contactor at once."""

    amps: float
    cut: bool


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a module tells. `letter`: A to F of IEC 61851-1. `pwm`: whether its oscillator runs, None: it does not tell.

    `offered_amps`: what it says it offers, None: it does not tell. `cable_amps`: what the plug's resistor allows, 0:
    no plug. `no_diode`: the vehicle's diode is missing. `alarms`: what else it found.
    """

    letter: str
    pwm: bool | None = None
    offered_amps: float | None = None
    cable_amps: float | None = None
    no_diode: bool = False
    alarms: tuple[Alarm, ...] = ()


class Module(Protocol):
    """One module on its line. Every method raises HalError when there is no answer, or one that cannot be right."""

    step_amps: float
    """It takes multiples of this."""

    def begin(self) -> None:
        """Get to know it; HalError when it is not set up for being told."""
        ...

    def tell(self, wish: Wish) -> None:
        """From now on."""
        ...

    def look(self) -> Seen:
        """How it is now."""
        ...


# ---- EVSE-WB, EVSE-DIN, EVSE-W16 -------------------------------------------------------------------------------------

WB_FIRST, WB_COUNT, WB_COUNT_WITH_STATUS = 1000, 7, 8
WB_AMPS, WB_OFF, WB_FIRMWARE = 1000, 1004, 1005
WB_BOOT_AMPS, WB_OPTIONS = 2000, 2005
WB_TURN_OFF_NOW = 0x1
WB_HUNDREDTHS = 0x80
WB_HUNDREDTHS_FROM = 17
WB_PWM_RUNS = 2
WB_ALARMS = (Alarm.RESIDUAL_DC, Alarm.INTERNAL)  # all that its status register tells apart
WB_LETTERS = {1: "A", 2: "B", 3: "C", 4: "D"}
WB_FAILURE = 5
WB_NO_DIODE, WB_NO_VENTILATION, WB_RESIDUAL = 0x02, 0x04, 0x30


class EvseWb:
    """An EVSE-WB or one of its kin. Registers from 2000 on are its EEPROM: they are read and never written."""

    def __init__(self, unit: ModbusUnit) -> None:
        self.step_amps = 1.0
        self._unit = unit
        self._count = WB_COUNT_WITH_STATUS
        self._told_raw: int | None = None

    def begin(self) -> None:
        """Learn the step, and whether the firmware has the status register. HalError when it offers current unasked."""
        self._told_raw = None
        (boot_amps,) = self._unit.read(3, WB_BOOT_AMPS, 1)
        if boot_amps:
            why = (
                f"register {WB_BOOT_AMPS} is {boot_amps}: after each loss of power the module would offer so many amps "
                "by itself; write 0 to it once"
            )
            raise HalError(self._unit.device, why)
        (firmware,) = self._unit.read(3, WB_FIRMWARE, 1)
        (options,) = self._unit.read(3, WB_OPTIONS, 1)
        precise = firmware >= WB_HUNDREDTHS_FROM and bool(options & WB_HUNDREDTHS)
        self.step_amps = 0.01 if precise else 1.0
        self._count = WB_COUNT_WITH_STATUS
        try:
            self._unit.read(3, WB_FIRST, self._count)
        except DeviceRefused:  # older firmware ends before the status register
            self._count = WB_COUNT

    def tell(self, wish: Wish) -> None:
        """The contactor first where it is to open, the current first where it is to be offered."""
        self._told_raw = round(wish.amps / self.step_amps)
        if wish.cut:
            self._unit.write(WB_OFF, [WB_TURN_OFF_NOW])
        self._unit.write(WB_AMPS, [self._told_raw])
        if not wish.cut:
            self._unit.write(WB_OFF, [0])

    def look(self) -> Seen:
        """One request for everything."""
        words = self._unit.read(3, WB_FIRST, self._count)
        set_raw, offered_raw, state, cable_amps, _, _, pilot = words[:WB_COUNT]
        status = words[WB_COUNT] if len(words) > WB_COUNT else 0
        if self._told_raw is not None and set_raw != self._told_raw:
            why = f"register {WB_AMPS} holds {set_raw}, {self._told_raw} was written; was the module restarted?"
            raise DeviceGarbled(self._unit.device, why)
        if state not in WB_LETTERS and state != WB_FAILURE:
            raise DeviceGarbled(self._unit.device, f"tells the state {state}, possible are 1 to {WB_FAILURE}")
        failed = state == WB_FAILURE
        no_diode = failed and bool(status & WB_NO_DIODE)
        alarms: tuple[Alarm, ...] = ()
        letter = WB_LETTERS.get(state, "F")
        if failed and status & WB_RESIDUAL:
            alarms = (Alarm.RESIDUAL_DC,)
        elif failed and status & WB_NO_VENTILATION:
            letter = "D"
        elif failed and not no_diode:
            alarms = (Alarm.INTERNAL,)
        return Seen(
            letter=letter,
            pwm=pilot == WB_PWM_RUNS,
            offered_amps=offered_raw * self.step_amps,
            cable_amps=float(cable_amps),
            no_diode=no_diode,
            alarms=alarms,
        )


# ---- Phoenix Contact -------------------------------------------------------------------------------------------------


class PhoenixTable(msgspec.Struct, frozen=True, kw_only=True):
    """The registers of one family. `function`: by which the state is read. `state`: two characters, `proximity` follows
    it. `offered`: what the pilot offers, None: not told. `release`: a register that must hold a value, so that the coil
    `enable` decides. `step_amps`: the unit of `amps`.
    """

    function: Literal[3, 4]
    state: int
    offered: int | None = None
    errors: int
    amps: int
    enable: int
    release: tuple[int, int] | None = None
    step_amps: float = 1.0


PHOENIX = {
    "phoenix_ser": PhoenixTable(
        function=3, state=24000, offered=24003, errors=24025, amps=22000, enable=20000, release=(4000, 3)
    ),
    "phoenix_em_eth": PhoenixTable(function=4, state=100, errors=107, amps=300, enable=400),
    "phoenix_ev_eth": PhoenixTable(function=4, state=100, errors=107, amps=528, enable=400),
    "wallbe": PhoenixTable(function=4, state=100, errors=107, amps=528, enable=400, step_amps=0.1),
}
"""Wallbe's firmware on EV-ETH counts tenths of an ampere."""

LETTERS = b"ABCDEF"

NO_DIODE_BIT = 13
ALARMS = {
    1: Alarm.PROXIMITY,  # 13 and 20 A cables are rejected
    2: Alarm.PROXIMITY,  # 13 A cables are rejected
    3: Alarm.PROXIMITY,
    6: Alarm.LOCK,
    7: Alarm.LOCK,
    8: Alarm.LOCK,
    9: Alarm.OVER_CURRENT,
    10: Alarm.INTERNAL,  # its meter does not answer
    12: Alarm.CONTACTOR_WELDED,
    14: Alarm.INTERNAL,
    15: Alarm.RESIDUAL_DC,
    16: Alarm.RESIDUAL_TEST,
}
"""Bit of the error word, counted from 1 as the manual does. What is missing the letter tells (4: E, 5: F, 11: D)."""


class Phoenix:
    """A module of Phoenix Contact. Its coil and its current are lost with its power, so it starts without an offer."""

    def __init__(self, unit: ModbusUnit, table: PhoenixTable) -> None:
        self.step_amps = table.step_amps
        self._unit = unit
        self._table = table

    def begin(self) -> None:
        """HalError when something else than the coil decides about charging."""
        if self._table.release is None:
            return
        address, wanted = self._table.release
        (value,) = self._unit.read(3, address, 1)
        if value != wanted:
            why = f"register {address} is {value}, so it does not charge as it is told; write {wanted} to it once"
            raise HalError(self._unit.device, why)

    def tell(self, wish: Wish) -> None:
        """The current before the permission. It cannot open at once: it ends the offer, then opens."""
        if wish.amps > 0:
            self._unit.write_one(self._table.amps, round(wish.amps / self.step_amps))
        self._unit.write_coil(self._table.enable, wish.amps > 0)

    def look(self) -> Seen:
        """Two requests: state and cable, errors."""
        table = self._table
        count = 2 if table.offered is None else table.offered - table.state + 1
        words = self._unit.read(table.function, table.state, count)
        (errors,) = self._unit.read(table.function, table.errors, 1)
        letter, pwm = self._state_in(words[0])
        bits = {bit for bit in range(1, 17) if errors & 1 << bit - 1}
        cable = words[1]
        return Seen(
            letter=letter,
            pwm=pwm,
            offered_amps=None if table.offered is None else float(words[-1]),
            cable_amps=None if cable == PROXIMITY_SHORT else float(cable),
            no_diode=NO_DIODE_BIT in bits,
            alarms=tuple(dict.fromkeys(ALARMS[bit] for bit in sorted(bits) if bit in ALARMS)),
        )

    def _state_in(self, word: int) -> tuple[str, bool | None]:
        """Letter, and whether the oscillator runs where a 1 or 2 stands beside it; the families differ in the order."""
        characters = word.to_bytes(2, "big")
        letters = [character for character in characters if character in LETTERS]
        if len(letters) != 1:
            raise DeviceGarbled(self._unit.device, f"tells the state {characters!r}, expected a letter A to F")
        pwm = True if b"2" in characters else False if b"1" in characters else None
        return chr(letters[0]), pwm
