"""What a conformance case is, and the register of all of them."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from chargerd.conformance.station import StationUnderTest

Body = Callable[["StationUnderTest"], None]


class CaseFailed(AssertionError):
    """The station did something else than the case wants: what was expected, and what there was instead."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One certification case. `settings`: device model values it starts with. `evses`: how many it needs at least.

    `virtual_only`: why it cannot be waited for in real time, empty when it can.
    """

    case_id: str
    body: Body
    settings: Mapping[str, str] = {}
    evses: int = 1
    virtual_only: str = ""

    @property
    def meaning(self) -> str:
        """What it shows, in one line."""
        return " ".join((self.body.__doc__ or "").split())


CASES: dict[str, Case] = {}
"""Every case that is written, by its id."""


def case(
    case_id: str, *, settings: Mapping[str, str] | None = None, evses: int = 1, virtual_only: str = ""
) -> Callable[[Body], Body]:
    """Register the body of a certification case; its docstring says what it shows."""

    def register(body: Body) -> Body:
        assert case_id not in CASES, f"{case_id} is written twice"
        assert body.__doc__, f"{case_id} does not say what it shows"
        CASES[case_id] = Case(
            case_id=case_id, body=body, settings=settings or {}, evses=evses, virtual_only=virtual_only
        )
        return body

    return register
