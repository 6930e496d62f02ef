"""Cases register themselves once, with what they show."""

import pytest

from chargerd.conformance.case import REGISTER, all_cases, case
from chargerd.conformance.station import StationUnderTest


@pytest.fixture(autouse=True)
def as_before() -> object:
    """The register is everybody's, and a module registers its cases only once: when it is imported."""
    before = dict(all_cases())
    yield
    REGISTER.clear()
    REGISTER.update(before)


def test_a_case_is_known_by_its_id_with_its_settings_and_its_meaning_in_one_line() -> None:
    @case("TC_X_01_CS", settings={"TxCtrlr.EVConnectionTimeOut": "3"}, evses=2, virtual_only="takes an hour")
    def body(sut: StationUnderTest) -> None:
        """It shows
        something.
        """

    found = REGISTER["TC_X_01_CS"]
    assert found.body is body
    assert found.meaning == "It shows something."
    assert (found.settings, found.evses, found.virtual_only) == (
        {"TxCtrlr.EVConnectionTimeOut": "3"},
        2,
        "takes an hour",
    )


def test_a_case_is_not_written_twice_and_not_without_words() -> None:
    @case("TC_X_01_CS")
    def body(sut: StationUnderTest) -> None:
        """Words."""

    with pytest.raises(AssertionError, match="TC_X_01_CS is written twice"):
        case("TC_X_01_CS")(body)

    def silent(sut: StationUnderTest) -> None:
        pass

    with pytest.raises(AssertionError, match="TC_X_02_CS does not say"):
        case("TC_X_02_CS")(silent)


def test_all_cases_are_those_of_every_module_in_the_order_of_their_ids() -> None:
    ids = list(all_cases())
    assert {"TC_B_01_CS", "TC_E_03_CS"} <= set(ids)
    assert ids == sorted(ids)
