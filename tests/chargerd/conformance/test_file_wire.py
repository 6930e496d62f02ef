import http.client
import socket
import time
from collections.abc import Iterator

import pytest

from chargerd.conformance.file_wire import FileServer
from chargerd.conformance.files import FOLDER, NOWHERE, File


@pytest.fixture
def server() -> Iterator[FileServer]:
    server = FileServer(("127.0.0.1", 0))
    yield server
    server.close()


def asked(server: FileServer, method: str, path: str, timeout_s: float = 5.0) -> int:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=timeout_s)
    try:
        connection.request(method, path, b"text")
        return connection.getresponse().status
    finally:
        connection.close()


def test_files_arrive_where_there_is_a_place(server: FileServer) -> None:
    assert asked(server, "PUT", f"{FOLDER}a.txt") == 201
    assert asked(server, "PUT", f"{NOWHERE}a.txt") == 404
    assert asked(server, "POST", f"{FOLDER}a.txt") == 405
    assert server.files.arrived == [File("a.txt", b"text")]


def test_one_that_is_held_gets_no_answer_and_the_next_does(server: FileServer) -> None:
    server.files.hold_next()
    with pytest.raises(TimeoutError):
        asked(server, "PUT", f"{FOLDER}a.txt", timeout_s=0.3)
    assert asked(server, "PUT", f"{FOLDER}b.txt") == 201
    assert [file.name for file in server.files.arrived] == ["b.txt"]


def test_a_server_that_closes_hangs_up_on_whom_it_holds() -> None:
    server = FileServer(("127.0.0.1", 0))
    server.files.hold_next()
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=5.0) as held:
        held.sendall(f"PUT {FOLDER}a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx".encode())
        time.sleep(0.2)
        server.close()
        assert held.recv(100) == b""
