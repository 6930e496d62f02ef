"""The charging profiles the station keeps: what is in here is on disk (K01.FR.27), and what is not is forgotten."""

from collections.abc import Callable

import msgspec

from chargerd import codec
from chargerd.codec import CodecError
from chargerd.ocpp.messages.enums import ChargingLimitSource, ChargingProfilePurpose
from chargerd.ocpp.messages.types import ChargingProfile
from chargerd.store import Store

NAMESPACE = "charging_profiles"

MAX_STORED_BYTES = 2 * codec.MAX_BYTES
"""A profile fitted into one message; written back it may be longer, for numbers have several spellings."""

_STATION_WIDE = (
    ChargingProfilePurpose.CHARGING_STATION_MAX_PROFILE,
    ChargingProfilePurpose.CHARGING_STATION_EXTERNAL_CONSTRAINTS,
)


class Installed(msgspec.Struct, frozen=True):
    """A profile the station keeps. `evse_id` 0: the whole station, or a default for every EVSE."""

    evse_id: int
    source: ChargingLimitSource
    profile: ChargingProfile

    @property
    def purpose(self) -> ChargingProfilePurpose:
        """What it limits."""
        return self.profile.charging_profile_purpose

    @property
    def is_of_transaction(self) -> bool:
        """Whether it lives and dies with one transaction (K02.FR.05); elsewhere a transactionId means nothing."""
        return self.purpose is ChargingProfilePurpose.TX_PROFILE

    @property
    def is_clearable(self) -> bool:
        """Whether the CSMS may replace or clear it (K01.FR.05, K10.FR.08)."""
        return self.purpose is not ChargingProfilePurpose.CHARGING_STATION_EXTERNAL_CONSTRAINTS


class InstalledProfiles:
    """All installed profiles, by their id, which is unique in the station."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_id: dict[int, Installed] = {}

    def reload(self) -> list[str]:
        """Read the disk. What cannot be read stays there and is told, one line each."""
        self._by_id.clear()
        problems = []
        for key, raw in self._store.items(NAMESPACE, msgspec.Raw):
            try:
                installed = codec.decode(Installed, raw, max_bytes=MAX_STORED_BYTES)
            except CodecError as error:
                problems.append(f"stored charging profile {key} cannot be read ({error})")
            else:
                self._by_id[installed.profile.id] = installed
        return problems

    def put(self, installed: Installed) -> None:
        """Keep a profile; one with the same id gives way (K01.FR.05)."""
        self._by_id[installed.profile.id] = installed
        self._store.put(NAMESPACE, str(installed.profile.id), msgspec.Raw(codec.encode(installed)))

    def remove(self, condition: Callable[[Installed], bool]) -> int:
        """Forget all profiles that meet `condition`; how many they were."""
        doomed = [installed.profile.id for installed in self._by_id.values() if condition(installed)]
        for profile_id in doomed:
            del self._by_id[profile_id]
            self._store.delete(NAMESPACE, str(profile_id))
        return len(doomed)

    def all(self) -> tuple[Installed, ...]:
        """Every profile, in the order of their ids."""
        return tuple(installed for _, installed in sorted(self._by_id.items()))

    def of_station(self) -> list[ChargingProfile]:
        """The profiles that limit the sum of all EVSEs."""
        return [
            installed.profile
            for installed in self._by_id.values()
            if installed.evse_id == 0 and installed.purpose in _STATION_WIDE
        ]

    def of_evse(self, evse_id: int, transaction_id: str | None) -> list[ChargingProfile]:
        """The profiles that limit one EVSE by itself while it runs `transaction_id` (None: no transaction)."""
        return [
            installed.profile
            for installed in self._by_id.values()
            if _limits_evse(installed, evse_id) and _is_of_transaction(installed, transaction_id)
        ]


def _limits_evse(installed: Installed, evse_id: int) -> bool:
    if installed.evse_id == 0:
        return installed.purpose not in _STATION_WIDE  # K01.FR.14
    return installed.evse_id == evse_id


def _is_of_transaction(installed: Installed, transaction_id: str | None) -> bool:
    if not installed.is_of_transaction:
        return True
    return transaction_id is not None and installed.profile.transaction_id == transaction_id
