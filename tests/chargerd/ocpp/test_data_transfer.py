"""P01 on a whole station."""

from typing import Any

import pytest

from tests.chargerd.ocpp.building import Rig


@pytest.mark.parametrize("more", [{}, {"messageId": "any"}, {"data": None}, {"messageId": "any", "data": {"a": [1]}}])
def test_P01_FR_05_the_data_of_a_vendor_nobody_knows_is_answered_so(more: Any) -> None:
    assert Rig().call("DataTransfer", vendorId="org.example.nobody", **more) == {"status": "UnknownVendorId"}
