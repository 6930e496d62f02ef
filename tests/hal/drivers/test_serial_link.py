import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hal.drivers.serial_link import Port, SerialLink, check_same_evse
from hal.types import DeviceGarbled, DeviceMissing, DeviceSilent, HalError
from tests.hal.drivers import ports
from tests.hal.drivers.controllers import wait_until

BOUND_S = 5.0


class Conversation:
    """Notes what it is asked to do, and fails as it is told."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.fail_begin: Exception | None = None
        self.fail_turn: Exception | None = None
        self.ports: list[Port] = []

    def begin(self, port: Port) -> None:
        self.calls.append("begin")
        self.ports.append(port)
        if self.fail_begin is not None:
            raise self.fail_begin

    def turn(self, port: Port) -> None:
        if self.calls[-1] != "turn":
            self.calls.append("turn")
        if self.fail_turn is not None:
            error, self.fail_turn = self.fail_turn, None
            raise error
        port.read(0.01)

    def end(self, port: Port) -> None:
        self.calls.append("end")
        port.write(b"goodbye")


@pytest.fixture
def port() -> Iterator[ports.Port]:
    with ports.Port(lambda received: (received, len(received))) as echo:
        yield echo


def link_on(path: str, conversation: Conversation) -> SerialLink:
    link = SerialLink("evse[0].pilot", path, 115200, conversation)
    link.join()
    return link


def test_a_conversation_begins_takes_turns_and_ends(port: ports.Port) -> None:
    talk = Conversation()
    link = link_on(port.path, talk)
    link.start(BOUND_S)
    wait_until(lambda: "turn" in talk.calls)
    link.check()
    link.leave()
    assert talk.calls == ["begin", "turn", "end"]


def test_it_ends_with_its_last_user(port: ports.Port) -> None:
    talk = Conversation()
    link = link_on(port.path, talk)
    link.join()
    link.start(BOUND_S)
    link.leave()
    assert "end" not in talk.calls
    link.leave()
    assert talk.calls[-1] == "end"


def test_a_port_that_is_not_there_is_missing_with_its_remedy(tmp_path: Path) -> None:
    link = link_on(str(tmp_path / "gone"), Conversation())
    with pytest.raises(DeviceMissing, match="gone is not there; plug it in, or mend 'port'"):
        link.start(BOUND_S)


def test_a_port_in_other_hands_is_missing(port: ports.Port) -> None:
    mine = link_on(port.path, Conversation())
    mine.start(BOUND_S)
    with pytest.raises(DeviceMissing, match="cannot be used"):
        link_on(port.path, Conversation()).start(BOUND_S)
    mine.leave()


def test_what_the_first_begin_raises_ends_the_start(port: ports.Port) -> None:
    talk = Conversation()
    talk.fail_begin = HalError("evse[0].pilot", "safety checks are off")
    with pytest.raises(HalError, match="safety checks are off"):
        link_on(port.path, talk).start(BOUND_S)
    before = descriptors_of(port)
    time.sleep(0.3)
    assert talk.calls == ["begin"]
    assert descriptors_of(port) == before


def descriptors_of(_port: ports.Port) -> int:
    return ports.descriptors()


def test_a_failure_is_told_until_a_new_begin_succeeded(port: ports.Port) -> None:
    talk = Conversation()
    link = link_on(port.path, talk)
    link.start(BOUND_S)
    wait_until(lambda: "turn" in talk.calls)
    talk.fail_begin = DeviceSilent("evse[0].pilot", "no answer")
    talk.fail_turn = DeviceGarbled("evse[0].pilot", "nonsense")
    wait_until(lambda: talk.calls.count("begin") >= 2)
    with pytest.raises(HalError):
        link.check()
    talk.fail_begin = None
    wait_until(lambda: talk.calls[-1] == "turn")
    link.check()
    assert len(set(talk.ports)) == 1  # opening the port again could reset the controller
    link.leave()


def test_a_failure_lasts_long_enough_to_be_seen_by_a_loop_that_looks_every_20_ms(port: ports.Port) -> None:
    talk = Conversation()
    link = link_on(port.path, talk)
    link.start(BOUND_S)
    wait_until(lambda: "turn" in talk.calls)
    talk.fail_turn = DeviceSilent("evse[0].pilot", "the controller has restarted")
    seen = 0
    give_up_mono = time.monotonic() + BOUND_S
    while talk.calls.count("begin") < 2 and time.monotonic() < give_up_mono:
        try:
            link.check()
        except DeviceSilent:
            seen += 1
        time.sleep(0.01)
    assert seen >= 3
    link.leave()


def test_a_lost_port_is_opened_again(port: ports.Port) -> None:
    talk = Conversation()
    link = link_on(port.path, talk)
    link.start(BOUND_S)
    wait_until(lambda: "turn" in talk.calls)
    talk.fail_turn = DeviceMissing("evse[0].pilot", "unplugged")
    wait_until(lambda: talk.calls.count("begin") == 2)
    assert talk.ports[0] is not talk.ports[1]
    link.leave()


def test_a_mistake_in_a_conversation_reaches_the_control_loop(port: ports.Port) -> None:
    talk = Conversation()
    link = link_on(port.path, talk)
    link.start(BOUND_S)
    talk.fail_turn = ZeroDivisionError("a bug")

    def crashed() -> bool:
        try:
            link.check()
        except RuntimeError as error:
            return "a bug" in str(error)
        return False

    wait_until(crashed)
    link.leave()


def test_nobody_who_never_answers_delays_a_start_for_longer_than_its_bound(port: ports.Port) -> None:
    released = threading.Event()

    class Deaf(Conversation):
        def begin(self, port: Port) -> None:
            released.wait(BOUND_S)
            raise DeviceSilent("evse[0].pilot", "no answer")

    link = link_on(port.path, Deaf())
    threading.Timer(0.6, released.set).start()
    began_mono = time.monotonic()
    with pytest.raises(DeviceMissing, match="nothing usable"):
        link.start(0.3)
    assert time.monotonic() - began_mono < 2.0


def test_what_is_written_is_echoed_and_read(port: ports.Port) -> None:
    mine = Port("evse[0].pilot", port.path, 115200)
    mine.write(b"hello")
    said = b""
    give_up_mono = time.monotonic() + BOUND_S
    while said != b"hello" and time.monotonic() < give_up_mono:
        said += mine.read(0.1)
    assert said == b"hello"
    mine.close()


def test_a_wake_ends_a_read(port: ports.Port) -> None:
    mine = Port("evse[0].pilot", port.path, 115200)
    threading.Timer(0.1, mine.wake).start()
    began_mono = time.monotonic()
    assert mine.read(BOUND_S) == b""
    assert time.monotonic() - began_mono < 2.0
    mine.close()
    mine.wake()  # of a closed port: nothing to wake


def test_a_device_may_not_use_the_controller_of_another_evse() -> None:
    check_same_evse("evse[0].pilot", "evse[0].relays")
    with pytest.raises(HalError, match=r"evse\[1\].relays: its controller is that of evse\[0\].pilot"):
        check_same_evse("evse[0].pilot", "evse[1].relays")
