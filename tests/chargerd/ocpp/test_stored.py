"""What another version wrote does not stop the station, and is not lost."""

import msgspec

from chargerd.ocpp.stored import readable, readable_items
from chargerd.store import Store
from tests.chargerd.ocpp.building import Rig


class Note(msgspec.Struct, frozen=True):
    count: int


def test_what_cannot_be_read_is_set_aside_with_a_note_and_the_rest_is_there() -> None:
    store = Store(":memory:")
    store.put("notes", "a", Note(1))
    store.put("notes", "b", {"count": "many"})
    store.put("notes", "c", Note(3))
    rig = Rig(store=store)
    assert readable_items(rig.station.ctx, "notes", Note) == [("a", Note(1)), ("c", Note(3))]
    assert store.get("notes.unreadable", "b", dict[str, str]) == {"count": "many"}
    assert store.keys("notes") == ["a", "c"]
    rig.status()
    assert [text for text in rig.notes() if "notes/b was set aside" in text]


def test_what_is_not_there_is_nothing() -> None:
    assert readable(Rig().station.ctx, "notes", "z", Note) is None
