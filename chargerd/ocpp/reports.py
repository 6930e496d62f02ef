"""A report leaves in parts, one after the other's answer, each small enough for any CSMS (B07.FR.10)."""

from chargerd import codec
from chargerd.clock import Now
from chargerd.ocpp.block import StationContext
from chargerd.ocpp.effects import Severity
from chargerd.ocpp.messages.provisioning import NotifyReport, NotifyReportResponse, ReportData
from chargerd.ocpp.rpc import CallFailure

PART_BYTES = 8192
"""Most bytes of rows in one part: well below the 64 KiB at which peers begin to refuse."""


class ReportSender:
    """Sends one report at a time."""

    def __init__(self, ctx: StationContext) -> None:
        self._ctx = ctx
        self._request_id = 0
        self._parts: list[tuple[ReportData, ...]] = []
        self._sent = 0

    @property
    def busy(self) -> bool:
        """A report is on its way."""
        return bool(self._parts)

    def start(self, request_id: int, rows: list[ReportData], now: Now) -> None:
        """Send `rows` (at least one) as the answer to request `request_id`; not while busy."""
        assert not self.busy, "can't be busy: the caller has asked"
        self._request_id, self._parts, self._sent = request_id, in_parts(rows), 0
        self._send_part(now)

    def _send_part(self, now: Now) -> None:
        part = NotifyReport(
            request_id=self._request_id,
            generated_at=now.utc,
            seq_no=self._sent,
            report_data=self._parts[self._sent],
            tbc=self._sent + 1 < len(self._parts),
        )
        # Directly, not through ctx.call: reports are asked for while Pending as well (B02.FR.02).
        self._ctx.rpc.call(part, now, then=self._next, failed=self._failed)

    def _next(self, _response: NotifyReportResponse, now: Now) -> None:
        self._sent += 1
        if self._sent < len(self._parts):
            self._send_part(now)
        else:
            self._parts = []

    def _failed(self, failure: CallFailure, _now: Now) -> None:
        done = f"{self._sent} of {len(self._parts)} parts"
        self._ctx.note(Severity.WARNING, f"report: {self._request_id} ended early ({done} sent, {failure})")
        self._parts = []


def in_parts(rows: list[ReportData]) -> list[tuple[ReportData, ...]]:
    """`rows` in order, cut so that no part exceeds PART_BYTES unless a single row does."""
    parts: list[tuple[ReportData, ...]] = []
    part: list[ReportData] = []
    size = 0
    for row in rows:
        row_bytes = len(codec.encode(row)) + 1
        if part and size + row_bytes > PART_BYTES:
            parts.append(tuple(part))
            part, size = [], 0
        part.append(row)
        size += row_bytes
    return [*parts, tuple(part)] if part else parts
