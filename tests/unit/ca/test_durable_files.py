"""How the CA writes files: whole, on the disk, private, and never through what somebody else put in the way."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from sshjit.errors import Failed
from sshjit_ca import sockets
from sshjit_ca.machine import durable, owner


def test_t84_content_and_name_are_synced_in_this_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    sync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        done.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")  # noqa: PTH112
        sync(descriptor)

    def replaced(old: str, new: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        done.append("name")
        replace(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    durable.write_durably(tmp_path / "file", b"content")
    assert done == ["file", "name", "folder"]


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


@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_t84_a_socket_is_not_opened_where_others_can_put_something_in_its_place(tmp_path: Path, mode: int) -> None:
    """Its mode is set by its name: a link there would have another file opened to everybody."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(mode)
    with pytest.raises(Failed) as refused:
        sockets.listen(tmp_path / "run" / "web.sock", frozenset())
    assert refused.value.code == "unsafe_folder"
    assert list((tmp_path / "run").iterdir()) == []
    (tmp_path / "run").chmod(0o1777)  # nobody takes away or exchanges what is another's
    bound = sockets.listen(tmp_path / "run" / "web.sock", frozenset())
    assert bound.socket.family == socket.AF_UNIX
    bound.socket.close()
