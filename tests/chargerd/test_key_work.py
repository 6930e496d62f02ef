"""The core's wishes about keys, done beside the loop."""

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from chargerd.identity import IdentityError, NewKey
from chargerd.key_work import KeyWork
from chargerd.keys import Keys
from chargerd.ocpp.effects import ClientCertificate, KeepKeys, MakeKey
from chargerd.ocpp.events import Event, KeyMade, LinkDown, LinkFailure, LinkUp
from tests.chargerd.key_stands import KINDS, request, settings, store


class Desk:
    """KeyWork with the core and the daemon at its other ends."""

    def __init__(self, keys: Keys) -> None:
        self.told: list[Event] = []
        self.restarts: list[str] = []
        self.work = KeyWork(keys, self._hear, self.restarts.append)
        self._news = asyncio.Event()

    async def until_told(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.told) < count:
                self._news.clear()
                await self._news.wait()

    def _hear(self, event: Event) -> None:
        self.told.append(event)
        self._news.set()


def play(desk: Desk, story: Callable[[Desk], Awaitable[None]]) -> None:
    async def whole() -> None:
        await story(desk)

    asyncio.run(whole())


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_that_was_asked_for_is_told_once_with_its_request(kind: str, tmp_path: Path) -> None:
    keys = store(kind, tmp_path)

    async def story(desk: Desk) -> None:
        desk.work.perform(request(request_id="r7"))
        await desk.until_told(1)

    desk = Desk(keys)
    play(desk, story)
    (made,) = desk.told
    assert isinstance(made, KeyMade)
    assert (made.request_id, made.problem) == ("r7", None)
    assert made.key_id == keys.describe()[0].key_id
    assert made.csr_pem.startswith("-----BEGIN CERTIFICATE REQUEST-----")


def test_what_goes_wrong_is_told_once_as_well(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.work.perform(request(country="Netherlands"))
        await desk.until_told(1)

    desk = Desk(store("file", tmp_path))
    play(desk, story)
    (made,) = desk.told
    assert isinstance(made, KeyMade)
    assert made.problem is not None
    assert "no certificate can have such a name" in made.problem


class Failing(Keys):
    """A store with a mistake in it."""

    def make(self, request: MakeKey, key_id: str | None = None) -> NewKey:
        raise ZeroDivisionError("a mistake of ours")

    def keep(self, key_ids: object) -> None:
        raise IdentityError("the disk is gone")


def test_even_a_mistake_of_ours_ends_in_an_answer_and_the_thread_goes_on(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.work.perform(KeepKeys(()))
        desk.work.perform(request(request_id="a"))
        desk.work.perform(request(request_id="b"))
        await desk.until_told(2)

    desk = Desk(Failing(settings("file"), tmp_path / "keys"))
    play(desk, story)
    assert [(made.request_id, made.problem) for made in desk.told if isinstance(made, KeyMade)] == [
        ("a", "ZeroDivisionError: a mistake of ours"),
        ("b", "ZeroDivisionError: a mistake of ours"),
    ]


def test_keys_that_are_not_named_any_more_are_destroyed_and_a_new_one_is_not(tmp_path: Path) -> None:
    keys = store("file", tmp_path)

    async def story(desk: Desk) -> None:
        desk.work.perform(request())
        await desk.until_told(1)
        # The core asked for another and, before it knows its name, says which it needs: none.
        desk.work.perform(request())
        desk.work.perform(KeepKeys(()))
        await desk.until_told(2)
        desk.work.perform(request())
        await desk.until_told(3)

    desk = Desk(keys)
    play(desk, story)
    left = {fact.key_id for fact in keys.describe()}
    made = [event.key_id for event in desk.told if isinstance(event, KeyMade)]
    assert left == {made[1], made[2]}


class Watched(Keys):
    """A store that remembers whether handshakes were said to be over, and wants a fresh start."""

    def __init__(self, folder: Path) -> None:
        super().__init__(settings("file"), folder)
        self.over = 0

    def load_into(self, context: ssl.SSLContext, client: ClientCertificate) -> None:
        raise IdentityError("not used here")

    def settled(self) -> None:
        self.over += 1

    def why_fresh_start(self) -> str | None:
        return "the TPM answers again, but not to this process"


def test_a_link_that_is_up_or_down_ends_a_handshake_and_only_a_lost_key_starts_the_station_anew(tmp_path: Path) -> None:
    keys = Watched(tmp_path / "keys")
    desk = Desk(keys)
    desk.work.watch(LinkUp(0))
    desk.work.watch(LinkDown(0, LinkFailure.CLOSED, ""))
    desk.work.watch(KeyMade("r1"))
    assert (keys.over, desk.restarts) == (2, [])
    desk.work.watch(LinkDown(0, LinkFailure.KEY_UNUSABLE, ""))
    assert desk.restarts == ["the TPM answers again, but not to this process"]


def test_the_loop_never_waits_for_a_key(tmp_path: Path) -> None:
    class Slow(Keys):
        def make(self, request: MakeKey, key_id: str | None = None) -> NewKey:
            assert threading.current_thread() is not threading.main_thread()
            gate.wait(20)
            return super().make(request, key_id)

    gate = threading.Event()

    async def story(desk: Desk) -> None:
        desk.work.perform(request())
        await asyncio.sleep(0.05)
        assert desk.told == []
        gate.set()
        await desk.until_told(1)

    play(Desk(Slow(settings("file"), tmp_path / "keys")), story)
