import dataclasses

import pytest

from hal.drivers import display_ssd1306
from hal.slot import DeviceSlot, DriverSettings
from hal.types import EvseFacts, PartFacts


def slot() -> DeviceSlot:
    return DeviceSlot("evse[0].meter", EvseFacts(max_amps=32, phases=3), lambda: 1.0)


def test_what_is_shared_is_made_once_for_all_devices_of_a_board() -> None:
    first = slot()
    second = dataclasses.replace(first, device="evse[1].meter")
    line = first.share("line", list, lambda: [1])
    assert second.share("line", list, lambda: [2]) is line == [1]
    assert slot().share("line", list, lambda: [3]) == [3]


def test_a_name_shared_as_two_kinds_of_things_is_a_programmer_error() -> None:
    place = slot()
    place.share("line", list, list)
    with pytest.raises(AssertionError, match="can't happen"):
        place.share("line", dict, dict)


def test_settings_that_override_nothing_claim_nothing() -> None:
    settings = DriverSettings()
    settings.check(EvseFacts(max_amps=6, phases=1))
    assert (settings.claims(), settings.bus()) == ((), None)
    assert (settings.nodes(), settings.writes()) == ((), ())


def test_a_part_is_its_role_and_whose_product_its_settings_tell() -> None:
    assert DriverSettings().part("lock") == PartFacts("lock")
    known = display_ssd1306.Settings(i2c="/dev/i2c-1").part("display")
    assert (known.vendor, known.model) == ("Solomon Systech", "SSD1306")
    facts = EvseFacts(max_amps=6, phases=1, parts=(known,))
    assert facts.part("display") == known
    assert facts.part("reader") is None
