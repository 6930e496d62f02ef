from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hal.board_file import load_board
from hal.drivers.gpio_lines import ANY_CHIP, FeedbackTable, GpioSettings, InputTable, Lines, LineTable, OutputTable
from hal.drivers.lamps import LampTable
from hal.drivers.limit_gpio import ContactTable
from hal.types import BoardError, DeviceMissing, EvseFacts
from tests.hal.boards import BOARD_CONFIGS, bench_tables, write
from tests.hal.drivers.fake_gpiod import CHIP, WIRINGS, FakeKernel, gpiod_wiring
from tests.hal.drivers.gpio_bench import Bench, Pin, Wiring
from tests.hal.plants import World

FACTS = EvseFacts(max_amps=32, phases=3)


@pytest.fixture(params=WIRINGS)
def wiring(request: pytest.FixtureRequest) -> Wiring:
    return WIRINGS[request.param](Bench(World()))


@pytest.fixture
def lines(wiring: Wiring) -> Iterator[Lines]:
    with Lines(wiring.slot("inputs")) as opened:
        yield opened


# ---- on either library ----


@pytest.mark.parametrize("active", ["high", "low"])
def test_an_output_is_inactive_when_opened_follows_and_is_inactive_when_closed(wiring: Wiring, active: Any) -> None:
    inactive_is_high = active == "low"
    with Lines(wiring.slot("inputs")) as lines:
        line = lines.output(wiring.output(Pin.RED, active=active))
        assert (Pin.RED in wiring.bench.high) is inactive_is_high
        line.set(True)
        assert (Pin.RED in wiring.bench.high) is not inactive_is_high
        line.set(True)
    assert (Pin.RED in wiring.bench.high) is inactive_is_high


@pytest.mark.parametrize("pull", ["up", "down", "none"])
@pytest.mark.parametrize("active", ["high", "low"])
def test_an_input_is_active_at_the_level_its_table_says_whatever_pulls_it(
    wiring: Wiring, lines: Lines, active: Any, pull: Any
) -> None:
    line = lines.input(wiring.input(Pin.ENCLOSURE, active=active, pull=pull))
    assert line.is_active() is (active == "low")
    wiring.bench.world.evse.fault("open_enclosure")
    assert line.is_active() is (active == "high")


@pytest.mark.parametrize("pull", ["up", "down"])
@pytest.mark.parametrize("active", ["high", "low"])
def test_a_broken_wire_reads_as_the_table_foretells(wiring: Wiring, lines: Lines, active: Any, pull: Any) -> None:
    table = wiring.input(Pin.ENCLOSURE, active=active, pull=pull)
    line = lines.input(table)
    wiring.bench.cut.add(Pin.ENCLOSURE)
    assert line.is_active() is table.broken_is_active


def test_nothing_foretells_what_a_broken_wire_reads_as_where_nothing_pulls() -> None:
    assert InputTable(pi=4).broken_is_active is None


@pytest.mark.parametrize("contact, pin", [("normally_open", Pin.FEEDBACK), ("normally_closed", Pin.MIRROR)])
def test_either_kind_of_auxiliary_contact_tells_of_the_main_contacts(
    wiring: Wiring, lines: Lines, contact: Any, pin: Pin
) -> None:
    feedback = lines.feedback(wiring.feedback(pin, contact=contact))
    assert feedback is not None
    assert feedback.is_closed() is False
    wiring.bench.world.evse.fault("weld_relay")
    assert feedback.is_closed() is True


def test_no_contact_is_no_feedback(lines: Lines) -> None:
    assert lines.feedback(None) is None


def test_when_one_line_is_not_there_the_others_are_given_back(wiring: Wiring) -> None:
    def open_two(second: OutputTable) -> None:
        with Lines(wiring.slot("inputs")) as lines:
            lines.output(wiring.output(Pin.RED))
            lines.output(second)

    with pytest.raises(DeviceMissing):
        open_two(wiring.output(Pin.RED))  # the first one holds it
    open_two(wiring.output(Pin.BLUE))


def test_lines_that_are_kept_outlive_their_opening(wiring: Wiring) -> None:
    closed: list[str] = []
    with Lines(wiring.slot("inputs")) as lines:
        line = lines.output(wiring.output(Pin.RED))
        lines.adopt(lambda: closed.append("other"))
        kept = lines.keep()
    line.set(True)
    assert not closed
    kept.close()
    assert closed == ["other"]
    assert Pin.RED not in wiring.bench.high
    kept.close()  # nothing left to close


def test_both_libraries_may_serve_one_device() -> None:
    bench = Bench(World())
    first, second = gpiod_wiring(bench), WIRINGS["gpiozero"](bench)
    first.shared.update(second.shared)
    with Lines(first.slot("inputs")) as lines:
        lines.output(first.output(Pin.RED)).set(True)
        lines.output(second.output(Pin.BLUE)).set(True)
        assert bench.high == {Pin.RED, Pin.BLUE}


# ---- in the board file ----


@pytest.mark.parametrize(
    "table, place, problem",
    [
        (LineTable(), "coil", "names no line or two"),
        (LineTable(chip=CHIP), "coil", "names no line or two"),
        (LineTable(line=3), "coil", "names no line or two"),
        (LineTable(chip=CHIP, line=3, pi=3), "coil", "names no line or two"),
        (LineTable(pi=3, line=3), "coil", "names no line or two"),
        (LineTable(chip=CHIP, line=-1), "coil.line", "found -1"),
        (InputTable(pi=3, debounce_ms=5), "coil.debounce_ms", "gpiozero has no debounce for levels"),
    ],
)
def test_a_table_that_names_no_line_is_refused(table: LineTable, place: str, problem: str) -> None:
    with pytest.raises(BoardError) as caught:
        table.check("coil")
    assert (caught.value.place, caught.value.problem) == (place, problem)


@pytest.mark.parametrize(
    "table, claim, name, node",
    [
        (LineTable(chip=CHIP, line="COIL"), f"gpio {CHIP} COIL", f"line COIL of {CHIP}", CHIP),
        (LineTable(chip=CHIP, line=0), f"gpio {CHIP} 0", f"line 0 of {CHIP}", CHIP),
        (LineTable(chip="pinctrl-rp1", line=4), "gpio pinctrl-rp1 4", "line 4 of pinctrl-rp1", ANY_CHIP),
        (LineTable(pi=4), "gpio pi 4", "GPIO4", ANY_CHIP),
    ],
)
def test_a_line_is_claimed_named_and_has_a_node(table: LineTable, claim: str, name: str, node: str) -> None:
    table.check("coil")
    assert (table.claim, table.name, table.node) == (claim, name, node)


class Several(GpioSettings, frozen=True, kw_only=True):
    one: OutputTable
    more: tuple[InputTable, ...] = ()
    other: int = 3


def test_every_line_of_the_settings_is_checked_claimed_and_opened_to_the_process() -> None:
    good = Several(one=OutputTable(pi=1), more=(InputTable(chip=CHIP, line=2), FeedbackTable(pi=3)))
    good.check(FACTS)
    assert good.claims() == ("gpio pi 1", f"gpio {CHIP} 2", "gpio pi 3")
    assert good.nodes() == (CHIP, ANY_CHIP)
    with pytest.raises(BoardError, match=r"^more\[1\]: names no line"):
        Several(one=OutputTable(pi=1), more=(InputTable(pi=2), InputTable())).check(FACTS)


def refused(tmp_path: Path, **devices: Any) -> str:
    tables = bench_tables()
    tables["evse"][0].update(devices)
    with pytest.raises(BoardError) as caught:
        load_board(write(tmp_path / "board.toml", tables))
    return str(caught.value).replace(f"{tmp_path}/", "")


def limit(*contacts: dict[str, Any]) -> dict[str, Any]:
    return {"driver": "limit_gpio", "contacts": [{"amps": 6, **contact} for contact in contacts]}


def inputs(**lines: Any) -> dict[str, Any]:
    return {"driver": "inputs_gpio", **lines}


def test_the_guide_explains_every_key_of_a_line() -> None:
    guide = (BOARD_CONFIGS / "README.md").read_text()
    for table in (OutputTable, FeedbackTable, ContactTable, LampTable):
        for field in msgspec.structs.fields(table):
            assert f"`{field.name}`" in guide or f"{{ {field.name} = " in guide, field.name


def test_the_same_line_twice_is_refused_across_devices_and_within_one(tmp_path: Path) -> None:
    same = {"chip": CHIP, "line": 4}
    message = refused(tmp_path, external_limit=limit(same), inputs=inputs(button=same))
    assert message == (
        f"board.toml: evse[0].external_limit: uses gpio {CHIP} 4, as evse[0].inputs does; give each device its own"
    )
    message = refused(tmp_path, inputs=inputs(button={"pi": 4}, enclosure={"pi": 4}))
    assert message.startswith("board.toml: evse[0].inputs: uses gpio pi 4, as evse[0].inputs does")


def test_a_mistyped_line_is_named_with_its_place_and_what_was_expected(tmp_path: Path) -> None:
    assert refused(tmp_path, inputs=inputs(button={"pi": 28})) == (
        "board.toml: evse[0].inputs.button.pi: found 28; expected a whole number from 0 to 27"
    )
    assert "board.toml: evse[0].inputs.button: unknown key 'lien'; did you mean 'line'?" in refused(
        tmp_path, inputs=inputs(button={"chip": CHIP, "lien": 3})
    )
    assert refused(tmp_path, inputs=inputs(button=7)) == "board.toml: evse[0].inputs.button: found 7; expected a table"
    assert refused(tmp_path, external_limit=limit({"pi": 2}, {})).startswith(
        "board.toml: evse[0].external_limit.contacts[1]: names no line or two; give chip and line"
    )


def test_a_contactor_on_a_board_without_watchdog_circuit_is_refused_with_its_place(tmp_path: Path) -> None:
    relays = {"driver": "relays_gpio", "coil": {"pi": 2}, "feedback": {"pi": 4}}
    assert refused(tmp_path, relays=relays) == (
        "board.toml: evse[0].relays.coil: a GPIO line stays as it is when the software hangs; "
        'add the circuit and say relay_deadman = "hardware"'
    )


def test_a_board_that_names_no_pi_does_not_load_gpiozero(tmp_path: Path) -> None:
    import subprocess
    import sys

    tables = bench_tables()
    tables["evse"][0]["inputs"] = inputs(button={"chip": "/dev/nowhere", "line": 1})
    path = write(tmp_path / "board.toml", tables)
    code = (
        "import sys, hal.board\n"
        f"config = hal.board.load_board({str(path)!r})\n"
        "loaded = [name in sys.modules for name in ('gpiod', 'gpiozero')]\n"
        "try: hal.board.open_board(config)\n"
        "except Exception as error: print(type(error).__name__)\n"
        "print(loaded, [name in sys.modules for name in ('gpiod', 'gpiozero')])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == ["DeviceMissing", "[False, False] [True, False]"]


def test_the_fake_chip_holds_a_line_for_one_user_only() -> None:
    kernel = FakeKernel(Bench(World()))
    wiring = gpiod_wiring(kernel.bench, kernel)
    with Lines(wiring.slot("relays")) as lines:
        lines.output(wiring.output(Pin.COIL))
        assert kernel.held == {Pin.COIL: "chargerd evse[0].relays"}
    assert not kernel.held
