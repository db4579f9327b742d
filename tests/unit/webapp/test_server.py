"""The server in front of the views: threads, bodies, ends. A real process, with an application that a test commands."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from werkzeug.middleware.proxy_fix import ProxyFix

from demo.lab.paths import free_ports
from sshjit.rates import network_of
from sshjit_web.proxies import Proxies, client_address
from sshjit_web.server import connections
from sshjit_web.server.bodies import HEAD_TIME
from sshjit_web.server.threads import WAIT_TIME, WAITING
from tests.support.waiting import PATIENCE, wait_until
from tests.support.waiting_server import HOPS, LARGE, LIMIT, THREADS

QUEUE = THREADS * WAITING


@dataclass
class Running:
    """The server; ``folder`` is what the application looks into."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def send(self, text: str) -> socket.socket:
        """A connection on which something was said."""
        channel = self.connect()
        channel.sendall(text.encode("latin-1"))
        return channel

    def get(self, path: str, method: str = "GET", *, patience: float = PATIENCE, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def let_go(self) -> None:
        (self.folder / "go").touch()

    def begun(self) -> int:
        file = self.folder / "begun"
        return len(file.read_text()) if file.exists() else 0

    def notes(self) -> list[str]:
        file = self.folder / "notes"
        return file.read_text().split() if file.exists() else []


@contextmanager
def serving(
    folder: Path,
    *,
    unread: int = 30,
    wait: float = WAIT_TIME,
    head: float = HEAD_TIME,
    hops: int | str = 0,
    files: int = 0,
) -> Iterator[Running]:
    (port,) = free_ports(1)
    told = (str(value) for value in (port, folder, unread, wait, head))
    limit = f"ulimit -n {files}; " if files else ""
    program = [sys.executable, "-m", "tests.support.waiting_server", *told]
    command = ["bash", "-c", f'{limit}exec "$@"', "-", *program]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[3], env={**os.environ, HOPS: str(hops)})
    server = Running(port, folder, process)
    try:
        wait_until(lambda: process.poll() is not None or answers(server))
        yield server
    finally:
        server.let_go()
        process.terminate()
        process.wait(PATIENCE)


def answers(server: Running) -> bool:
    try:
        return server.get("/healthz")[0] == 200
    except OSError:
        return False


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with serving(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One for all that do not keep its threads."""
    with serving(tmp_path_factory.mktemp("server")) as made:
        yield made


@pytest.fixture(scope="module")
def behind_one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One behind a proxy."""
    with serving(tmp_path_factory.mktemp("server"), hops=1) as made:
        yield made


@pytest.fixture(scope="module")
def behind_two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One behind two proxies."""
    with serving(tmp_path_factory.mktemp("server"), hops=2) as made:
        yield made


GET = "GET {} HTTP/1.1\r\nHost: x\r\n\r\n"


def occupied(server: Running, stack: ExitStack) -> list[socket.socket]:
    """All threads wait for the test."""
    channels = [stack.enter_context(server.send(GET.format("/wait"))) for _ in range(THREADS)]
    wait_until(lambda: server.begun() == THREADS)
    return channels


def whole(channel: socket.socket) -> bytes:
    parts = []
    while part := channel.recv(1 << 20):
        parts.append(part)
    return b"".join(parts)


def first_line(channel: socket.socket) -> bytes:
    return channel.recv(65536).partition(b"\r\n")[0]


def test_with_every_thread_stuck_the_loop_still_answers_and_a_full_queue_is_said(server: Running) -> None:
    with ExitStack() as stack:
        waiting = occupied(server, stack)
        waiting += [stack.enter_context(server.send(GET.format("/wait"))) for _ in range(QUEUE)]
        time.sleep(0.5)
        assert server.get("/healthz", patience=10) == (200, b'{"ok": true}')
        with server.send(GET.format("/api/v1/whoami")) as more:
            text = more.recv(65536)
        assert text.startswith(b"HTTP/1.1 503")
        assert re.search(rb"retry-after: \d+\r", text.lower())
        assert b'"code": "busy"' in text
        server.let_go()
        for channel in waiting:
            assert first_line(channel) == b"HTTP/1.1 200 OK"
    assert server.get("/")[0] == 200


def test_who_has_gone_before_their_turn_is_not_served(server: Running) -> None:
    with ExitStack() as stack:
        occupied(server, stack)
        gone, there = server.send(GET.format("/note?gone")), server.send(GET.format("/note?there"))
        time.sleep(0.3)
        gone.close()
        time.sleep(1)
        server.let_go()
        with there:
            assert first_line(there) == b"HTTP/1.1 200 OK"
    for _ in range(THREADS):
        assert server.get("/note?after")[0] == 200, "so that whatever came before is done"
    assert server.notes() == ["there", *["after"] * THREADS]


def test_who_waited_too_long_for_a_turn_is_refused(tmp_path: Path) -> None:
    """Whoever asked has given up, and may have asked again: what they asked for is not done late."""
    with serving(tmp_path, wait=0.5) as server, ExitStack() as stack:
        occupied(server, stack)
        late = stack.enter_context(server.send(GET.format("/note?late")))
        time.sleep(1.5)
        server.let_go()
        assert first_line(late) == b"HTTP/1.1 503 Service Unavailable"
        assert server.notes() == []
        assert server.get("/note?now")[0] == 200


def test_they_are_refused_in_time_also_where_no_thread_gets_free(tmp_path: Path) -> None:
    with serving(tmp_path, wait=0.5) as server, ExitStack() as stack:
        stuck = occupied(server, stack)
        waiting = [stack.enter_context(server.send(GET.format("/note?late"))) for _ in range(QUEUE)]
        for channel in waiting:
            assert first_line(channel) == b"HTTP/1.1 503 Service Unavailable"
        assert server.get("/note?more")[0] == 503, "they keep their places, so that no more wait than may"
        server.let_go()
        for channel in stuck:
            assert first_line(channel) == b"HTTP/1.1 200 OK"
        assert server.get("/note?now")[0] == 200
        assert server.notes() == ["now"]


@pytest.mark.parametrize("begin", ["", "GET / HT", "GET / HTTP/1.1\r\nHost: x\r\nX: "])
def test_a_head_that_does_not_come_is_cut(tmp_path: Path, begin: str) -> None:
    """The deadline is one over the whole head: a byte now and then does not put it off. Granian's own would be 30 s."""
    with serving(tmp_path, head=2) as server, server.send(begin) as channel:
        channel.settimeout(0.2)
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                channel.sendall(b"y" if begin else b"")
                if not channel.recv(100):
                    return
            except TimeoutError:
                continue
            except ConnectionError:
                return
        pytest.fail("it was not cut")


def test_a_view_that_wants_to_end_its_thread_is_answered_and_does_not(server: Running) -> None:
    for _ in range(2 * THREADS):
        status, text = server.get("/exit", patience=20)
        assert (status, text) == (500, b"the front end failed: try again\n"), "by us: Granian has a 500 of its own"
    assert server.get("/", patience=20)[0] == 200


def test_what_was_begun_is_finished_when_the_program_ends(server: Running) -> None:
    with ExitStack() as stack:
        channels = occupied(server, stack)
        waiting = stack.enter_context(server.send(GET.format("/note?waited")))
        time.sleep(0.5)
        server.process.terminate()
        time.sleep(1)
        assert server.process.poll() is None
        server.let_go()
        for channel in (*channels, waiting):
            assert first_line(channel) == b"HTTP/1.1 200 OK"
        assert server.process.wait(PATIENCE) == 0
    assert server.notes() == ["waited"]


def test_somebody_who_reads_slowly_keeps_no_thread_and_is_cut(tmp_path: Path) -> None:
    with serving(tmp_path, unread=2) as server, ExitStack() as stack:
        slow = [stack.enter_context(server.connect()) for _ in range(3 * THREADS)]
        for channel in slow:
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            channel.sendall(GET.format("/large").encode())
        time.sleep(0.5)
        assert server.get("/", patience=20)[0] == 200
        time.sleep(8)
        for channel in slow:
            try:
                size = len(whole(channel))
            except ConnectionError:
                size = 0
            assert size < LARGE, "the kernel ended it"


def test_where_we_listen_the_kernel_ends_whoever_takes_nothing(tmp_path: Path) -> None:
    """Each connection that is accepted there inherits it; other sockets of ours are as they were."""
    option = (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        local = stack.enter_context(socket.socket(socket.AF_UNIX))
        local.bind(str(tmp_path / "a.sock"))
        local.listen()
        connections.end_unread()
        ours = stack.enter_context(socket.create_connection(listening.getsockname()))
        accepted = stack.enter_context(listening.accept()[0])
        assert listening.getsockopt(*option) == accepted.getsockopt(*option) == 1000 * connections.UNREAD_TIME
        assert ours.getsockopt(*option) == 0
        connections.end_unread()
        assert ours.getsockopt(*option) == 0, "it does not listen"


def test_no_more_connections_are_taken_than_there_are_files_for(tmp_path: Path) -> None:
    """What comes then waits until one ends; nobody is cut off, and the files for the CA and the database stay free."""
    files = connections.SPARE + 80
    with serving(tmp_path, head=PATIENCE, files=files) as server, ExitStack() as stack:
        idle = [stack.enter_context(server.connect()) for _ in range(80)]
        time.sleep(0.5)
        with server.send(GET.format("/healthz")) as more:
            more.settimeout(1)
            with pytest.raises(TimeoutError):
                more.recv(100)
            for channel in idle[:40]:
                channel.close()
            more.settimeout(PATIENCE)
            assert first_line(more) == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize(
    ("framing", "noted"),
    [
        ("Content-Length: 4\r\n\r\nbody", True),
        ("Content-Length: 4\r\n\r\nbo", False),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", True),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n", False),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\nzz", False),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\nbo", False),
    ],
)
def test_half_a_body_is_no_body(tmp_path: Path, framing: str, noted: bool) -> None:  # noqa: FBT001 - a table
    """A connection that breaks must not make a shorter request of a longer one."""
    with serving(tmp_path) as server:
        channel = server.send(f"POST /note?it HTTP/1.1\r\nHost: x\r\n{framing}")
        channel.shutdown(socket.SHUT_WR)
        whole_or_reset(channel)
        server.get("/")
        if noted:
            wait_until(server.notes)
        time.sleep(0.3)
        assert server.notes() == (["it"] if noted else [])


def whole_or_reset(channel: socket.socket) -> bytes:
    with channel:
        try:
            return whole(channel)
        except ConnectionError:
            return b""


@pytest.mark.parametrize("framing", [f"Content-Length: {LIMIT + 1}\r\n\r\n", "chunked"])
def test_a_body_beyond_the_limit_is_not_read(idle: Running, framing: str) -> None:
    """The views hear a length that is too large, and say what they say to that."""
    if framing == "chunked":
        framing = f"Transfer-Encoding: chunked\r\n\r\n{LIMIT + 1:x}\r\n{'x' * (LIMIT + 1)}\r\n"
    with idle.send(f"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{framing}") as channel:
        given = given_in(whole(channel))
    assert (given["CONTENT_LENGTH"], given["body"]) == (str(LIMIT + 1), "")


def given_in(text: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text.partition(b"\r\n\r\n")[2])
    return found


def test_what_a_view_is_given(behind_one: Running) -> None:
    lines = [
        "POST /a%20b/%C3%A4/%ff?q=%20x HTTP/1.1",
        "Host: example.com:81",
        "Content-Type: text/x",
        "Cookie: a=1",
        "Cookie: b=2",
        "X-Two: 1",
        "X-Two: 2",
        "X-Forwarded-For: 192.0.2.1",
        "X-Forwarded-For: 192.0.2.2, 192.0.2.3",
        "Transfer-Encoding: chunked",
        "Connection: close",
    ]
    with behind_one.send("\r\n".join(lines) + "\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n") as channel:
        given = given_in(whole(channel))
    assert given["body"] == "abcde"
    expected = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/a b/ä/\ufffd".encode().decode("latin-1"),
        "QUERY_STRING": "q=%20x",
        "CONTENT_TYPE": "text/x",
        "CONTENT_LENGTH": "5",
        "HTTP_HOST": "example.com:81",
        "HTTP_COOKIE": "a=1;b=2",
        "HTTP_X_TWO": "1,2",
        "REMOTE_ADDR": "192.0.2.3",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": str(behind_one.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
    }
    assert {key: given.get(key) for key in expected} == expected
    assert "HTTP_TRANSFER_ENCODING" not in given


def test_http_1_1_as_ever(idle: Running) -> None:
    """Kept connections, requests one after the other without waiting, HEAD, and a body that waits to be wanted."""
    assert idle.get("/", "HEAD")[0] == 200
    assert idle.get("/healthz", "HEAD") == (200, b"")
    with idle.send(GET.format("/note?a") + GET.format("/healthz") + GET.format("/note?b")) as channel:
        wait_until(lambda: idle.notes() == ["a", "b"])
        text = b""
        while text.count(b"HTTP/1.1 200 OK") < 3:
            text += channel.recv(65536)
        assert text.index(b"noted") < text.index(b'{"ok": true}') < text.rindex(b"noted")
    post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    with idle.send(post) as channel:
        assert first_line(channel) == b"HTTP/1.1 100 Continue"
        channel.sendall(b"ab")
        assert given_in(whole(channel))["body"] == "ab"


def test_a_head_beyond_its_limit_is_refused(idle: Running) -> None:
    with idle.send(f"GET / HTTP/1.1\r\nHost: x\r\nX: {'x' * 300_000}\r\n\r\n") as channel:
        assert whole_or_reset(channel).startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))
    assert idle.get("/")[0] == 200


@pytest.mark.parametrize("hops", range(4))
@pytest.mark.parametrize(
    "forwarded", [None, "", "192.0.2.1", "192.0.2.1, 192.0.2.2", "a,b, c ,d", ",,", "evil, 192.0.2.9,", "2001:db8::1"]
)
def test_an_address_is_what_werkzeug_says(forwarded: str | None, hops: int) -> None:
    heard: list[str] = []

    def application(environ: dict[str, Any], _start: Any) -> list[bytes]:
        heard.append(environ["REMOTE_ADDR"])
        return []

    environ = {"REMOTE_ADDR": "127.0.0.1", **({} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded})}
    ProxyFix(application, x_for=hops, x_proto=0)(environ, cast("Any", None))
    assert client_address("127.0.0.1", forwarded, hops) == heard[0]


@pytest.mark.parametrize("line", ["\xff, 192.0.2.9", "\xff"])
def test_a_forwarded_address_that_cannot_be_read_is_not_our_proxys_own(behind_one: Running, line: str) -> None:
    """A line to which our proxy added its part: Granian drops all of it for what is not ASCII."""
    for header in (f"X-Forwarded-For: {line}", f"X: {line}", "X-Forwarded-For:", "X-Forwarded-For: ,"):
        with behind_one.send(f"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n\r\n") as channel:
            text = whole(channel)
        assert text.startswith(b"HTTP/1.1 400"), header
        assert b"X-Forwarded-For is missing" in text, header
    line = f"X: {line}\r\nX-Forwarded-For: 192.0.2.9"
    with behind_one.send(f"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{line}\r\n\r\n") as channel:
        assert whole(channel).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_proxy_asks_for_itself_how_we_are(behind_one: Running, behind_trusted: Running, path: str) -> None:
    """Health checks of proxies add no header."""
    for server in (behind_one, behind_trusted):
        with server.send(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as channel:
            assert whole(channel).startswith(b"HTTP/1.1 200"), path


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (("192.0.2.9, 192.0.2.1",), 200),
        (("192.0.2.9", "192.0.2.1"), 200),
        (("203.0.113.1", "\xff", "192.0.2.9", "192.0.2.1"), 200),
        (("\xff, 192.0.2.9", "192.0.2.1"), 400),
        (("\xff, 192.0.2.9, 192.0.2.1",), 400),
        (("\xff, 192.0.2.9", "", "192.0.2.1"), 400),
        (("192.0.2.1",), 400),
        ((), 400),
    ],
)
def test_behind_two_proxies_a_line_that_cannot_be_read_is_no_other_address(
    behind_two: Running, lines: tuple[str, ...], status: int
) -> None:
    """The first proxy writes into the client's line, the second one into a line of its own."""
    forwarded = "".join(f"X-Forwarded-For: {line}\r\n" for line in lines)
    with behind_two.send(f"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{forwarded}\r\n") as channel:
        text = whole(channel)
    assert int(text.split()[1]) == status
    if status == 200:
        assert given_in(text)["REMOTE_ADDR"] == "192.0.2.9"
    with behind_two.send("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n") as channel:
        assert first_line(channel) == b"HTTP/1.1 200 OK", "whoever watches asks the inner proxy"


@pytest.fixture(scope="module")
def behind_trusted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One that trusts proxies of some networks, loopback among them."""
    with serving(tmp_path_factory.mktemp("server"), hops="127.0.0.0/8,10.0.0.0/8,2001:db8:1::/64") as made:
        yield made


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        ((), None),
        (("",), None),
        (("192.0.2.9",), "192.0.2.9"),
        (("192.0.2.9:4711",), "192.0.2.9"),
        (("2001:db8:2::7",), "2001:db8:2::7"),
        (("[2001:db8:2::7]",), "2001:db8:2::7"),
        (("[2001:db8:2::7]:443",), "2001:db8:2::7"),
        (("2001:0DB8:2:0::7",), "2001:db8:2::7"),
        (("::ffff:192.0.2.9",), "192.0.2.9"),
        (("[::ffff:192.0.2.9]:443",), "192.0.2.9"),
        (("fe80::7%eth0",), "fe80::7"),
        (("192.0.2.9:",), "192.0.2.9"),
        (("[2001:db8:1::9]:1",), None),
        (("[]",), None),
        (("[2001:db8:2::7",), "2001:db8:2::7"),
        (("203.0.113.5, 192.0.2.9, 10.1.2.3",), "192.0.2.9"),
        (("10.0.0.9, 192.0.2.9:4711", "10.0.0.1"), "192.0.2.9"),
        (("[2001:db8:2::7]:50312, [2001:db8:1::1]:80",), "2001:db8:2::7"),
        (("[2001:db8:2::7], ::ffff:10.0.0.1",), "2001:db8:2::7"),
        (("\xff, 192.0.2.9",), None),
        (("\xff, 192.0.2.9", "10.0.0.1"), None),
        (("10.0.0.9, 127.0.0.1",), None),
        (("unknown",), None),
        (("192.0.2.9, _hidden",), None),
    ],
)
def test_trusted_proxies_name_the_address_and_nobody_else(
    behind_trusted: Running, lines: tuple[str, ...], address: str | None
) -> None:
    forwarded = "".join(f"X-Forwarded-For: {line}\r\n" for line in lines)
    with behind_trusted.send(f"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{forwarded}\r\n") as channel:
        text = whole(channel)
    assert int(text.split()[1]) == (400 if address is None else 200)
    if address is not None:
        assert given_in(text)["REMOTE_ADDR"] == address


def test_whoever_is_no_trusted_proxy_says_nothing_of_addresses() -> None:
    """However they came to our port: with ``proxy_hops`` they could choose theirs."""
    proxies = Proxies(networks=("192.0.2.10/32",))
    for forwarded in (None, "", "10.0.0.1", "10.0.0.1, 192.0.2.10", "\xff"):
        assert proxies.client("198.51.100.7", forwarded) == "198.51.100.7"
        proxies.require_client("198.51.100.7", forwarded)
    assert proxies.client("::ffff:192.0.2.10", "10.0.0.1") == "10.0.0.1"
    assert Proxies(hops=1).client("198.51.100.7", "10.0.0.1") == "10.0.0.1"


def test_a_header_with_an_underscore_is_no_other_header(idle: Running) -> None:
    lines = "X_Forwarded_For: 192.0.2.6\r\nX-Forwarded-For: 192.0.2.9\r\nSsh_Jit_Version: 1\r\n"
    with idle.send(f"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n") as channel:
        given = given_in(whole(channel))
    assert given["HTTP_X_FORWARDED_FOR"] == "192.0.2.9"
    assert "HTTP_SSH_JIT_VERSION" not in given


@pytest.mark.parametrize("chunks", ["2\n{}\n0\n\n", "2 x\r\n{}\r\n0\r\n\r\n", "2\r\n{}\r\n0\r\nX: y\r\n\r\n"])
def test_chunks_that_are_wrong_are_answered_by_us(idle: Running, chunks: str) -> None:
    """Granian's own answer would be a 500 without our headers."""
    head = "POST /api/v1/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with idle.send(head + chunks) as channel:
        text = channel.recv(65536)
    assert text.startswith(b"HTTP/1.1 400")
    assert b"content-security-policy" in text.lower()
    assert b'"code": "bad_request"' in text


def test_the_loop_and_the_views_see_one_path(idle: Running) -> None:
    """Flask takes any number of slashes in front for one."""
    for path in ("/api/v1/x", "//api/v1/x", "///bundle"):
        with idle.send(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as channel:
            assert b"ssh-jit-version" in whole(channel).partition(b"\r\n\r\n")[0].lower(), path


def test_an_ipv4_address_is_one_also_where_ipv6_carries_it() -> None:
    assert client_address("::ffff:192.0.2.1", None, 0) == "192.0.2.1"
    assert client_address("::1", "::ffff:192.0.2.2", 1) == "192.0.2.2"
    assert client_address("2001:db8::ffff:1", None, 0) == "2001:db8::ffff:1"
    for written, plain in (
        ("::FFFF:192.0.2.3", "192.0.2.3"),
        ("::ffff:c000:203", "192.0.2.3"),
        ("0:0:0:0:0:ffff:192.0.2.3", "192.0.2.3"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.3%2", "192.0.2.3"),
        ("[2001:DB8::0:7]", "2001:db8::7"),
        ("[2001:db8::7]:50312", "2001:db8::7"),
        ("192.0.2.3:50312", "192.0.2.3"),
        ("unix:", "unix:"),
        ("not an address", "not an address"),
        ("a:b:c", "a:b:c"),
    ):
        assert client_address("::1", written, 1) == plain


def test_a_quote_that_nobody_closes_takes_no_address_in() -> None:
    assert client_address("127.0.0.1", '"x, 192.0.2.9', 1) == "192.0.2.9"


def test_an_ipv6_network_counts_as_one() -> None:
    assert network_of("2001:db8:0:1::7") == network_of("2001:db8:0:1:ffff::9") != network_of("2001:db8:0:2::7")
    assert network_of("192.0.2.1") != network_of("192.0.2.2")
    assert network_of("fe80::1%eth0") == network_of("fe80::2%eth1") == network_of("fe80::3")
    assert network_of("not:an address") == "not:an address"
