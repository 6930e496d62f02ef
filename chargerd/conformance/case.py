"""What a conformance case is, and the register of all of them."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping

import msgspec

from chargerd.conformance.station import StationUnderTest

Body = Callable[[StationUnderTest], None]


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One certification case. `settings`: device model values it starts with. `evses`: how many it needs at least.
    `security_profile`: the one the station is set up for, with what that needs, and its CSMS serves; None: any will do.
    `updates`: the station has somewhere to put new firmware. `own_tls`: the case says how its CSMS speaks TLS
    (Peer.door).

    `virtual_only`: why it cannot be waited for in real time, empty when it can.
    """

    case_id: str
    body: Body
    settings: Mapping[str, str] = {}
    evses: int = 1
    security_profile: int | None = None
    own_tls: bool = False
    updates: bool = False
    virtual_only: str = ""

    @property
    def meaning(self) -> str:
        """What it shows, in one line."""
        return " ".join((self.body.__doc__ or "").split())


REGISTER: dict[str, Case] = {}
"""The cases of the modules that were imported; `all_cases` imports all."""


def case(
    case_id: str,
    *,
    settings: Mapping[str, str] | None = None,
    evses: int = 1,
    security_profile: int | None = None,
    own_tls: bool = False,
    updates: bool = False,
    virtual_only: str = "",
) -> Callable[[Body], Body]:
    """Register the body of a certification case; its docstring says what it shows."""

    def register(body: Body) -> Body:
        assert case_id not in REGISTER, f"{case_id} is written twice"
        assert body.__doc__, f"{case_id} does not say what it shows"
        REGISTER[case_id] = Case(
            case_id=case_id,
            body=body,
            settings=settings or {},
            evses=evses,
            security_profile=security_profile,
            own_tls=own_tls,
            updates=updates,
            virtual_only=virtual_only,
        )
        return body

    return register


def all_cases() -> Mapping[str, Case]:
    """Every case that is written, by its id, in the order of the ids."""
    package = importlib.import_module("chargerd.conformance.cases")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return dict(sorted(REGISTER.items()))
