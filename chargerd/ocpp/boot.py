"""The boot gate (B01 to B03): BootNotification until the CSMS accepts, at the pace it asks for."""

from chargerd.clock import Now
from chargerd.ocpp.block import StationContext
from chargerd.ocpp.effects import Severity
from chargerd.ocpp.messages.enums import BootReason, RegistrationStatus
from chargerd.ocpp.messages.provisioning import BootNotification, BootNotificationResponse, ChargingStation
from chargerd.ocpp.network import Network
from chargerd.ocpp.news import Registration, RegistrationChanged
from chargerd.ocpp.rpc import CallFailure, FailureKind
from chargerd.ocpp.time_source import HEARTBEAT_INTERVAL, take_time

NAMESPACE = "provisioning"
BOOT_REASON_KEY = "boot_reason"

RETRY_S = 30.0
"""Wait of our own choosing: after no usable answer (B01), and where the CSMS leaves the interval open (B02.FR.07)."""

MAX_INTERVAL_S = 86_400.0
"""A CSMS that asks for a longer wait is asked again after a day, lest a wrong number silences the station for good."""


def boot_reason(ctx: StationContext) -> BootReason:
    """Why the station started: what it noted before it restarted itself, else what the shell found out."""
    return ctx.store.find(NAMESPACE, BOOT_REASON_KEY, BootReason) or BootReason(ctx.config.boot_reason)


def keep_boot_reason(ctx: StationContext, reason: BootReason) -> None:
    """The station is about to restart for this reason: the next BootNotification will say so (B01.FR.09)."""
    ctx.store.put(NAMESPACE, BOOT_REASON_KEY, reason)


def forget_boot_reason(ctx: StationContext) -> None:
    """The CSMS knows why the station started, or the restart did not come."""
    if ctx.store.has(NAMESPACE, BOOT_REASON_KEY):
        ctx.store.delete(NAMESPACE, BOOT_REASON_KEY)


class BootGate:
    """Decides when a BootNotification is due and what its answer means; sets `ctx.registration`."""

    def __init__(self, ctx: StationContext, network: Network) -> None:
        self._ctx = ctx
        self._network = network
        self._reason = BootReason.UNKNOWN
        self._in_flight = False
        self._due_mono: float | None = None
        self._accepted_slot: int | None = None

    def on_start(self) -> None:
        """Find out why the station started."""
        self._reason = boot_reason(self._ctx)

    def on_link_up(self, now: Now) -> None:
        """B01.FR.01: boot; but a mere reconnect to the CSMS that accepted us needs none (part 4, 1.3; B10.FR.10)."""
        if self._ctx.registration is Registration.ACCEPTED:
            if self._accepted_slot == self._network.active_slot:
                return
            self._register(Registration.NONE)
            self._due_mono = None
        if self._due_mono is None or now.mono >= self._due_mono:  # the CSMS's interval holds over a reconnect
            self._send(self._reason, now)

    def next_deadline(self) -> float | None:
        """When BootNotification is due; with no link it waits for that."""
        return self._due_mono if self._ctx.link_up and not self._in_flight else None

    def on_time(self, now: Now) -> None:
        """Send again if it is time (B02.FR.08, B03.FR.06)."""
        deadline = self.next_deadline()
        if deadline is not None and now.mono >= deadline:
            self._send(self._reason, now)

    def trigger(self, now: Now) -> bool:
        """TriggerMessage: allowed until accepted, whatever the interval (B02.FR.04, F06.FR.17)."""
        if self._ctx.registration is Registration.ACCEPTED or self._in_flight:
            return False
        self._send(BootReason.TRIGGERED, now)
        return True

    def _send(self, reason: BootReason, now: Now) -> None:
        self._in_flight = True
        self._due_mono = None
        board = self._ctx.config.board
        station = ChargingStation(
            model=board.model[:20],
            vendor_name=board.vendor[:50],
            serial_number=board.serial[:25] or None,
            firmware_version=self._ctx.config.firmware_version[:50] or None,
        )
        request = BootNotification(charging_station=station, reason=reason)
        self._ctx.rpc.call(request, now, then=self._answered, failed=self._failed)

    def _answered(self, response: BootNotificationResponse, now: Now) -> None:
        self._in_flight = False
        take_time(self._ctx, response.current_time, now)
        if response.status is RegistrationStatus.ACCEPTED:
            self._accepted(response)
        else:
            wait_s = float(response.interval) if response.interval > 0 else RETRY_S
            self._due_mono = now.mono + min(wait_s, MAX_INTERVAL_S)
            self._ctx.note(Severity.WARNING, f"boot: the CSMS says {response.status}, asking again in {wait_s:g} s")
        self._register(Registration(response.status))

    def _accepted(self, response: BootNotificationResponse) -> None:
        self._accepted_slot = self._network.active_slot
        if response.interval > 0:
            self._ctx.variables.store_value(HEARTBEAT_INTERVAL, response.interval)  # B01.FR.04
        forget_boot_reason(self._ctx)
        self._ctx.note(Severity.INFO, "boot: accepted by the CSMS")

    def _failed(self, failure: CallFailure, now: Now) -> None:
        self._in_flight = False
        if failure.kind is not FailureKind.OFFLINE:  # with the next link it is sent anyway
            self._due_mono = now.mono + RETRY_S
            self._ctx.note(Severity.WARNING, f"boot: BootNotification failed ({failure}), again in {RETRY_S:g} s")

    def _register(self, registration: Registration) -> None:
        self._ctx.registration = registration
        self._ctx.publish(RegistrationChanged(registration))
