"""A charge whose meter signs, through both processes' cores and the plant on virtual time."""

import base64
import json
from pathlib import Path
from typing import Any

from tests.sim.world import BOARD, World

CARD = "04A1B2C3"


def signing_board(folder: Path) -> Path:
    path = folder / "board.toml"
    path.write_text(
        BOARD.read_text().replace('[evse.meter]\ndriver = "sim"', '[evse.meter]\ndriver = "sim"\nsigns = true')
    )
    return path


def until(world: World, condition: Any, bound_s: float = 60.0) -> None:
    end_mono = world.clock.monotonic() + bound_s
    while not condition():
        assert world.clock.monotonic() < end_mono, "did not happen in time"
        world.step()


def register(event: dict[str, Any], context: str) -> dict[str, Any]:
    samples = [one for value in event["meterValue"] for one in value["sampledValue"] if one.get("context") == context]
    found: dict[str, Any] = samples[0]
    return found


def test_a_signed_charge_from_plug_to_document(tmp_path: Path) -> None:
    settings = {"TxCtrlr.TxStartPoint": "EVConnected", "TxCtrlr.TxStopPoint": "Authorized,EVConnected"}
    world = World(3, board=signing_board(tmp_path), overrides=settings)
    evse = world.plant.evses[0]
    until(world, lambda: world.csms.boots)
    world.run(5.0)
    evse.plug_in()
    evse.ev_ready()
    world.run(3.0)
    evse.present_token(CARD)
    waited: list[str] = []

    def charges() -> bool:
        status = world.loop_status(1)
        assert status is not None
        waited.extend(status.why_not)
        return status.relay_commanded

    until(world, charges)
    assert "meter_not_signing" in waited
    world.run(30.0)
    evse.present_token(CARD)
    until(world, lambda: any(event["eventType"] == "Ended" for event in world.csms.told))
    (ended,) = [event for event in world.csms.told if event["eventType"] == "Ended"]
    end = register(ended, "Transaction.End")
    document = base64.b64decode(end["signedMeterValue"]["signedMeterData"]).decode()
    payload = json.loads(document.split("|")[1])
    assert payload["ID"] == CARD
    assert [round(reading["RV"]) for reading in payload["RD"]] == [
        round(register(ended, "Transaction.Begin")["value"]),
        round(end["value"]),
    ]
    assert payload["RD"][1]["RV"] > payload["RD"][0]["RV"]
    assert not world.csms.problems
    world.close()
