"""The verbs of the local console for the program that speaks ISO 15118 with vehicles (docs/vehicle-stack.md)."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from chargerd.console import ConsoleError, Verb
from chargerd.ocpp.events import ContractShown, EvCertificateWanted
from chargerd.ocpp.messages.enums import CertificateAction
from chargerd.ocpp.vehicle_stack import StackReport


class VehiclePort:
    """Each verb answers with the whole report; what was just asked is in it, perhaps not answered yet."""

    def __init__(
        self, feed: Callable[[ContractShown | EvCertificateWanted], None], report: Callable[[], StackReport]
    ) -> None:
        self._feed = feed
        self._report = report

    def verbs(self) -> dict[str, Verb]:
        """What the console serves."""
        return {"vehicle": self._vehicle, "contract": self._contract, "ev_certificate": self._ev_certificate}

    def _vehicle(self, _request: Mapping[str, Any]) -> dict[str, Any]:
        """What vehicles may be offered and are shown, and what has become of their questions."""
        return dict(msgspec.to_builtins(self._report()))

    def _contract(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """`evse`, `chain` (PEM, the vehicle's certificate first), `emaid` (absent: that of the certificate)."""
        self._feed(ContractShown(_evse(request), _text(request, "chain"), _text(request, "emaid", "")))
        return self._vehicle(request)

    def _ev_certificate(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """`evse`, `action` (Install or Update), `schema` (of the message), `exi` (the vehicle's message in Base64)."""
        try:
            action = CertificateAction(_text(request, "action"))
        except ValueError:
            raise ConsoleError('expected "action", Install or Update') from None
        self._feed(EvCertificateWanted(_evse(request), action, _text(request, "schema"), _text(request, "exi")))
        return self._vehicle(request)


def _evse(request: Mapping[str, Any]) -> int:
    evse_id = request.get("evse")
    if not isinstance(evse_id, int) or isinstance(evse_id, bool):
        raise ConsoleError('expected "evse", a whole number')
    return evse_id


def _text(request: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = request.get(name, default)
    if not isinstance(value, str):
        raise ConsoleError(f'expected "{name}", a text')
    return value
