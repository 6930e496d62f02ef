import pytest

from chargerd.conformance.files import FOLDER, NOWHERE, File, Files


def test_what_is_sent_to_the_folder_arrives_under_its_name() -> None:
    files = Files()
    assert files.take(f"{FOLDER}a.txt", b"text") == 201
    assert files.arrived == [File("a.txt", b"text")]


@pytest.mark.parametrize("path", [f"{NOWHERE}a.txt", FOLDER, "/", ""])
def test_there_is_no_other_place(path: str) -> None:
    files = Files()
    assert files.take(path, b"text") == 404
    assert files.arrived == []


def test_as_many_are_held_as_was_said() -> None:
    files = Files()
    files.hold_next()
    files.hold_next()
    assert [files.holds(), files.holds(), files.holds()] == [True, True, False]
