"""Places outside that get the log's checkpoints: a file, HTTPS, syslog."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Failed, Invalid
from sshjit_ca.keys import succession
from sshjit_ca.machine import syslog
from sshjit_ca.place_config import Place, PlaceFile, parse_syslog, places
from sshjit_ca.service import background
from sshjit_ca.service.alerts import Alarms
from sshjit_ca.witness import places as followers
from sshjit_ca.witness.places import ALARMING, EVERY, HANGS, Places
from tests.support.installation import DANA, Installation
from tests.support.syslog import listening as syslog_listening
from tests.support.tls import tls_server
from tests.support.waiting import PATIENCE, wait_until


class Time:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Receiver:
    """A syslog over TCP, which takes messages with their length in front."""

    server: socket.socket
    texts: list[str] = field(default_factory=list)
    more: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        return f"syslog://127.0.0.1:{self.server.getsockname()[1]}"

    def take(self) -> None:
        with closing(self.server.accept()[0]) as channel, channel.makefile("rb") as stream:
            while length := b"".join(iter(lambda: stream.read(1), b" ")) if stream.peek(1) else b"":
                self.texts.append(stream.read(int(length)).decode())
                self.more.set()


@contextmanager
def receiving() -> Iterator[Receiver]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = Receiver(server)
        thread = threading.Thread(target=made.take)
        thread.start()
        try:
            yield made
        finally:
            made.server.close()
            with closing(socket.socket()):
                thread.join(PATIENCE)


def write(ca: Installation) -> str:
    """Makes the log longer; its newest checkpoint."""
    ca.say(m.Logout(ca.native(DANA)), m.Done)
    return ca.context.journal.checkpoint


def only(place: Place) -> Places:
    return Places.of([place])


def send(to: Places, note: str, clock: Time, wall: int = 1) -> None:
    """Sends it, and waits until that has ended."""
    for thread in to.send(note, wall, clock()):
        thread.join(PATIENCE)


def problem(of: Places) -> str:
    found = of.followers[0].problem
    return "" if found is None else found.message


def test_a_file_has_every_checkpoint_that_was_sent_and_each_verifies(ca: Installation, tmp_path: Path) -> None:
    clock, file = Time(), tmp_path / "kept"
    kept = only(Place("archive", file=file))
    notes = []
    for _ in range(3):
        notes.append(write(ca))
        send(kept, notes[-1], clock, 1_800_000_000)
        send(kept, notes[-1], clock, 1_800_000_000)  # it has this one
        clock.now += EVERY
    assert file.read_text() == "".join(f"{note}\n" for note in notes)
    key = succession.raw(ca.context.keys.public("log"))
    sizes = [succession.verified(f"{note}\n", key).size for note in re.split(r"\n\n(?=test/)", file.read_text()[:-2])]
    assert sizes == sorted(sizes)
    assert kept.followers[0].size == sizes[-1] == ca.context.journal.durable


def test_after_an_outage_the_newest_goes_out_and_no_older_one(ca: Installation, tmp_path: Path) -> None:
    clock, folder = Time(), tmp_path / "mount"
    kept = only(Place("archive", file=folder / "kept"))
    send(kept, write(ca), clock)
    assert problem(kept) == "checkpoints do not reach archive: No such file or directory"
    assert kept.followers[0].size == 0
    folder.mkdir()
    newest = [write(ca) for _ in range(3)][-1]
    send(kept, newest, clock)
    assert problem(kept), "it is not asked again at once"
    clock.now += 5
    send(kept, newest, clock)
    assert problem(kept) == ""
    assert (folder / "kept").read_text() == f"{newest}\n"


NOTE = "ca.example.com\n13\nBBBB\n\n\N{EM DASH} ca.example.com AAAA\n"


@pytest.mark.parametrize("end", range(1, len(f"{NOTE}\n".encode())))
def test_after_a_part_of_a_checkpoint_the_next_one_begins_on_a_line_of_its_own(tmp_path: Path, end: int) -> None:
    """A power cut leaves any part of one; the part stays, and nothing is glued to it."""
    file = tmp_path / "kept"
    followers.append(file, NOTE)
    torn = f"{NOTE}\n".encode() + f"{NOTE}\n".encode()[:end]
    file.write_bytes(torn)
    for _ in range(2):
        followers.append(file, NOTE)
    assert file.read_bytes().startswith(torn)
    whole = f"{NOTE}\n{NOTE}\n".encode()
    rest = file.read_bytes()[len(torn) :]
    assert rest in {gap + whole for gap in (b"\n", b"\n\n")}
    assert file.read_bytes().endswith(b"\n\n" + whole)


def test_a_place_that_is_long_away_alarms_once(ca: Installation, tmp_path: Path) -> None:
    clock, note = Time(), write(ca)
    kept = only(Place("archive", file=tmp_path / "nowhere" / "kept"))
    follower = kept.followers[0]
    send(kept, note, clock)
    clock.now = ALARMING - 1
    assert not follower.alarming(clock())
    clock.now = ALARMING
    assert follower.alarming(clock())
    follower.alarmed = True
    clock.now += 2 * ALARMING
    send(kept, note, clock)
    assert not follower.alarming(clock())
    (tmp_path / "nowhere").mkdir()
    clock.now += 2 * ALARMING
    send(kept, note, clock)
    assert problem(kept) == ""
    assert not follower.alarmed, "the next outage alarms again"


def test_a_place_that_hangs_keeps_nobody_waiting(ca: Installation, tmp_path: Path) -> None:
    """Such as a file on another machine's disk; here, a server that takes a connection and never speaks."""
    clock, note = Time(), write(ca)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        both = Places.of([Place("silent", url=url), Place("archive", file=tmp_path / "kept")])
        stuck, done = both.send(note, 1, clock())
        done.join(PATIENCE)
        assert (tmp_path / "kept").read_text() == f"{note}\n"
        clock.now = HANGS
        (other,) = both.send(write(ca), 1, clock())
        other.join(PATIENCE)
        assert problem(both) == "checkpoints do not reach silent: it does not answer"
        assert both.followers[1].size == ca.context.journal.durable
        clock.now = ALARMING
        assert [each.alarming(clock()) for each in both.followers] == [True, False]
        with closing(silent.accept()[0]):
            pass
        stuck.join(PATIENCE)


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_nothing_but_a_file_is_written(ca: Installation, tmp_path: Path, kind: str) -> None:
    path, victim = tmp_path / "kept", tmp_path / "victim"
    victim.write_text("mine")
    if kind == "link":
        path.symlink_to(victim)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    kept = only(Place("archive", file=path))
    send(kept, write(ca), Time())
    assert problem(kept).startswith("checkpoints do not reach archive")
    assert victim.read_text() == "mine"


def test_a_web_server_gets_it_with_its_token_and_must_say_yes(
    ca: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []
    status = [200]

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            asked.append((self.headers["Authorization"], body))
            self.send_response(status[0])
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    clock, token = Time(), tmp_path / "token"
    token.write_text("s3cret\n")
    with tls_server(tmp_path, Collector) as (port, trusted):
        place = Place("collector", url=f"https://127.0.0.1:{port}/log", token_file=token)
        kept = only(place)
        send(kept, write(ca), clock)
        assert "certificate" in problem(kept), "nobody vouches for it"
        assert not asked
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        for answer in (500, 302, 204):
            status[0] = answer
            clock.now += 100
            send(kept, ca.context.journal.checkpoint, clock)
            assert problem(kept) == (
                "" if answer == 204 else f"checkpoints do not reach collector: it answers {answer}"
            )
    assert asked == [("Bearer s3cret", ca.context.journal.checkpoint)] * 3


def test_a_syslog_gets_it_whole_over_one_connection(ca: Installation) -> None:
    clock = Time()
    with receiving() as receiver:
        kept = only(Place("siem", syslog=parse_syslog(receiver.address)))
        for _ in range(2):
            receiver.more.clear()
            send(kept, write(ca), clock, 1_800_000_000)
            assert problem(kept) == ""
            assert receiver.more.wait(PATIENCE)
            clock.now += EVERY
        sender = kept.followers[0]._sender
        assert sender is not None
        sender.close()
    text = receiver.texts[-1]
    assert text.startswith(f"<85>1 2027-01-15T08:00:00Z {socket.gethostname()} ssh-jit-ca - checkpoint [ssh-jit@32473 ")
    found = re.search(r' note="([A-Za-z0-9+/=]+)"\] ', text)
    assert found is not None
    assert base64.b64decode(found[1]).decode() == ca.context.journal.checkpoint
    assert len(receiver.texts) == 2


def test_a_syslog_that_went_away_is_said_and_connected_to_again(ca: Installation) -> None:
    """What is written into a connection that the other side has closed would be lost without a word."""
    clock, note = Time(), write(ca)
    with receiving() as receiver:
        address = receiver.address
        kept = only(Place("siem", syslog=parse_syslog(address)))
        send(kept, note, clock)
        sender = kept.followers[0]._sender
        assert sender is not None
        assert receiver.more.wait(PATIENCE)
        assert sender._socket is not None
        sender._socket.shutdown(socket.SHUT_WR)  # the receiver ends, as it does when it is stopped
    clock.now += EVERY
    send(kept, write(ca), clock)
    assert problem(kept).startswith("checkpoints do not reach siem: syslog at 127.0.0.1 port")
    port = int(address.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port), reuse_port=False) as again:
        clock.now += 5
        send(kept, ca.context.journal.checkpoint, clock)
        assert problem(kept) == ""
        with closing(again.accept()[0]) as channel:
            channel.settimeout(PATIENCE)
            assert b"checkpoint" in channel.recv(65536)
        sender.close()


def test_a_syslog_that_closed_its_end_is_noticed_before_something_is_lost(ca: Installation) -> None:
    """TCP takes what is written first into such a connection, and nobody reads it."""
    clock = Time()
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept = only(Place("siem", syslog=parse_syslog(f"syslog://127.0.0.1:{server.getsockname()[1]}")))
        send(kept, write(ca), clock)
        with closing(server.accept()[0]) as channel:
            channel.settimeout(PATIENCE)
            assert channel.recv(65536)
        clock.now += EVERY
        send(kept, write(ca), clock)
        assert "the connection was closed" in problem(kept)


def test_a_unix_socket_takes_a_datagram(ca: Installation, tmp_path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as daemon:
        daemon.bind(str(tmp_path / "log"))
        daemon.settimeout(PATIENCE)
        kept = only(Place("local", syslog=parse_syslog(f"syslog://{tmp_path}/log")))
        send(kept, write(ca), Time())
        assert daemon.recv(65536).startswith(b"<85>1 ")
        sender = kept.followers[0]._sender
        assert sender is not None
        sender.close()


def test_the_running_ca_sounds_its_alarm(ca: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To syslog, once, and without any front end."""
    monkeypatch.setattr(background, "PLACES", 0.01)
    monkeypatch.setattr(followers, "ALARMING", 0.0)
    write(ca)
    ca.context.witnesses.places = only(Place("archive", file=tmp_path / "no" / "kept"))

    async def play() -> None:
        task = asyncio.create_task(background.send_checkpoints(ca.context, Alarms(tmp_path, tmp_path / "log", ())))
        await asyncio.to_thread(wait_until, lambda: ca.context.witnesses.places.followers[0].alarmed)
        await asyncio.sleep(0.1)
        task.cancel()

    with syslog_listening(tmp_path / "log") as daemon:
        asyncio.run(play())
        assert b"CHECKPOINT_NOT_KEPT: checkpoints do not reach archive" in daemon.recv(65536)
        daemon.settimeout(0)
        with pytest.raises(BlockingIOError):
            daemon.recv(65536)


def test_what_is_said_of_them(ca: Installation, tmp_path: Path) -> None:
    ca.context.witnesses.places = only(Place("archive", file=tmp_path / "no" / "kept"))
    send(ca.context.witnesses.places, write(ca), Time())
    (view,) = ca.say(m.Status(), m.StatusReply, "admin").places
    assert (view.name, view.size) == ("archive", 0)
    assert view.problem == "checkpoints do not reach archive: No such file or directory"
    families = {family.name: family for family in ca.say(m.ReadMetrics(), m.MetricsReply).families}
    (sample,) = families["checkpoint_behind_entries"].samples
    assert (sample.labels, sample.value) == (("archive",), ca.context.journal.durable)


def test_a_message_of_syslog_has_no_way_out_of_its_fields() -> None:
    made = syslog.Message(5, 1_800_000_000, "h", "k", {"who": 'a" x="]\\'}, "two\nlines")
    text = made.write().decode()
    assert (
        text == r'<85>1 2027-01-15T08:00:00Z h ssh-jit-ca - k [ssh-jit@32473 who="a\" x=\"\]\\"] ' + "\ufefftwo lines"
    )


@pytest.mark.parametrize(
    "text", ["syslog:", "syslog://", "syslog:dev/log", "syslogs:///dev/log", "udp://x", "syslog://u@h", "syslog://h:x"]
)
def test_an_address_of_a_syslog_is_checked(text: str) -> None:
    with pytest.raises(Invalid):
        parse_syslog(text)


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("relative", "is no place"),
        ("http://collector.example.com/", "https"),
        ("ftp://x/", "is no place"),
        ("", "is no"),
    ],
)
def test_a_place_is_checked(tmp_path: Path, to: str, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        places((PlaceFile("a", to),), tmp_path / "ca.toml", plain_http=False)


def test_places_are_named_once_and_a_token_is_for_the_web(tmp_path: Path) -> None:
    twice = (PlaceFile("a", "/x"), PlaceFile("a", "/y"))
    with pytest.raises(Invalid, match="the same name"):
        places(twice, tmp_path / "ca.toml", plain_http=False)
    with pytest.raises(Invalid, match="token_file"):
        places((PlaceFile("a", "/x", "t"),), tmp_path / "ca.toml", plain_http=False)
    with pytest.raises(Invalid, match="syslog"):
        places((PlaceFile("a", "syslog:nowhere"),), tmp_path / "ca.toml", plain_http=False)


def test_a_sender_says_what_is_wrong(tmp_path: Path) -> None:
    sender = syslog.Sender(parse_syslog(f"syslog://{tmp_path}/nobody"))
    with pytest.raises(Failed, match="does not take it: No such file"):
        sender.send(syslog.Message(5, 1, "h", "k", {}, "x"))


def test_a_note_that_had_no_room_leaves_no_part_of_itself(tmp_path: Path) -> None:
    """By a limit of the kernel's on a file's size, which cuts a write as a full disk does."""
    file = tmp_path / "kept"
    followers.append(file, NOTE)
    before, limits = file.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 3, limits[1]))
    try:
        with pytest.raises(OSError, match="did not take all of it"):
            followers.append(file, NOTE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == before
    followers.append(file, NOTE)
    assert file.read_bytes() == before + before
