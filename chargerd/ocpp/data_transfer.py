"""Block P: messages that only a vendor and its CSMS understand.

Without an extension for it every vendor is unknown. An extension that fails is told in the log; after MAX_FAILURES it
is heard no more until the next start, so that its faults stay its own.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from msgspec import UNSET

from chargerd import codec
from chargerd.clock import Now
from chargerd.codec import CodecError
from chargerd.ocpp.block import Block, Handlers, StationContext
from chargerd.ocpp.edges import Change
from chargerd.ocpp.effects import Severity
from chargerd.ocpp.messages.data_transfer import DataTransfer, DataTransferResponse
from chargerd.ocpp.messages.enums import DataTransferStatus
from chargerd.ocpp.messages.types import StatusInfo
from chargerd.ocpp.rpc import CallFailure
from chargerd.ocpp.variables import AnyVariable, Variable, boolean
from chargerd.ocpp.vendor import Json, Reply, UnknownMessage, Vendor

MAX_DATA_BYTES = 16_384
"""Largest JSON an extension may send: a quarter of what a frame can hold."""

MAX_FAILURES = 5

WATCH_EVERY_S = 1.0


class _Extension:
    """A vendor's extension and how it has fared."""

    def __init__(self, vendor: Vendor) -> None:
        self.vendor = vendor
        self.failures = 0
        self.is_sending = False
        self.enabled: Variable[bool] = boolean(
            "CustomizationCtrlr",
            "CustomImplementationEnabled",
            True,
            instance=vendor.vendor_id,
            writable=True,
            required=False,
            doc=f"Whether the extension of {vendor.vendor_id} is heard.",
        )


class DataTransfers(Block):
    """DataTransfer, both ways."""

    def __init__(self, ctx: StationContext, vendors: Sequence[Vendor]) -> None:
        super().__init__(ctx)
        self._extensions = {vendor.vendor_id.lower(): _Extension(vendor) for vendor in vendors}
        assert len(self._extensions) == len(vendors), "two extensions are of the same vendor"
        self._watch_mono: float | None = None
        self._watched_mono = float("-inf")

    def variables(self) -> Iterable[AnyVariable]:
        """A switch for each extension."""
        return [extension.enabled for extension in self._extensions.values()]

    def handlers(self) -> Handlers:
        """DataTransfer."""
        return {DataTransfer: self._answer}

    def on_change(self, _change: Change, now: Now) -> None:
        """Let the extensions look, but not more often than they may."""
        if self._extensions and self._watch_mono is None:
            self._watch_mono = max(now.mono, self._watched_mono + WATCH_EVERY_S)

    def next_deadline(self) -> float | None:
        """When the extensions may look again."""
        return self._watch_mono

    def on_time(self, now: Now) -> None:
        """Let the extensions look."""
        if self._watch_mono is None or now.mono < self._watch_mono:
            return
        self._watch_mono, self._watched_mono = None, now.mono
        if self.ctx.status is None:
            return
        for extension in self._extensions.values():
            if self._is_heard(extension):
                send = partial(self._send, extension, now)
                self._guarded(extension, partial(extension.vendor.watch, self.ctx.status, send, now))

    # ------------------------------------------------------------------ P01

    def _answer(self, request: DataTransfer, now: Now) -> DataTransferResponse:
        extension = self._extensions.get(request.vendor_id.lower())
        if extension is None or not self._is_heard(extension):
            return DataTransferResponse(status=DataTransferStatus.UNKNOWN_VENDOR_ID)  # P01.FR.05
        data = None if request.data is UNSET else request.data
        try:
            reply = self._guarded(extension, partial(extension.vendor.answer, request.message_id, data, now))
        except UnknownMessage:
            return DataTransferResponse(status=DataTransferStatus.UNKNOWN_MESSAGE_ID)  # P01.FR.06
        if not isinstance(reply, Reply) or not _fits(reply.data):
            info = StatusInfo(reason_code="InternalError", additional_info="the extension failed")
            return DataTransferResponse(status=DataTransferStatus.REJECTED, status_info=info)
        status = DataTransferStatus.ACCEPTED if reply.accepted else DataTransferStatus.REJECTED
        return DataTransferResponse(status=status, data=UNSET if reply.data is None else reply.data)

    # ------------------------------------------------------------------ P02

    def _send(self, extension: _Extension, now: Now, message_id: str | None, data: Json = None) -> bool:
        if extension.is_sending or not self.ctx.online or not _fits(data):
            return False
        extension.is_sending = True
        request = DataTransfer(
            vendor_id=extension.vendor.vendor_id, message_id=message_id, data=UNSET if data is None else data
        )

        def then(response: DataTransferResponse, later: Now) -> None:
            known = response.status in {DataTransferStatus.ACCEPTED, DataTransferStatus.REJECTED}
            answer = None if response.data is UNSET else response.data
            reply = Reply(response.status is DataTransferStatus.ACCEPTED, answer) if known else None
            self._told(extension, message_id, reply, later)

        def failed(_failure: CallFailure, later: Now) -> None:
            self._told(extension, message_id, None, later)

        self.ctx.call(request, now, then, failed)
        return True

    def _told(self, extension: _Extension, message_id: str | None, reply: Reply | None, now: Now) -> None:
        extension.is_sending = False
        if self._is_heard(extension):
            self._guarded(extension, partial(extension.vendor.answered, message_id, reply, now))

    # ------------------------------------------------------------------ whatever an extension does

    def _is_heard(self, extension: _Extension) -> bool:
        return extension.failures < MAX_FAILURES and self.ctx.variables[extension.enabled]

    def _guarded(self, extension: _Extension, act: Callable[[], Any]) -> object:
        """What the extension gives; None when it failed."""
        try:
            return act()
        except UnknownMessage:
            raise
        except Exception as error:  # noqa: BLE001  # code of others: its faults must not cost a charging session
            extension.failures += 1
            end = ", switched off until the next start" if extension.failures >= MAX_FAILURES else ", ignoring"
            self.ctx.note(Severity.ERROR, f"vendor: {extension.vendor.vendor_id} failed ({error!r}){end}")
            return None


def _fits(data: Json) -> bool:
    try:
        return len(codec.encode(data)) <= MAX_DATA_BYTES
    except (
        AttributeError,
        CodecError,
        RecursionError,
        TypeError,
        ValueError,
    ):  # what JSON cannot say, of whatever kind it is
        return False
