"""How the CA writes files: whole, on the disk, private, and never through what somebody else put in the way."""

from __future__ import annotations

import errno
import os
import secrets
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sshjit.errors import Failed
from sshjit_ca import sockets
from sshjit_ca.cli import init
from sshjit_ca.log.pinned_checkpoint import PinnedCheckpoint
from sshjit_ca.machine import durable, owner
from sshjit_ca.machine.clock import Kept
from tests.support.installation import Installation

STRANGER = 59999


@pytest.fixture
def passwords(tmp_path: Path) -> Path:
    """A file that nothing here may change."""
    path = tmp_path / "passwords"
    path.write_bytes(b"root:x:0:0\n")
    return path


def require_untouched(passwords: Path, names: int = 1) -> None:
    assert passwords.read_bytes() == b"root:x:0:0\n"
    assert passwords.stat().st_nlink == names


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What reaches the disk, in its order: ``file`` and ``folder`` are synced, and names are given meanwhile."""
    order: list[str] = []
    sync, replace, link, mkdir = os.fsync, os.replace, os.link, os.mkdir

    def synced(descriptor: int) -> None:
        order.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")  # noqa: PTH112
        sync(descriptor)

    def replaced(old: str, new: str, **where: int) -> None:
        order.append("name")
        replace(old, new, **where)

    def linked(old: str, new: str, **where: Any) -> None:
        order.append("name")
        link(old, new, **where)

    def made(name: str, mode: int, **where: int) -> None:
        order.append("made")
        mkdir(name, mode, **where)

    for name, function in {"fsync": synced, "replace": replaced, "link": linked, "mkdir": made}.items():
        monkeypatch.setattr(os, name, function)
    return order


def test_t84_content_and_name_are_synced_in_this_order(tmp_path: Path, done: list[str]) -> None:
    durable.write_durably(tmp_path / "file", b"content")
    assert done == ["file", "name", "folder"]


def test_t84_and_so_are_those_of_a_new_file(tmp_path: Path, done: list[str]) -> None:
    durable.make_durably(tmp_path / "file", b"content")
    assert done == ["file", "name", "folder"]


def test_t84_a_database_that_init_makes_is_on_the_disk_with_its_name(
    ca: Installation, tmp_path: Path, done: list[str]
) -> None:
    """SQLite writes the file through, and not the folder that names it."""
    folder = tmp_path / "new"
    folder.mkdir()
    done.clear()
    init._make_database(replace(ca.config, database=f"sqlite:///{folder}/ca.db"))
    assert done == ["file", "folder"]


def test_t84_a_folder_of_files_is_on_the_disk_before_it_has_its_name(tmp_path: Path, done: list[str]) -> None:
    with durable.Folder.open(tmp_path) as folder, folder.new_folder("tables") as tables:
        with tables.replacing("a.csv") as file:
            file.write(b"content")
        done.append("all written")
    assert done == ["made", "file", "name", "folder", "all written", "folder", "name", "folder"]


def test_t84_a_folder_is_on_the_disk_when_it_is_made(tmp_path: Path, done: list[str]) -> None:
    durable.make_folder(tmp_path / "a" / "b")
    assert done == ["made", "folder", "made", "folder"]


def test_t84_what_others_wrote_is_synced_with_its_name(tmp_path: Path, done: list[str]) -> None:
    (tmp_path / "ca.db").write_bytes(b"of SQLite")
    durable.sync(tmp_path / "ca.db")
    durable.rename(tmp_path / "ca.db", tmp_path / "ca.db.damaged")
    assert done == ["file", "folder", "name", "folder"]


def test_t84_a_file_has_its_mode_before_its_content(tmp_path: Path) -> None:
    with durable.replacing(tmp_path / "file", 0o640) as file:
        (temporary,) = tmp_path.iterdir()
        assert temporary.stat().st_mode & 0o777 == 0o640
        assert temporary.stat().st_size == 0
        file.write(b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_t84_what_breaks_off_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(KeyError), durable.replacing(tmp_path / "file") as file:  # noqa: PT012 - the block breaks off
        file.write(b"half")
        raise KeyError
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"old"}
    with (  # noqa: PT012 - the block breaks off
        pytest.raises(KeyError),
        durable.Folder.open(tmp_path) as folder,
        folder.new_folder("tables") as tables,
    ):
        with tables.replacing("a.csv") as file:
            file.write(b"half")
        raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("new", [False, True])
def test_t84_a_link_is_never_written_through(tmp_path: Path, *, new: bool) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "file").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match=r"it is a link|File exists"), durable.replacing(tmp_path / "file", new=new):
        pass
    assert (tmp_path / "target").read_bytes() == b"old"


def test_t84_a_new_file_never_replaces_one_that_came_meanwhile(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError), durable.replacing(tmp_path / "file", new=True) as file:  # noqa: PT012 - as above
        file.write(b"ours")
        (tmp_path / "file").write_bytes(b"theirs")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"theirs"}


def test_t84_a_folder_that_is_exchanged_meanwhile_stays_the_one_that_was_meant(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "other").mkdir()
    with durable.replacing(tmp_path / "folder" / "file") as file:
        (tmp_path / "folder").rename(tmp_path / "moved")
        (tmp_path / "folder").symlink_to(tmp_path / "other")
        file.write(b"content")
    assert list((tmp_path / "other").iterdir()) == []
    assert (tmp_path / "moved" / "file").read_bytes() == b"content"


def test_t84_links_of_our_own_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "absolute").symlink_to(tmp_path / "link")
    durable.write_durably(tmp_path / "absolute" / ".." / "real" / "file", b"content")
    assert (tmp_path / "real" / "file").read_bytes() == b"content"
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(OSError, match="round"):
        durable.write_durably(tmp_path / "round" / "file", b"content")


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_second_name(path: Path) -> None:
    path.with_name("other").write_bytes(b"old")
    path.hardlink_to(path.with_name("other"))


def a_link(path: Path) -> None:
    path.with_name("other").write_bytes(b"old")
    path.symlink_to(path.with_name("other"))


@pytest.mark.parametrize("plant", [a_pipe, a_second_name, a_link])
def test_t84_nothing_but_a_file_of_its_own_is_overwritten(tmp_path: Path, plant: Callable[[Path], None]) -> None:
    plant(tmp_path / "checkpoint")
    with pytest.raises(OSError, match=r"checkpoint"):
        durable.overwrite(tmp_path / "checkpoint", b"new")
    assert not (tmp_path / "other").exists() or (tmp_path / "other").read_bytes() == b"old"


def test_t84_a_permission_is_never_answered_with_loss(tmp_path: Path) -> None:
    refused = PermissionError(13, "Permission denied")
    hint = owner.unreadable_hint(tmp_path / "epoch", refused, "restore --accept-loss")
    assert hint.startswith("as root: chown ")
    assert owner.unreadable_hint(tmp_path / "epoch", OSError(5, "damaged"), "restore it") == "restore it"


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757])
def test_t84_a_socket_is_not_opened_where_others_can_put_something_in_its_place(tmp_path: Path, mode: int) -> None:
    """Its mode is set by its name: a link there would have another file opened to everybody."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(mode)
    with pytest.raises(Failed) as refused:
        sockets.listen(tmp_path / "run" / "web.sock", frozenset())
    assert refused.value.code == "unsafe_folder"
    assert list((tmp_path / "run").iterdir()) == []
    if os.geteuid() == 0:
        (tmp_path / "run").chmod(0o755)
        os.chown(tmp_path / "run", STRANGER, STRANGER)
        with pytest.raises(Failed, match="other users can change"):
            sockets.listen(tmp_path / "run" / "web.sock", frozenset())
        os.chown(tmp_path / "run", 0, 0)
    (tmp_path / "run").chmod(0o1777)  # nobody takes away or exchanges what is another's
    bound = sockets.listen(tmp_path / "run" / "web.sock", frozenset())
    assert bound.socket.family == socket.AF_UNIX
    bound.socket.close()


@pytest.mark.parametrize("plant", [Path.symlink_to, Path.hardlink_to])
def test_t84_a_name_that_was_guessed_after_all_is_not_written_to(
    tmp_path: Path, passwords: Path, monkeypatch: pytest.MonkeyPatch, plant: Callable[[Path, Path], None]
) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda size: "00" * size)
    planted = tmp_path / f".file.{'00' * 8}"
    plant(planted, passwords)
    for write in (durable.write_durably, durable.make_durably):
        with pytest.raises(FileExistsError):
            write(tmp_path / "file", b"ours")
        require_untouched(passwords, names=1 if planted.is_symlink() else 2)
        assert planted.exists(), "what is another's is not removed"


def test_t84_a_file_is_private_from_its_first_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes = []
    change = os.fchmod

    def changed(descriptor: int, mode: int) -> None:
        modes.append(os.fstat(descriptor).st_mode & 0o777)
        change(descriptor, mode)

    monkeypatch.setattr(os, "fchmod", changed)
    before = os.umask(0)
    try:
        durable.write_durably(tmp_path / "file", b"content", durable.PUBLIC)
        durable.make_folder(tmp_path / "folder", 0o755)
        with durable.Folder.open(tmp_path) as folder, folder.new_folder("tables"):
            (tables,) = tmp_path.glob(".tables.*")
            modes.append(tables.stat().st_mode & 0o777)
        durable.allocate(tmp_path / "reserve", 1)
    finally:
        os.umask(before)
    assert modes == [0o600, 0o700, 0o700]
    assert (tmp_path / "reserve").stat().st_mode & 0o777 == 0o600


def test_t84_the_mode_of_a_folder_is_the_one_that_was_meant(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        durable.make_folder(tmp_path / "srv" / "ca", 0o755)
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("srv", "srv/ca")] == [0o755, 0o755]


@pytest.mark.parametrize("plant", [os.mkfifo, os.mkdir])
def test_t84_nothing_but_a_plain_file_is_replaced(tmp_path: Path, plant: Callable[[Path], None]) -> None:
    plant(tmp_path / "file")
    kind = (tmp_path / "file").stat().st_mode
    with pytest.raises(FileExistsError, match="not a plain file"):
        durable.write_durably(tmp_path / "file", b"ours")
    assert (tmp_path / "file").stat().st_mode == kind
    assert len(list(tmp_path.iterdir())) == 1


def test_t84_what_is_there_is_said_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"theirs")
    begun = []
    with pytest.raises(FileExistsError), durable.replacing(tmp_path / "taken", new=True):
        begun.append("file")
    with (
        pytest.raises(FileExistsError),
        durable.Folder.open(tmp_path) as folder,
        folder.new_folder("taken"),
    ):
        begun.append("folder")
    assert begun == []


def test_t84_a_new_folder_never_replaces_one_that_came_meanwhile(tmp_path: Path) -> None:
    with (  # noqa: PT012 - the block is what happens meanwhile
        pytest.raises(FileExistsError),
        durable.Folder.open(tmp_path) as folder,
        folder.new_folder("tables") as tables,
    ):
        with tables.replacing("a.csv") as file:
            file.write(b"ours")
        (tmp_path / "tables").mkdir()
    assert [path.name for path in tmp_path.rglob("*")] == ["tables"]


@pytest.mark.parametrize("plant", ["link", "file"])
@pytest.mark.parametrize("why", [errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.EIO])
def test_t84_where_a_file_has_one_name_a_new_one_replaces_nothing_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plant: str, why: int
) -> None:
    """As on FAT, or beyond a network: there are no second names."""

    def refused(*_: object, **__: object) -> None:
        raise OSError(why, os.strerror(why))

    monkeypatch.setattr(os, "link", refused)
    if why == errno.EIO:
        with pytest.raises(OSError, match="Input/output error"):
            durable.make_durably(tmp_path / "file", b"ours")
        assert list(tmp_path.iterdir()) == []
        return
    durable.make_durably(tmp_path / "file", b"ours")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"ours"}
    (tmp_path / "file").unlink()
    with pytest.raises(FileExistsError), durable.replacing(tmp_path / "file", new=True):
        (tmp_path / "file").symlink_to("nowhere") if plant == "link" else (tmp_path / "file").write_bytes(b"theirs")
    (left,) = tmp_path.iterdir()
    assert left.name == "file"
    assert left.is_symlink() if plant == "link" else left.read_bytes() == b"theirs"


def test_t84_no_second_name_is_given_to_what_was_put_in_the_way_of_a_new_file(tmp_path: Path, passwords: Path) -> None:
    """Somebody whose folder it is exchanges the file, before it has its name, for a link to one of root's."""
    with durable.replacing(tmp_path / "file", new=True):
        (temporary,) = tmp_path.glob(".file.*")
        temporary.unlink()
        temporary.symlink_to(passwords)
    require_untouched(passwords)


def an_open_folder(path: Path) -> None:
    durable.make_folder(path, 0o777)


def a_folder_of_tables(path: Path) -> None:
    with durable.Folder.open(path.parent) as folder, folder.new_folder(path.name):
        pass


@pytest.mark.parametrize("make", [an_open_folder, a_folder_of_tables])
def test_t84_a_folder_that_is_exchanged_as_it_is_made_is_not_entered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "ours").mkdir(mode=0o700)
    mkdir = os.mkdir

    def exchanged(name: str, mode: int, *, dir_fd: int) -> None:
        mkdir(name, mode, dir_fd=dir_fd)
        os.rmdir(name, dir_fd=dir_fd)
        os.symlink(tmp_path / "ours", name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", exchanged)
    with pytest.raises(NotADirectoryError):
        make(tmp_path / "theirs" / "new")
    assert (tmp_path / "ours").stat().st_mode & 0o777 == 0o700


def test_t84_a_file_in_a_folders_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "emergency").write_bytes(b"")
    with pytest.raises(FileExistsError):
        durable.make_folder(tmp_path / "emergency")
    (tmp_path / "keys").mkdir()
    durable.make_folder(tmp_path / "keys")


OTHERS = [0o777, 0o775, 0o757]
"""Modes of a folder in which others can put what they like."""


@pytest.mark.parametrize("mode", OTHERS)
def test_t84_a_link_is_not_followed_where_others_could_have_laid_it(tmp_path: Path, mode: int) -> None:
    shared, goal = tmp_path / "shared", tmp_path / "goal"
    shared.mkdir()
    goal.mkdir()
    (shared / "link").symlink_to(goal)
    shared.chmod(mode)
    with pytest.raises(OSError, match="others could have made"):
        durable.write_durably(shared / "link" / "file", b"content")
    shared.chmod(mode | 0o1000)  # as in /tmp, each takes away no more than what is their own
    durable.write_durably(shared / "link" / "file", b"content")
    assert (goal / "file").read_bytes() == b"content"
    if os.geteuid() == 0:
        os.chown(shared / "link", STRANGER, STRANGER, follow_symlinks=False)
        with pytest.raises(OSError, match="others could have made"):
            durable.write_durably(shared / "link" / "file", b"content")
        os.chown(shared / "link", 0, 0, follow_symlinks=False)
        shared.chmod(0o755)
        os.chown(shared, STRANGER, STRANGER)
        with pytest.raises(OSError, match="others could have made"):
            durable.write_durably(shared / "link" / "file", b"content")


def test_t84_links_of_the_system_are_followed_by_anybody() -> None:
    """``/bin`` is one, in a folder of root's."""
    assert Path("/bin").is_symlink()

    def look() -> None:
        with durable.Folder.open(Path("/bin"), ours=True) as folder:
            os.stat("sh", dir_fd=folder.descriptor)

    assert as_stranger(look) == 0


def as_stranger(work: Callable[[], None]) -> int:
    """Does something as a user without rights, if we are root; the exit code."""
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(STRANGER, STRANGER, STRANGER)
                os.setresuid(STRANGER, STRANGER, STRANGER)
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("mode", OTHERS)
@pytest.mark.parametrize("which", ["above", "above/below"])
def test_t84_a_folder_is_ours_only_if_those_above_it_are(tmp_path: Path, mode: int, which: str) -> None:
    below = tmp_path / "above" / "below"
    below.mkdir(parents=True)
    with durable.Folder.open(below, ours=True):
        pass
    (tmp_path / which).chmod(mode)
    with pytest.raises(PermissionError, match="other users can change"), durable.Folder.open(below, ours=True):
        pass
    if os.geteuid() == 0:
        (tmp_path / which).chmod(0o755)
        os.chown(tmp_path / which, STRANGER, STRANGER)
        with pytest.raises(PermissionError, match="other users can change"), durable.Folder.open(below, ours=True):
            pass


@pytest.mark.parametrize("read", [durable.sync, lambda path: durable.read_plain(path, 100)])
def test_t84_no_file_is_read_or_synced_through_a_link(
    tmp_path: Path, passwords: Path, read: Callable[[Path], object]
) -> None:
    (tmp_path / "file").symlink_to(passwords)
    with pytest.raises(OSError, match=r"symbolic links"):
        read(tmp_path / "file")


def test_t84_a_plain_file_is_read_up_to_its_limit_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    assert durable.read_plain(tmp_path / "file", 10) == b"0123456789"
    with pytest.raises(OSError, match="larger than 9 bytes"):
        durable.read_plain(tmp_path / "file", 9)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a plain file"):
        durable.read_plain(tmp_path / "pipe", 10)


def test_t84_a_pipe_that_is_read_is_not_overwritten_either(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "checkpoint")
    reader = os.open(tmp_path / "checkpoint", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(PermissionError, match="not a file of its own"):
            durable.try_overwriting(tmp_path / "checkpoint")
    finally:
        os.close(reader)


def test_t84_what_belongs_to_another_user_is_not_overwritten(tmp_path: Path) -> None:
    """Root could, and would go on to write what the CA's user can exchange at any time."""
    path = tmp_path / "checkpoint"
    path.write_bytes(b"old")
    if os.geteuid() == 0:
        os.chown(path, STRANGER, STRANGER)
    else:
        path.chmod(0o400)  # without root there is nobody else
    with pytest.raises(PermissionError):
        durable.overwrite(path, b"new")
    assert path.read_bytes() == b"old"


def test_t84_what_is_overwritten_by_less_has_no_old_end(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_bytes(b"a long note")
    durable.overwrite(tmp_path / "checkpoint", b"new")
    assert (tmp_path / "checkpoint").read_bytes() == b"new"


def test_t84_a_reserve_takes_its_room_and_no_other_file(
    tmp_path: Path, passwords: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve, size = tmp_path / "reserve", 1 << 20
    for plant in (Path.symlink_to, Path.hardlink_to):
        plant(reserve, passwords)
        durable.allocate(reserve, size)
        status = reserve.lstat()
        assert (status.st_size, status.st_blocks * 512 >= size) == (size, True)
        require_untouched(passwords)
        reserve.unlink()
    with pytest.raises(OSError, match=r"File too large|No space|Invalid argument"):
        durable.allocate(reserve, 1 << 62)
    assert not reserve.exists()
    unlink = Path.unlink

    def exchanged(path: Path, *, missing_ok: bool = False) -> None:
        unlink(path, missing_ok=missing_ok)
        path.hardlink_to(passwords)

    monkeypatch.setattr(Path, "unlink", exchanged)
    with pytest.raises(FileExistsError):
        durable.allocate(reserve, size)
    require_untouched(passwords, names=2)


def test_t84_making_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "user_ca").write_bytes(b"a key")
    with pytest.raises(FileExistsError):
        durable.make_durably(tmp_path / "user_ca", b"another")
    assert (tmp_path / "user_ca").read_bytes() == b"a key"


def test_t84_a_file_that_is_replaced_keeps_its_owner(tmp_path: Path) -> None:
    (tmp_path / "epoch").write_bytes(b"1\n")
    owned = STRANGER if os.geteuid() == 0 else os.geteuid()
    os.chown(tmp_path / "epoch", owned, -1)
    durable.write_durably(tmp_path / "epoch", b"2\n")
    assert (tmp_path / "epoch").stat().st_uid == owned
    with durable.replacing(tmp_path / "epoch") as file:
        file.write(b"3\n")
    assert (tmp_path / "epoch").stat().st_uid == os.geteuid(), "a report is the one's who asked for it"


def test_t84_a_socket_replaces_nothing_but_a_socket_and_is_closed_to_others(tmp_path: Path, passwords: Path) -> None:
    path = tmp_path / "web.sock"
    for plant in (Path.symlink_to, Path.hardlink_to):
        plant(path, passwords)
        with pytest.raises(Failed) as refused:
            sockets.listen(path, frozenset())
        assert refused.value.code == "not_a_socket"
        require_untouched(passwords, names=1 if path.is_symlink() else 2)
        path.unlink()
    other = socket.socket(socket.AF_UNIX)
    other.bind(str(tmp_path / "another.sock"))
    path.symlink_to(tmp_path / "another.sock")
    with pytest.raises(Failed, match="not a socket"):
        sockets.listen(path, frozenset())
    other.close()
    path.unlink()
    mask = os.umask(0)
    try:
        sockets.listen(path, frozenset()).socket.close()
        bound = sockets.listen(path, frozenset())
    finally:
        os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()
    path.write_bytes(b"of another")
    sockets.unlink(path, bound)
    assert path.read_bytes() == b"of another"
    bound.socket.close()


@pytest.mark.parametrize("content", [b"", b"12", b"12x\n", b"\xef\xbc\x91\n", b"\n", b"\xff\n", b"-1\n"])
def test_t84_an_epoch_that_is_damaged_is_no_epoch(tmp_path: Path, content: bytes) -> None:
    """None at all is what a CA has that never started; anything else would give out serials twice."""
    pinned = PinnedCheckpoint(tmp_path)
    assert pinned.epoch() == 0
    pinned.keep_epoch(12)
    assert pinned.epoch() == 12
    pinned.epoch_file.write_bytes(content)
    with pytest.raises(Failed) as refused:
        pinned.epoch()
    assert refused.value.code == "no_memory"
    assert "restore --accept-loss" in refused.value.hint
    pinned.epoch_file.unlink()
    pinned.epoch_file.symlink_to("nowhere")
    with pytest.raises(Failed, match="is damaged"):
        pinned.epoch()


def test_t84_a_clock_that_cannot_be_read_forgets_nothing(tmp_path: Path) -> None:
    (tmp_path / "clock").mkdir()
    with pytest.raises(Failed) as refused:
        Kept(tmp_path / "clock", "a start").recall()
    assert refused.value.code == "no_memory"
    assert refused.value.hint.endswith(f"rm {tmp_path}/clock")
