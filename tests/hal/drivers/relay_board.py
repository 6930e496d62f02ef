"""The microcontroller at the far end of the blueprint driver, switching the plant's contactor."""

from tests.hal.drivers.ports import Port, lines_of
from tests.hal.plants import World


def relay_board(world: World) -> Port:
    """Its serial port."""

    def answer(line: str) -> str:
        number, verb, *rest = line.split()
        evse, plant = world.evse, world.plant
        with plant.lock:
            now_mono = plant.catch_up()
            if verb == "HOLD":
                evse.hold_coil(rest[0] == "1", now_mono, int(rest[1]) / 1000)
                return f"{number} OK\n"
            return f"{number} {'CLOSED' if evse.contacts_closed else 'OPEN'}\n"

    return Port(lines_of(answer))
