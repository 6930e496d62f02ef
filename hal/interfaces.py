"""What a device must be able to do: one small role each, synchronous, without policy.

A driver raises HalError when the device fails and never retries on its own for longer than its interface says.
Everything that can energise something is a lease: `Relays.hold` opens by itself when it is not renewed.
"""

from datetime import datetime
from typing import Protocol, runtime_checkable

from hal.types import (
    CableRating,
    ExternalLimit,
    Indication,
    InputsReading,
    LineQuality,
    LockReading,
    MeterSample,
    PhasesReading,
    PilotMode,
    PilotReading,
    RelayReading,
    ResidualReading,
    SignedKind,
    Signing,
    Temperature,
    Token,
)


class Pilot(Protocol):
    """The control pilot of one EVSE."""

    def read(self) -> PilotReading:
        """The present peaks in volts; returns within 5 ms."""
        ...

    def set(self, mode: PilotMode, duty_percent: float) -> None:
        """Drive the pilot. `duty_percent` counts only in PWM mode; a driver refuses (HalError) a duty above the
        board's rating.
        """
        ...


class Relays(Protocol):
    """The contactor of one EVSE."""

    def hold(self, closed: bool, for_s: float) -> None:
        """Close (or open) now; a close lapses after `for_s` seconds unless it is renewed, and the board opens by
        itself.
        """
        ...

    def read(self) -> RelayReading:
        """The feedback contact; returns within 5 ms."""
        ...


class Meter(Protocol):
    """The energy meter of one EVSE; slow, so it is read in a thread of its own."""

    def read(self) -> MeterSample:
        """One fresh, consistent sample. Raises HalError rather than returning anything old or doubtful."""
        ...


class OnSharedLine(Protocol):
    """What a device on a line that it shares with others offers beside its role, for technicians."""

    def quality(self) -> LineQuality:
        """How the questions to this device have fared since start; asks nothing of it."""
        ...


@runtime_checkable
class SigningMeter(Meter, Protocol):
    """A meter that signs what a session took. `read` goes on as ever and carries the work forward, step by step.

    A document comes once, in the `signed` of the sample that `read` returns then, and stays at `signed` until the next
    session begins. The contactor is open from `begin` to phase ACTIVE, and from before `end` to phase IDLE.
    """

    def begin(self, text: str, at: datetime) -> None:
        """Open a session for the user identified by `text`. `at`: the time now, with the offset of local time.

        HalError for a text that the meter cannot take, or while another session is open. Returns at once.
        """
        ...

    def end(self, at: datetime) -> None:
        """Close the session that the meter has open, also one from before a restart. Returns at once."""
        ...

    def signing(self) -> Signing:
        """How far it is."""
        ...

    def signed(self, kind: SignedKind) -> bytes | None:
        """The session's document, byte for byte; None while there is none."""
        ...

    def public_key(self) -> bytes:
        """The key (DER) that verifies what this meter signs. HalError when it cannot be read."""
        ...


class Proximity(Protocol):
    """The proximity (PP) contact of a socket."""

    def read(self) -> CableRating:
        """The present resistor and its cable class."""
        ...


class Lock(Protocol):
    """The motor lock of a socket."""

    def set(self, locked: bool) -> None:
        """Drive the lock towards `locked`; returns at once, `read` tells when it got there."""
        ...

    def read(self) -> LockReading:
        """The feedback contact."""
        ...


class ResidualCurrent(Protocol):
    """A residual current monitor."""

    def read(self) -> ResidualReading:
        """The trip inputs."""
        ...

    def self_test(self) -> bool:
        """Run the device's own test; True when it tripped as it should. Takes up to 1 s, contactor open."""
        ...


class Thermometer(Protocol):
    """A temperature sensor."""

    def read(self) -> Temperature:
        """The present temperature."""
        ...


class TokenReader(Protocol):
    """A card reader or keypad; slow, so it is read in a thread of its own."""

    def read(self) -> Token | None:
        """The token presented since the last call, or None. Blocks for at most 0.5 s."""
        ...


class Indicator(Protocol):
    """Lights and sounds for the user."""

    def show(self, indication: Indication, code: int = 0) -> None:
        """Show it until told otherwise, a fault with the number it is known by (0: none). Called in every tick, so that
        blinking needs no thread; returns within 5 ms.
        """
        ...


class PhaseSwitch(Protocol):
    """The contactor of L2 and L3, switched without load only."""

    def set(self, phases: int) -> None:
        """Connect 1 or 3 phases; returns at once, `read` tells when it got there."""
        ...

    def read(self) -> PhasesReading:
        """The feedback contact; returns within 5 ms."""
        ...


class Inputs(Protocol):
    """Plain input lines: emergency stop, enclosure, ..."""

    def read(self) -> InputsReading:
        """All of them at once; returns within 5 ms."""
        ...


class LimitSource(Protocol):
    """Somebody outside who limits the current: a grid operator's contact, an energy manager. May be slow."""

    def read(self) -> ExternalLimit:
        """What it allows now. Raises HalError rather than returning anything old."""
        ...


class Display(Protocol):
    """A text surface for the user; slow, so it is written in a thread of its own."""

    def show(self, lines: tuple[str, ...]) -> None:
        """Show these lines until told otherwise, cut to what fits. Blocks for at most 0.5 s."""
        ...
