"""Scenario files that are wrong, and days that do not go as the file says."""

import asyncio
from pathlib import Path

import pytest

from chargerd.bench.rig import Rig, RigSettings
from chargerd.bench.scenario import Player, Scenario, ScenarioError, Step, load_scenario

BOARD = Path(__file__).resolve().parents[3] / "board-configs" / "bench.toml"
GOOD = """
title = "A day"
[[step]]
say = "The driver plugs in"
do = "plug_in 1"
sees = ["StatusNotification connectorStatus=Occupied"]
until = ["evse 1 pilot == B", "queued == 0"]
"""


def written(directory: Path, text: str) -> Path:
    path = directory / "day.toml"
    path.write_text(text)
    return path


def test_a_file_is_read(tmp_path: Path) -> None:
    scenario = load_scenario(written(tmp_path, GOOD))
    assert scenario.title == "A day"
    assert scenario.board == "bench.toml"
    [step] = scenario.step
    assert step.until == ("evse 1 pilot == B", "queued == 0")
    assert step.within_s == 10.0


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("title = ", "Invalid value"),
        ('title = "x"', "missing required field `step`"),
        (GOOD + "until = []", "Cannot overwrite a value"),
        (GOOD + "unless = []", "unknown field `unless`"),
        (GOOD + "within_s = 'long'", "$.step[0].within_s"),
        ('registrations = ["Maybe"]' + GOOD, "$.registrations[0]"),
        (GOOD.replace("plug_in 1", "plugin 1"), "step 1 (The driver plugs in): unknown verb 'plugin'"),
        (GOOD.replace("plug_in 1", "limit 1"), "step 1 (The driver plugs in): limit: amps is missing; usage"),
        (GOOD.replace("queued == 0", "queue == 0"), "step 1 (The driver plugs in): 'queue == 0': unknown fact 'queue'"),
        (GOOD.replace("queued == 0", "queued is 0"), "step 1 (The driver plugs in): cannot read 'queued is 0'"),
    ],
)
def test_a_wrong_file_names_the_place(tmp_path: Path, text: str, complaint: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ScenarioError) as error:
        load_scenario(path)
    assert str(error.value).startswith(f"{path}: ")
    assert complaint in str(error.value)


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"nix\.toml: no such file"):
        load_scenario(tmp_path / "nix.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ScenarioError, match=r"binary\.toml: "):
        load_scenario(tmp_path / "binary.toml")


def test_each_way_to_fail_tells_step_expectation_and_what_was_there() -> None:
    said: list[str] = []

    async def story() -> list[str]:
        rig = Rig(RigSettings(board=BOARD, identity="SCENARIO"))
        try:
            await rig.start()
            player = Player(rig, said.append)
            await player.play(Scenario("good", (PLUG_IN,)))
            return [await failure(player, step) for step in (NEVER_SEEN, NEVER_TRUE, REFUSED)]
        finally:
            await rig.stop()

    not_seen, not_true, refused = asyncio.run(story())
    assert said[:2] == ["  0.0 s   1. plug in  [plug_in 1]", "             CSMS sees StatusNotification evseId=1"]
    assert not_seen.startswith("step 1 (wait in vain): the CSMS did not see 'Heartbeat x=1' within 0.3 s; it saw ")
    assert not_true == "step 1 (hope in vain): 'evse 1 amps > 99' did not come true within 0.3 s; it is 0.0"
    assert refused.startswith("step 1 (break what is not there): unknown fault 'nix'; known faults: ")


PLUG_IN = Step("plug in", "plug_in 1", ("StatusNotification evseId=1",), ("evse 1 pilot == B",))
NEVER_SEEN = Step("wait in vain", sees=("Heartbeat x=1",), within_s=0.3)
NEVER_TRUE = Step("hope in vain", until=("evse 1 amps > 99",), within_s=0.3)
REFUSED = Step("break what is not there", "fault 1 nix")


async def failure(player: Player, step: Step) -> str:
    with pytest.raises(ScenarioError) as error:
        await player.play(Scenario("bad", (step,)))
    return str(error.value)
