"""``log export`` that goes on where it stopped: nothing is lost; nothing comes twice, or it is said."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Failed, Invalid
from sshjit_ca.keys import files
from sshjit_ca.log.export import Format, Reader
from sshjit_ca.log.pinned_checkpoint import PinnedCheckpoint
from sshjit_ca.operations import log_export, restore
from sshjit_ca.operations.log_export import Cursor, InFile, Output, Printed, Sent, Wish, export
from sshjit_ca.storage.database import set_aside
from sshjit_ca.storage.store import Row, Store
from tests.support.installation import ALICE, DANA, Installation
from tests.support.issuer import Issuer
from tests.support.waiting import PATIENCE, wait_until
from tests.unit.ca.log_tools import change


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_export, "BATCH", 3)


def write(ca: Installation, times: int = 4) -> int:
    """Makes the log longer; how long it is."""
    for _ in range(times):
        ca.say(m.Logout(ca.native(DANA)), m.Done)
    return ca.context.journal.durable


def wish(cursor: Path | None, form: Format = "ocsf", first: int = 0) -> Wish:
    return Wish(form, first, cursor, follow=False)


def numbers(text: str) -> list[int]:
    """Of the entries, by what each line says."""
    lines = map(json.loads, text.splitlines())
    return [int(line["metadata"]["uid"]) if "metadata" in line else line["entry"] for line in lines]


class Stopped(Exception):
    pass


class Breaks(Output):
    """Ends in the middle, where the test says."""

    def __init__(self, inner: Output, after: int, *, settled: bool = False) -> None:
        self.inner, self.left, self.settled = inner, after, settled
        self.repeats = inner.repeats

    def begin(self, size: int | None) -> None:
        self.inner.begin(size)

    def put(self, reader: Reader, row: Row) -> None:
        self.left -= 1
        if self.left < 0 and not self.settled:
            raise Stopped
        self.inner.put(reader, row)

    def settle(self) -> int:
        size = self.inner.settle()
        if self.left < 0:
            raise Stopped
        return size

    def close(self) -> None:
        self.inner.close()


def to_file(ca: Installation, what: Wish, path: Path, *, breaks: int | None = None, settled: bool = False) -> None:
    """Exports into a file, or ends in the middle."""
    with closing(InFile(path)) as output:
        if breaks is None:
            export(ca.store, what, output)
        else:
            with pytest.raises(Stopped):
                export(ca.store, what, Breaks(output, breaks, settled=settled))


@pytest.mark.parametrize("form", ["jsonl", "ocsf", "syslog"])
@pytest.mark.parametrize("after", [0, 1, 3, 4, 7])
@pytest.mark.parametrize("settled", [False, True])
def test_a_file_has_everything_once_wherever_the_export_ended(
    ca: Installation, tmp_path: Path, small: None, form: Format, after: int, *, settled: bool
) -> None:
    size, output, cursor = write(ca), tmp_path / "out", tmp_path / "cursor"
    to_file(ca, wish(cursor, form), output, breaks=after, settled=settled)
    to_file(ca, wish(cursor, form), output)
    more = write(ca, 2)
    to_file(ca, wish(cursor, form), output)
    text = output.read_text()
    found = [int(entry) for entry in re.findall(r' entry="(\d+)"', text)] if form == "syslog" else numbers(text)
    assert found == list(range(more))
    assert more > size


def test_what_was_printed_comes_again_and_that_is_said(
    ca: Installation, tmp_path: Path, small: None, capsys: pytest.CaptureFixture[str]
) -> None:
    size, cursor = write(ca), tmp_path / "cursor"
    with pytest.raises(Stopped):
        export(ca.store, wish(cursor), Breaks(Printed(), 4))
    first = numbers(capsys.readouterr().out)
    assert first == [0, 1, 2, 3]
    export(ca.store, wish(cursor), Printed())
    out, err = capsys.readouterr()
    assert "the last export ended in the middle: entries 3 to 5 may go out twice" in err
    assert numbers(out) == list(range(3, size))
    export(ca.store, wish(cursor), Printed())
    assert capsys.readouterr() == ("", "")


def test_events_name_people_also_where_it_goes_on(ca: Installation, tmp_path: Path) -> None:
    """What they are called was said before."""
    alice = ca.native(ALICE)
    output, cursor = tmp_path / "out", tmp_path / "cursor"
    to_file(ca, wish(cursor), output)
    ca.ask(alice, "web1")
    to_file(ca, wish(cursor), output)
    last = json.loads(output.read_text().splitlines()[-1])
    assert last["actor"]["user"]["email_addr"] == "alice@example.com"


def test_another_log_is_not_gone_on_with(ca: Installation, tmp_path: Path) -> None:
    size, cursor = write(ca), tmp_path / "cursor"
    to_file(ca, wish(cursor, "jsonl"), tmp_path / "out")
    change(ca, "UPDATE entries SET fact = ? WHERE number = ?", b"{}", size - 1)
    with pytest.raises(Failed) as error:
        to_file(ca, wish(cursor, "jsonl"), tmp_path / "out")
    assert error.value.code == "log_replaced"
    Cursor(size + 5, size + 5, "0" * 64).write(cursor)
    with pytest.raises(Failed) as error:
        to_file(ca, wish(cursor, "jsonl"), tmp_path / "out")
    assert error.value.code == "log_shorter"


class Unnoticed(Exception):
    """It would follow for ever."""


def followed(ca: Installation, meanwhile: Callable[[], object], *, passes: int = 3) -> Failed:
    """Why an export that follows ends, after something happened between two looks."""
    passed: list[float] = []

    def sleep(seconds: float) -> None:
        passed.append(seconds)
        if len(passed) == 1:
            meanwhile()
        if len(passed) > passes:
            raise Unnoticed

    with closing(Store(ca.config.database, read_only=True)) as store, pytest.raises(Failed) as ended:
        export(store, Wish("jsonl", 0, None, follow=True), Printed(), sleep)
    return ended.value


def test_one_that_follows_notices_another_log_in_place_of_the_one_before(ca: Installation) -> None:
    """Also where nothing new comes."""
    size = write(ca)
    changed = followed(ca, lambda: change(ca, "UPDATE entries SET fact = ? WHERE number = ?", b"{}", size - 1))
    assert (changed.code, "log show --kind restore" in changed.hint) == ("log_replaced", True)


@pytest.mark.parametrize("further", [0, 12])
def test_one_that_follows_notices_an_older_copy_in_place_of_the_file(
    tmp_path: Path, issuers: dict[str, Issuer], further: int
) -> None:
    """Also once that one is longer than what went out; nothing of it goes out."""
    ca = Installation(tmp_path, issuers)
    write(ca)
    copy = tmp_path / "copy.db"
    with closing(sqlite3.connect(tmp_path / "ca" / "ca.db")) as there, closing(sqlite3.connect(copy)) as to:
        there.backup(to)
    write(ca, 4)

    def put_back() -> None:
        ca.stop()
        restore.put_in_place(tmp_path / "ca" / "ca.db", copy, files.load_public(ca.config.key_file("log")))
        PinnedCheckpoint(tmp_path / "ca").checkpoint_file.unlink()
        ca.start()
        write(ca, further)

    assert followed(ca, put_back).code == ("log_replaced" if further else "log_shorter")
    ca.stop()


def test_one_that_follows_ends_where_the_database_is_gone_and_makes_none(
    tmp_path: Path, issuers: dict[str, Issuer]
) -> None:
    ca = Installation(tmp_path, issuers)
    write(ca)
    ca.stop()
    database = tmp_path / "ca" / "ca.db"
    gone = followed(ca, lambda: set_aside(database, "moved"), passes=2 * log_export.MISSING)
    assert (gone.code, "was it moved" in gone.hint) == ("no_database", True)
    assert not database.exists()


def test_while_a_restore_puts_another_file_there_it_waits(tmp_path: Path, issuers: dict[str, Issuer]) -> None:
    ca = Installation(tmp_path, issuers)
    write(ca)
    ca.stop()
    database = tmp_path / "ca" / "ca.db"
    passed: list[float] = []

    def sleep(seconds: float) -> None:
        passed.append(seconds)
        if len(passed) == 1:
            database.rename(tmp_path / "away")
        if len(passed) == 4:
            (tmp_path / "away").rename(database)
        if len(passed) > 4 * log_export.MISSING:
            raise Unnoticed

    with closing(Store(ca.config.database, read_only=True)) as store, pytest.raises(Unnoticed):
        export(store, Wish("jsonl", 0, None, follow=True), Printed(), sleep)


def test_what_the_cursor_does_not_know_is_cut_off(ca: Installation, tmp_path: Path) -> None:
    """Whether or not anything comes after it."""
    write(ca)
    cursor, output = tmp_path / "cursor", tmp_path / "out"
    to_file(ca, wish(cursor, "jsonl"), output)
    known = output.read_text()
    output.write_text(f"{known}half a li")
    to_file(ca, wish(cursor, "jsonl"), output)
    assert output.read_text() == known


def test_a_file_that_became_shorter_is_not_gone_on_with(ca: Installation, tmp_path: Path) -> None:
    write(ca)
    cursor, output = tmp_path / "cursor", tmp_path / "out"
    to_file(ca, wish(cursor, "jsonl"), output)
    output.write_text("")
    with pytest.raises(Failed) as error:
        to_file(ca, wish(cursor, "jsonl"), output)
    assert error.value.code == "output_shorter"


@pytest.mark.parametrize("text", ["", "{}", "7", '{"next": "1", "sending": 1}', '{"next": 1, "sending": 1, "x": 1}'])
def test_a_cursor_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "cursor"
    path.write_text(text)
    with pytest.raises(Invalid, match="does not say how far"):
        Cursor.read(path)


def test_a_syslog_that_breaks_off_gets_the_batch_again(
    ca: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    size, cursor = write(ca), tmp_path / "cursor"
    address = tmp_path / "log"
    waits: list[float] = []
    daemons: list[socket.socket] = []

    def comes_up(seconds: float) -> None:
        waits.append(seconds)
        daemon = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        daemon.bind(str(address))
        daemon.settimeout(PATIENCE)
        daemons.append(daemon)
        reader.start()

    texts: list[str] = []
    reader = threading.Thread(target=lambda: texts.extend(daemons[0].recv(65536).decode() for _ in range(size)))
    with pytest.raises(Failed, match="does not take it"):
        export(ca.store, wish(cursor, "syslog"), Sent(f"syslog://{address}", patient=False))
    with closing(Sent(f"syslog://{address}", patient=True, sleep=comes_up)) as sent:
        export(ca.store, wish(cursor, "syslog"), sent)
    reader.join(PATIENCE)
    daemons[0].close()
    assert [int(re.findall(r' entry="(\d+)"', text)[0]) for text in texts] == list(range(size))
    assert len(waits) == 1
    assert "waiting: syslog at" in capsys.readouterr().err


def test_killed_in_the_middle_it_goes_on(ca: Installation, tmp_path: Path) -> None:
    """The command itself, by SIGKILL, as often as it takes."""
    write(ca, 30)
    output, cursor = tmp_path / "out", tmp_path / "cursor"
    code = (
        "import sys, time\n"
        "from sshjit_ca.operations import log_export as e\n"
        "from sshjit_ca.storage.store import Store\n"
        "from pathlib import Path\n"
        "e.BATCH = 4\n"
        "class Slow(e.InFile):\n"
        "    def put(self, reader, row):\n"
        "        super().put(reader, row); self._file.flush(); time.sleep(0.02)\n"
        "wish = e.Wish('jsonl', 0, Path(sys.argv[3]), follow=True)\n"
        "e.export(Store(sys.argv[1], read_only=True), wish, Slow(Path(sys.argv[2])))\n"
    )
    command = [sys.executable, "-c", code, ca.config.database, str(output), str(cursor)]
    size = ca.context.journal.durable

    def lines() -> int:
        return output.read_text().count("\n") if output.exists() else 0

    for least in (5, 18, 33):
        process = subprocess.Popen(command)
        wait_until(_reached(lines, least))
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
    process = subprocess.Popen(command)
    wait_until(_reached(lines, size))
    process.terminate()
    process.wait(PATIENCE)
    assert numbers(output.read_text()) == list(range(size))


def _reached(lines: Callable[[], int], least: int) -> Callable[[], bool]:
    return lambda: lines() >= least


def test_a_link_is_not_followed(ca: Installation, tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to(tmp_path / "victim")
    (tmp_path / "victim").write_text("mine")
    with pytest.raises(OSError, match="symbolic links"):
        InFile(tmp_path / "out")
    assert (tmp_path / "victim").read_text() == "mine"
    assert (tmp_path / "out").readlink() == tmp_path / "victim"


def test_an_output_that_no_cursor_knows_keeps_its_content(ca: Installation, tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.write_text("a year of entries\n")
    for cursor in (tmp_path / "lost", None):
        with pytest.raises(Failed) as error:
            to_file(ca, wish(cursor, "jsonl"), output)
        assert (error.value.code, output.read_text()) == ("output_not_empty", "a year of entries\n")
        assert "--output" in error.value.hint
    assert not (tmp_path / "lost").exists()
    output.write_text("")
    to_file(ca, wish(None, "jsonl"), output)
    assert numbers(output.read_text())


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder away, which only root can")
def test_a_link_on_the_way_that_another_user_made_is_not_followed(tmp_path: Path) -> None:
    victim, theirs = tmp_path / "victim", tmp_path / "theirs"
    victim.mkdir()
    theirs.mkdir()
    (theirs / "link").symlink_to(victim)
    os.chown(theirs, 65534, 65534)
    with pytest.raises(OSError, match="others could have made"):
        InFile(theirs / "link" / "out")
    assert not list(victim.iterdir())
