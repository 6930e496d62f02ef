"""The walk through the code names things that exist, and what is written from the code is as the code is."""

import re
from pathlib import Path

from tools import conformance_page, faults_page, requirements_page, security_events_page, variables_page

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("chargerd", "hal", "firmware", "tests", "systemd", "board-configs", "docs")

TEXT = (ROOT / "docs" / "code-overview.md").read_text()
CODE = "\n".join(path.read_text() for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")))
PATHS = {*FOLDERS} | {path.relative_to(ROOT).as_posix() for folder in FOLDERS for path in (ROOT / folder).rglob("*")}


def unknown_names(text: str) -> list[str]:
    """Names in backticks whose parts stand nowhere in the code."""
    known = set(re.findall(r"\w+", CODE))
    quoted = [name for name in re.findall(r"`([^`\n]+)`", text) if not is_path(name)]
    return [name for name in quoted if not set(re.findall(r"[A-Za-z_]\w*", name)) <= known]


def unknown_paths(text: str) -> list[str]:
    """Files and folders in backticks that are not there; `<block>` and `*` stand for anything."""
    quoted = [name.partition(":")[0].rstrip("/") for name in re.findall(r"`([^`\n]+)`", text) if is_path(name)]
    return [path for path in quoted if not any(re.fullmatch(as_pattern(path), known) for known in PATHS)]


def is_path(quoted: str) -> bool:
    return re.search(r"/|\.(py|toml|md)\b", quoted) is not None


def as_pattern(path: str) -> str:
    wild = re.sub(r"<\w+>|\*", "ANYTHING", path)
    return r"(.*/)?" + re.escape(wild).replace("ANYTHING", r"[^/]+")


def test_every_name_in_the_code_overview_stands_in_the_code() -> None:
    assert unknown_names(TEXT) == []


def test_every_file_in_the_code_overview_is_there() -> None:
    assert unknown_paths(TEXT) == []


def test_a_name_or_file_that_is_not_there_is_found() -> None:
    invented = "No" + "SuchThing"
    assert unknown_names(f"`Station.feed` calls `{invented}.feed`") == [f"{invented}.feed"]
    assert unknown_paths("see `chargerd/nowhere.py` and `ocpp/<block>.py`") == ["chargerd/nowhere.py"]


def test_the_page_of_faults_is_what_the_table_says() -> None:
    assert faults_page.PAGE.read_text() == faults_page.page(), "stale: run python -m tools.faults_page"


def test_the_page_of_security_events_is_what_the_table_says() -> None:
    page = security_events_page.PAGE.read_text()
    assert page == security_events_page.page(), "stale: run python -m tools.security_events_page"


def test_the_page_of_requirements_is_what_tests_and_cases_say() -> None:
    page = requirements_page.PAGE.read_text()
    assert page == requirements_page.page(), "stale: run python -m tools.requirements_page"


def test_the_page_of_conformance_has_every_case_as_it_is_written() -> None:
    stale = "stale: run make conformance docs"
    page = conformance_page.PAGE.read_text()
    assert conformance_page.without_results(page) == conformance_page.without_results(conformance_page.page({})), stale


def test_the_page_of_conformance_tells_of_runs_and_counts_no_case_that_was_not_run() -> None:
    case_id = "TC_E_03_CS"
    ran = conformance_page.page({(case_id, "virtual"): "passed", (case_id, "real"): "failed"})
    row = next(line for line in ran.splitlines() if line.startswith(f"| {case_id} "))
    assert row.endswith("| passed | failed |")
    assert re.search(r"\| E Transactions \| \d+ \| \d+ \| 1 \| 0 \|", ran)
    assert "passed |" not in conformance_page.page({}).partition("## B ")[2]
    assert conformance_page.without_results(ran) == conformance_page.without_results(conformance_page.page({}))


def test_the_page_of_variables_is_what_the_blocks_declare() -> None:
    assert variables_page.PAGE.read_text() == variables_page.page(), "stale: run python -m tools.variables_page"
