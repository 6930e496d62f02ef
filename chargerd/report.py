"""What the station tells people about itself: one frozen snapshot for `chargerctl`, the bench page and scripts."""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from chargerd.clock import Now
from chargerd.evse.guard import reason_text
from chargerd.evse.types import ActiveFault, EvseStatus, LoopHealth
from chargerd.ocpp.station import Station


class Frame(msgspec.Struct, frozen=True):
    """One OCPP frame as it passed; `direction`: "in" from the CSMS, "out" to it."""

    seq: int
    direction: str
    at_utc: datetime
    text: str


class LinkReport(msgspec.Struct, frozen=True, kw_only=True):
    """Where the station stands with its CSMS. `queued`: messages that wait for delivery."""

    url: str
    identity: str
    security_profile: int
    open: bool
    registration: str
    queued: int


class TransactionReport(msgspec.Struct, frozen=True, kw_only=True):
    """A running transaction in short."""

    transaction_id: str
    authorized: bool
    charging_state: str


class LimitReport(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the limit table. `fallback`: its owner is silent, `amps` is what holds meanwhile.

    `left_s`: how long the row holds unless its owner renews it (None: until it is changed).
    """

    source: str
    amps: float
    wins: bool
    fallback: bool
    left_s: float | None


class EvseReport(msgspec.Struct, frozen=True, kw_only=True):
    """One EVSE: the charging side's own status and the station's view of it.

    `why_not`: the reasons for no energy in words for people. `limits`: the limit table. `meter_age_s` None: no sample.
    `troubles`: warnings that only the station process can see.
    """

    evse_id: int
    connector_status: str
    transaction: TransactionReport | None
    charging: EvseStatus | None
    why_not: tuple[str, ...]
    limits: tuple[LimitReport, ...]
    meter_age_s: float | None
    troubles: tuple[ActiveFault, ...] = ()


class FirmwareReport(msgspec.Struct, frozen=True, kw_only=True):
    """An update that is under way. `done_bytes` of `total_bytes`: of the download, None: none runs."""

    request_id: int
    step: str
    status: str
    version: str
    done_bytes: int | None = None
    total_bytes: int | None = None


class StationReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole station at one instant. `control_run_id` None: the control process is silent."""

    at_utc: datetime
    clock_synced: bool
    vendor: str
    model: str
    serial: str
    firmware_version: str
    simulated: bool
    control_run_id: str | None
    loop: LoopHealth | None
    link: LinkReport
    evses: tuple[EvseReport, ...]
    troubles: tuple[ActiveFault, ...] = ()
    update: FirmwareReport | None = None


def station_report(
    station: Station, now: Now, *, link_open: bool, downloaded: tuple[int, int] | None = None
) -> StationReport:
    """Everything there is to know right now, without secrets and without whole token ids. `downloaded`: bytes, and of
    how many.
    """
    config, status = station.ctx.config, station.ctx.status
    return StationReport(
        at_utc=now.utc,
        clock_synced=now.synced,
        vendor=config.board.vendor,
        model=config.board.model,
        serial=config.board.serial,
        firmware_version=config.firmware_version,
        simulated=config.board.simulated,
        control_run_id=None if status is None else status.run_id,
        loop=None if status is None else status.loop,
        link=LinkReport(
            url=config.network.url,
            identity=config.identity,
            security_profile=config.network.security_profile,
            open=link_open,
            registration=station.ctx.registration,
            queued=station.ctx.outbox.pending(),
        ),
        evses=tuple(_evse_report(station, evse_id, now) for evse_id in station.ctx.evse_ids),
        troubles=station.troubles.of_station(),
        update=_firmware_report(station, downloaded),
    )


def _firmware_report(station: Station, downloaded: tuple[int, int] | None) -> FirmwareReport | None:
    update = station.firmware.update
    if update is None:
        return None
    done_bytes, total_bytes = downloaded or (None, None)
    return FirmwareReport(
        request_id=update.request_id,
        step=update.step,
        status=update.told or "",
        version=update.version,
        done_bytes=done_bytes,
        total_bytes=total_bytes,
    )


def _evse_report(station: Station, evse_id: int, now: Now) -> EvseReport:
    charging = station.ctx.evse(evse_id)
    running = station.transactions.running(evse_id)
    meter = None if charging is None else charging.meter
    return EvseReport(
        evse_id=evse_id,
        connector_status=station.availability.status(evse_id),
        transaction=None
        if running is None
        else TransactionReport(
            transaction_id=running.transaction_id,
            authorized=running.authorized,
            charging_state=running.charging_state,
        ),
        charging=None if charging is None else _without_token(charging),
        why_not=("the control process is silent",)
        if charging is None
        else tuple(reason_text(reason) for reason in charging.why_not),
        limits=() if charging is None else tuple(_limit_reports(charging, now)),
        meter_age_s=None if meter is None else round(now.mono - meter.at_mono, 3),
        troubles=station.troubles.of_evse(evse_id),
    )


def _limit_reports(charging: EvseStatus, now: Now) -> Iterator[LimitReport]:
    for limit in charging.limits:
        until_mono = limit.until_mono
        yield LimitReport(
            source=limit.source,
            amps=limit.amps,
            wins=limit.source == charging.limit.source,
            fallback=limit.fallback,
            left_s=None if until_mono is None else round(max(0.0, until_mono - now.mono), 1),
        )


def _without_token(charging: EvseStatus) -> EvseStatus:
    """A token id is personal data: the report says that one was seen, not which."""
    return msgspec.structs.replace(charging, token=None)
