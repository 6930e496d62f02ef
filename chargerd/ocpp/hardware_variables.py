"""The physical components of the device model, filled from the board file and from what the control process says.

Only what is fitted is there: an EVSE without a lock has no ConnectorPlugRetentionLock.
"""

from collections.abc import Iterable, Mapping

from chargerd.ocpp.block import Block, StationContext
from chargerd.ocpp.edges import has_stopping_fault
from chargerd.ocpp.hardware_power import POWER
from chargerd.ocpp.hardware_readings import Reading, Spot, SpotReader
from chargerd.ocpp.hardware_surroundings import SURROUNDINGS
from chargerd.ocpp.hardware_vehicle import VEHICLE
from chargerd.ocpp.troubles import Troubles
from chargerd.ocpp.variables import AnyVariable, AttributeKey, Reader, boolean, decimal, string

READINGS: tuple[Reading, ...] = (*POWER, *VEHICLE, *SURROUNDINGS)

FIRMWARE_VERSION = string(
    "Controller", "FirmwareVersion", "", required=False, constant=True, doc="Version of this software."
)
SERIAL_NUMBER = string(
    "ChargingStation", "SerialNumber", "", required=False, constant=True, doc="As given in BootNotification."
)
STATION_PROBLEM = boolean(
    "ChargingStation", "Problem", False, required=False, doc="A fault stands on some EVSE that keeps energy off."
)
FEED_RATING = decimal(
    "ElectricalFeed",
    "FuseRating",
    0.0,
    unit="A",
    required=False,
    constant=True,
    doc="The site's fuse per phase, which all EVSEs share; empty: none was given.",
)
LINK_ACTIVE = boolean("DataLink", "Active", False, required=False, doc="The CSMS is connected.")
LINK_PROBLEM = boolean("DataLink", "Problem", False, required=False, doc="No CSMS for more than a minute.")
LINK_SIGNAL = decimal(
    "DataLink", "SignalStrength", 0.0, unit="dBm", required=False, doc="Level of the radio link; empty: there is none."
)


class Hardware(Block):
    """Reads no device: it looks up what the last Status said."""

    def __init__(self, ctx: StationContext, troubles: Troubles) -> None:
        super().__init__(ctx)
        self._troubles = troubles
        for reading in READINGS:
            fitted = [evse_id for evse_id in ctx.evse_ids if reading.fitted(ctx.config.board.evses[evse_id - 1])]
            ctx.variables.set_evses(reading.variable, fitted)

    def variables(self) -> Iterable[AnyVariable]:
        """Those of the station, then those of its EVSEs."""
        station = (
            FIRMWARE_VERSION,
            SERIAL_NUMBER,
            STATION_PROBLEM,
            FEED_RATING,
            LINK_ACTIVE,
            LINK_PROBLEM,
            LINK_SIGNAL,
        )
        return (*station, *(reading.variable for reading in READINGS))

    def readers(self) -> Mapping[AnyVariable, Reader]:
        """All of them are found out."""
        config, troubles = self.ctx.config, self._troubles
        return {
            FIRMWARE_VERSION: lambda _evse_id, _connector_id: config.firmware_version,
            SERIAL_NUMBER: lambda _evse_id, _connector_id: config.board.serial,
            STATION_PROBLEM: self._any_fault,
            FEED_RATING: lambda _evse_id, _connector_id: config.fuse_amps,
            LINK_ACTIVE: lambda _evse_id, _connector_id: self.ctx.link_up,
            LINK_PROBLEM: lambda _evse_id, _connector_id: troubles.has_no_csms,
            LINK_SIGNAL: lambda _evse_id, _connector_id: troubles.signal_dbm,
            **{reading.variable: self._reader(reading.read) for reading in READINGS},
        }

    def attributes(self) -> Mapping[AttributeKey, Reader]:
        """Thresholds beside what is measured."""
        return {
            (reading.variable, kind): self._reader(read)
            for reading in READINGS
            for kind, read in reading.attributes.items()
        }

    def _reader(self, read: SpotReader) -> Reader:
        def reader(evse_id: int | None, _connector_id: int | None) -> object:
            assert evse_id is not None, "can't be None: these variables belong to an EVSE"
            return read(self._spot(evse_id))

        return reader

    def _spot(self, evse_id: int) -> Spot:
        status, orders = self.ctx.status, self.ctx.orders
        return Spot(
            facts=self.ctx.config.board.evses[evse_id - 1],
            evse=self.ctx.evse(evse_id),
            at_mono=0.0 if status is None else status.at_mono,
            lines=orders.message(evse_id),
            indication=orders.indication(evse_id).value,
        )

    def _any_fault(self, _evse_id: int | None, _connector_id: int | None) -> bool:
        return any(evse is None or has_stopping_fault(evse) for evse in map(self.ctx.evse, self.ctx.evse_ids))
