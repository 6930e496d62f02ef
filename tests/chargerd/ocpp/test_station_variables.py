from chargerd.ocpp.station_variables import (
    ALL,
    BYTES_PER_MESSAGE,
    CONNECTOR_SUPPLY_PHASES,
    CONNECTOR_TYPE,
    EVSE_POWER,
    EVSE_SUPPLY_PHASES,
    ITEMS_PER_MESSAGE,
    STATION_MODEL,
    STATION_SUPPLY_PHASES,
    STATION_VENDOR_NAME,
    board_readers,
    set_power_limits,
)
from chargerd.ocpp.variables import Item, Place, Variables
from chargerd.store import Store
from hal.types import BoardFacts, EvseFacts
from tests.chargerd.ocpp.peer import config

BOARD = BoardFacts(
    vendor="Maker",
    model="Duo",
    serial="1",
    evses=(
        EvseFacts(max_amps=16.0, phases=1, connector_type="cType2", tethered=True),
        EvseFacts(max_amps=32.0, phases=3, nominal_volts=240.0),
    ),
)


def test_the_tiers_say_what_the_board_is() -> None:
    settings = config(board=BOARD)
    variables = Variables(Store(":memory:"), 2, {})
    variables.declare(ALL, board_readers(settings))
    variables.finish()
    set_power_limits(settings, variables)
    assert variables[STATION_MODEL] == "Duo"
    assert variables[STATION_VENDOR_NAME] == "Maker"
    assert variables[STATION_SUPPLY_PHASES] == 3
    assert [variables.value(EVSE_SUPPLY_PHASES, evse_id) for evse_id in (1, 2)] == [1, 3]
    assert [variables.value(CONNECTOR_SUPPLY_PHASES, evse_id, 1) for evse_id in (1, 2)] == [1, 3]
    assert [variables.value(CONNECTOR_TYPE, evse_id, 1) for evse_id in (1, 2)] == ["cType2", "sType2"]
    maxima = [variables.maximum(Item(EVSE_POWER, Place(evse_id))) for evse_id in (1, 2)]
    assert maxima == [3680.0, 23040.0]


def test_there_is_a_limit_of_items_and_bytes_for_each_request_that_has_elements() -> None:
    assert set(ITEMS_PER_MESSAGE) == set(BYTES_PER_MESSAGE) == {"GetReport", "GetVariables", "SetVariables"}
