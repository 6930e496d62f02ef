import pytest

from chargerd.codec import ErrorCode
from chargerd.ocpp.message_limits import check_size
from chargerd.ocpp.messages.authorization import ClearCache
from chargerd.ocpp.rpc import CallRefused


@pytest.mark.parametrize(
    "items, size_bytes, code",
    [(1, 1000, ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION), (2, 1, ErrorCode.FORMAT_VIOLATION)],
)
def test_D01_FR_11_D01_FR_12_too_many_elements_or_bytes_are_refused(
    items: int, size_bytes: int, code: ErrorCode
) -> None:
    with pytest.raises(CallRefused) as refused:
        check_size(ClearCache(), ("a", "b"), items, size_bytes)
    assert refused.value.code is code


def test_what_is_within_the_limits_passes() -> None:
    check_size(ClearCache(), ("a", "b"), 2, 2)
