"""The client's own files: in a folder that nobody else can enter, whole, private, and on the disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sshjit.errors import Failed
from sshjit_client.storage import files, paths

STRANGER = 59999


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that is ours alone."""
    return files.private_folder(tmp_path / "state" / "ssh-jit")


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o710, 0o701, 0o720, 0o702])
def test_a_folder_that_others_can_enter_is_refused(folder: Path, mode: int) -> None:
    assert paths.private(str(folder))
    folder.chmod(mode)
    assert not paths.private(str(folder))
    with pytest.raises(Failed) as refused:
        files.private_folder(folder)
    assert refused.value.code == "unsafe_folder"
    assert refused.value.hint == f"chmod 700 {folder}"


def test_a_folder_is_private_from_its_first_moment(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        files.private_folder(tmp_path / "state" / "ssh-jit")
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("state", "state/ssh-jit")] == [0o700, 0o700]


def a_link(path: Path, folder: Path) -> None:
    path.symlink_to(folder)


def a_link_to_nothing(path: Path, folder: Path) -> None:
    path.symlink_to(folder / "nothing")


def a_file(path: Path, _: Path) -> None:
    path.touch(mode=0o600)


@pytest.mark.parametrize("plant", [a_link, a_link_to_nothing, a_file])
def test_what_somebody_put_in_the_folders_place_is_refused(
    tmp_path: Path, folder: Path, plant: Callable[[Path, Path], None]
) -> None:
    """A link leads to a folder of ours as it is looked at, and elsewhere a moment later."""
    plant(tmp_path / "planted", folder)
    assert not paths.private(str(tmp_path / "planted"))
    with pytest.raises(Failed):
        files.private_folder(tmp_path / "planted")
    assert list(folder.iterdir()) == []


def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    theirs = Path("/root")
    if os.geteuid() == 0:
        theirs = tmp_path / "theirs"
        theirs.mkdir(mode=0o700)
        os.chown(theirs, STRANGER, STRANGER)
    assert not paths.private(str(theirs))


def test_the_runtime_folder_is_used_only_if_it_is_ours_alone(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path / "run"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    (tmp_path / "run").mkdir(mode=0o700)
    cache = str(tmp_path / "cache" / "ssh-jit")
    assert paths.places(environ)[:2] == [str(tmp_path / "run" / "ssh-jit"), cache]
    assert paths.lost_runtime(environ) == ""
    (tmp_path / "run").chmod(0o755)
    assert paths.places(environ)[0] == cache
    assert paths.lost_runtime(environ) == str(tmp_path / "run")


def test_a_file_is_private_whole_and_on_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    sync, replace, mask = os.fsync, Path.replace, os.umask(0)

    def synced(descriptor: int) -> None:
        (temporary,) = [path for path in folder.iterdir() if path.name.startswith(".")] or [folder / "config.json"]
        order.append(f"{'folder' if Path(f'/proc/self/fd/{descriptor}').is_dir() else 'file'}")
        assert temporary.stat().st_mode & 0o777 == 0o600
        sync(descriptor)

    def replaced(path: Path, target: Path) -> Path:
        order.append("name")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    try:
        files.write(folder / "config.json", "{}")
    finally:
        os.umask(mask)
    assert order == ["file", "name", "folder"]
    assert (folder / "config.json").read_text() == "{}"


def test_text_has_the_bytes_of_a_path_that_is_no_utf_8(folder: Path) -> None:
    files.write(folder / "f", "\u00e9 \udcff\n")
    assert (folder / "f").read_bytes() == b"\xc3\xa9 \xff\n"


def test_a_file_is_replaced_and_nothing_is_written_through_it(folder: Path, tmp_path: Path) -> None:
    for plant in (Path.symlink_to, Path.hardlink_to):
        passwords = tmp_path / "passwords"
        passwords.write_text("root:x:0:0\n")
        for put in (put_by_writing, put_by_moving):
            plant(folder / "known_hosts", passwords)
            put(folder / "known_hosts")
            assert passwords.read_text() == "root:x:0:0\n"
            assert not (folder / "known_hosts").is_symlink()
            assert (folder / "known_hosts").read_text() == "ours"
            (folder / "known_hosts").unlink()
        assert list(folder.iterdir()) == []


def put_by_writing(path: Path) -> None:
    files.write(path, "ours")


def put_by_moving(path: Path) -> None:
    path.with_name("new").write_text("ours")
    files.move(path.with_name("new"), path)


def test_a_name_that_is_taken_already_is_not_written_to(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "passwords").write_text("root:x:0:0\n")
    monkeypatch.setattr(os, "urandom", bytes)
    for plant in (Path.symlink_to, Path.hardlink_to):
        planted = folder / f".config.json.{'00' * 6}"
        plant(planted, tmp_path / "passwords")
        with pytest.raises(FileExistsError):
            files.write(folder / "config.json", "ours")
        planted.unlink()
    assert (tmp_path / "passwords").read_text() == "root:x:0:0\n"
    assert list(folder.iterdir()) == []


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write(folder / "config.json", "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.write(folder / "config.json", "new")
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"config.json": "old"}
