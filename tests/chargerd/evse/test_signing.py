import msgspec
import pytest

from chargerd.evse.signing import SigningKeeper, why_not_signed
from chargerd.evse.types import EvseOrders, MeterSession, SignFor
from hal.types import SigningPhase
from tests.chargerd.evse.rig import PLAIN, B, C, Rig

ONE, TWO = SignFor("tx-1", "04AABB"), SignFor("tx-2", "04AABB")
FOR_ONE, FOR_TWO, FOR_NOBODY = EvseOrders(sign_for=ONE), EvseOrders(sign_for=TWO), EvseOrders()


def session(phase: SigningPhase, sign_for: SignFor | None = ONE) -> MeterSession:
    return MeterSession(sign_for=sign_for, phase=phase)


def test_the_session_changes_only_while_the_contactor_is_open() -> None:
    keeper = SigningKeeper()
    wanted = []
    for orders, is_open in ((FOR_ONE, False), (FOR_ONE, True), (FOR_TWO, False), (FOR_NOBODY, True)):
        keeper.update(orders, is_open)
        wanted.append(keeper.wanted)
    assert wanted == [None, ONE, ONE, None]


def test_without_orders_the_session_stays_as_it_is() -> None:
    keeper = SigningKeeper()
    keeper.update(FOR_ONE, is_open=True)
    keeper.update(None, is_open=True)
    assert keeper.wanted == ONE


@pytest.mark.parametrize(
    "orders, seen, waits",
    [
        (FOR_ONE, None, True),
        (FOR_ONE, session(SigningPhase.IDLE, None), True),
        (FOR_ONE, session(SigningPhase.BEGINNING), True),
        (FOR_ONE, session(SigningPhase.ACTIVE), False),
        (FOR_ONE, session(SigningPhase.ACTIVE, TWO), True),
        (FOR_ONE, session(SigningPhase.ENDING), True),
        (FOR_ONE, session(SigningPhase.FAILED), True),
        (FOR_NOBODY, None, False),
        (FOR_NOBODY, session(SigningPhase.IDLE), False),
        (FOR_NOBODY, session(SigningPhase.ACTIVE), True),
        (FOR_NOBODY, session(SigningPhase.ENDING), True),
        (FOR_NOBODY, session(SigningPhase.FAILED), False),
        (None, session(SigningPhase.IDLE), False),
    ],
)
def test_energy_waits_for_the_session_it_belongs_to(
    orders: EvseOrders | None, seen: MeterSession | None, waits: bool
) -> None:
    assert why_not_signed(orders, seen) is waits


# ---- in the controller ----


def test_energy_waits_for_the_session_and_the_session_for_the_contactor() -> None:
    rig = Rig(msgspec.structs.replace(PLAIN, signs=True))
    seen = []

    def look(seconds: float) -> None:
        rig.run(seconds)
        seen.append((rig.outputs.sign_for, rig.outputs.relay_closed, "meter_not_signing" in rig.status.why_not))

    rig.sign_for, rig.permit, rig.high_volts = ONE, True, C
    look(3.0)
    assert rig.status.offered_amps == 0.0
    rig.session = session(SigningPhase.ACTIVE)
    look(3.0)
    rig.sign_for, rig.permit = None, False
    look(0.02)
    rig.high_volts = B
    look(1.0)
    assert seen == [(ONE, False, True), (ONE, True, False), (ONE, True, True), (None, False, True)]
    assert rig.status.session == rig.session


def test_a_contactor_that_does_not_open_keeps_its_session_until_it_does() -> None:
    rig = Rig(msgspec.structs.replace(PLAIN, signs=True))
    rig.sign_for, rig.session = ONE, session(SigningPhase.ACTIVE)
    rig.charge()
    rig.sign_for, rig.permit, rig.feedback = None, False, True
    rig.amps = (0.0, 0.0, 0.0)
    rig.run(10.0)
    assert (rig.is_closed(), rig.outputs.sign_for) == (False, ONE)
    rig.feedback = None
    rig.run(0.1)
    assert rig.outputs.sign_for is None


def test_a_meter_that_does_not_sign_is_told_of_a_session_and_not_waited_for() -> None:
    rig = Rig(PLAIN)
    rig.sign_for = ONE
    rig.charge()
    assert rig.outputs.relay_closed
