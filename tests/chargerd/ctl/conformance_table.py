"""A desk with a person at the terminal and a station that answers by a table, on time that passes when it is waited."""

from collections.abc import Callable, Mapping
from typing import Any

from chargerd.ctl.conformance_desk import DeskPeer, DeskSurroundings, cards_by_name
from chargerd.ctl.screen import Ink
from chargerd.ctl.terminal import Ended, Reply
from tests.chargerd.conformance.pretend import Pretend

REAL_CARDS = ("04DEADBEEF", "04CAFEBABE")


class Person:
    """`replies`: what is answered, one after the other, YES when there are no more; None: q."""

    def __init__(self, replies: tuple[Reply | None, ...], wait: Callable[[float], None]) -> None:
        self.heard: list[str] = []
        self.asked: list[str] = []
        self._replies = list(replies)
        self._wait = wait

    def say(self, text: str, ink: Ink = Ink.PLAIN) -> None:
        self.heard.append(text)

    def show(self, text: str) -> None:
        pass

    def ask(self, question: str, meanwhile: Callable[[], None]) -> Reply:
        self.asked.append(question)
        reply = self._replies.pop(0) if self._replies else Reply.YES
        if reply is None:
            raise Ended("ended by q")
        return reply

    def pressed(self, for_s: float) -> bool:
        self._wait(for_s)
        return False


class Table:
    """The whole desk. `station`: what the charger does; `around`: what a case gets."""

    def __init__(self, *replies: Reply | None, answers: Mapping[str, Any] | None = None, **options: Any) -> None:
        peer = DeskPeer(lambda _kind, _action, _payload: None, cards_by_name(REAL_CARDS))
        self.station = Pretend(answers, peer)
        self.person = Person(replies, self.station.wait)
        self.around = DeskSurroundings(peer, self.person, 1, **{"monotonic": lambda: self.station.mono} | options)
