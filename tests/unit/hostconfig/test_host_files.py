"""How ssh-jit-host writes files, as root, below folders that it shares: whole, and never through what lies there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from demo import debian
from sshjit_host import config
from sshjit_host.errors import ConfigError, HostError
from sshjit_host.machine import files
from sshjit_host.openssh import account_checks

STRANGER = 59999


@pytest.fixture
def passwords(tmp_path: Path) -> Path:
    """A file that nothing here may change."""
    path = tmp_path / "passwords"
    path.write_bytes(b"root:x:0:0\n")
    return path


def test_a_file_has_its_mode_before_its_content_and_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[object] = []
    sync, change, replace = os.fsync, os.fchmod, os.replace

    def synced(descriptor: int) -> None:
        order.append("folder" if Path(f"/proc/self/fd/{descriptor}").is_dir() else "file")
        sync(descriptor)

    def changed(descriptor: int, mode: int) -> None:
        status = os.fstat(descriptor)
        order.append((status.st_mode & 0o777, status.st_size))
        change(descriptor, mode)

    def replaced(old: str, new: Path) -> None:
        order.append("name")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "fchmod", changed)
    monkeypatch.setattr(os, "replace", replaced)
    assert files.write(tmp_path / "krl", b"content", 0o640)
    assert order == [(0o600, 0), "file", "name", "folder"]
    assert (tmp_path / "krl").stat().st_mode & 0o777 == 0o640
    order.clear()
    assert files.remove(tmp_path / "krl")
    assert order == ["folder"]
    assert not files.remove(tmp_path / "krl")


def test_what_is_as_it_should_be_is_left_and_all_else_is_replaced(tmp_path: Path, passwords: Path) -> None:
    path, content = tmp_path / "krl", passwords.read_bytes()
    assert files.write(path, content)
    assert not files.write(path, content)
    path.chmod(0o666)
    assert files.write(path, content)
    assert path.stat().st_mode & 0o777 == 0o644
    path.write_bytes(content[::-1])
    assert files.write(path, content)
    path.unlink()
    passwords.chmod(0o644)
    path.symlink_to(passwords)
    assert files.write(path, content), "whose link leads to the same today leads elsewhere tomorrow"
    assert not path.is_symlink()
    if os.geteuid() == 0:
        os.chown(path, STRANGER, STRANGER)
        assert files.write(path, content), "its owner could write it"
        assert path.stat().st_uid == 0
    assert path.read_bytes() == content


def test_a_pipe_in_the_place_of_an_empty_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "reload.pending")
    (tmp_path / "reload.pending").chmod(0o644)
    assert files.write(tmp_path / "reload.pending", b"")
    assert (tmp_path / "reload.pending").is_file()


def test_a_folder_is_closed_to_others_from_its_first_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Path, "chmod")
    mask = os.umask(0)
    try:
        files.folder(tmp_path / "ssh-jit")
    finally:
        os.umask(mask)
    assert (tmp_path / "ssh-jit").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("plant", [Path.symlink_to, Path.hardlink_to])
def test_nothing_is_written_through_what_lies_in_a_files_place(
    tmp_path: Path, passwords: Path, plant: Callable[[Path, Path], None]
) -> None:
    plant(tmp_path / "krl", passwords)
    assert files.write(tmp_path / "krl", b"ours")
    assert passwords.read_bytes() == b"root:x:0:0\n"
    assert (tmp_path / "krl").read_bytes() == b"ours"
    (tmp_path / "krl").unlink()
    plant(tmp_path / "krl", passwords)
    assert files.remove(tmp_path / "krl")
    assert passwords.read_bytes() == b"root:x:0:0\n"


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write(tmp_path / "krl", b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HostError, match="No space left"):
        files.write(tmp_path / "krl", b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"krl": b"old"}


def test_a_folder_that_others_could_write_is_closed_to_them(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        files.folder(tmp_path / "ssh-jit")
    finally:
        os.umask(mask)
    assert (tmp_path / "ssh-jit").stat().st_mode & 0o777 == 0o755
    (tmp_path / "ssh-jit").chmod(0o777)
    files.folder(tmp_path / "ssh-jit")
    assert (tmp_path / "ssh-jit").stat().st_mode & 0o777 == 0o755


def test_the_lock_is_private_and_no_link_is_followed_to_it(tmp_path: Path, passwords: Path) -> None:
    mask = os.umask(0)
    try:
        with files.locked(tmp_path / ".lock"):
            assert (tmp_path / ".lock").stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(mask)
    (tmp_path / ".lock").unlink()
    (tmp_path / ".lock").symlink_to(passwords)
    with pytest.raises(HostError, match="cannot open"), files.locked(tmp_path / ".lock"):
        pass


def test_what_ssh_keygen_reads_is_in_a_folder_of_ours_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    mask = os.umask(0)
    try:
        with files.scratch({"message": b"content"}) as folder:
            assert folder.stat().st_mode & 0o777 == 0o700
            assert (folder / "message").read_bytes() == b"content"
    finally:
        os.umask(mask)
    assert list(tmp_path.iterdir()) == []


def test_each_folder_for_which_sshd_ignores_ours_is_named(tmp_path: Path) -> None:
    below = tmp_path / "above" / "below"
    below.mkdir(parents=True)
    for mode in (0o775, 0o757):
        (tmp_path / "above").chmod(mode)
        assert f"others can write {tmp_path}/above, so sshd ignores what is below it" in reasons(below)
    (tmp_path / "above").chmod(0o750)
    closed = f"{tmp_path}/above is closed to other users, so sshd finds nothing below it when one of them logs in"
    assert closed in reasons(below)
    assert closed not in reasons(below, others=False)
    (tmp_path / "above").chmod(0o755)
    assert not [reason for reason in reasons(below) if f"{tmp_path}/above" in reason]
    if os.geteuid() == 0:
        os.chown(tmp_path / "above", STRANGER, STRANGER)
        assert f"{tmp_path}/above belongs to another user, so sshd ignores what is below it" in reasons(below)


def reasons(path: Path, *, others: bool = True) -> list[str]:
    return list(files.untrusted_folders(path, others=others))


@pytest.mark.parametrize("mode", [0o664, 0o646])
@pytest.mark.parametrize("whose", ["file", "its folder", "where its link lies", "where a link to its folder leads"])
def test_a_file_is_ours_alone_with_every_folder_and_link_on_the_way(whose: str, mode: int, below_root: Path) -> None:
    far, near, middle = (below_root / name for name in ("far", "near", "middle"))
    for folder in (far, near, middle / "inner"):
        folder.mkdir(parents=True)
    (far / "file").write_bytes(b"")
    (near / "link").symlink_to(far / "file")
    (middle / "inner" / "link").symlink_to(far / "file")
    (below_root / "way").symlink_to(middle / "inner")
    path, place = {
        "file": (far / "file", far / "file"),
        "its folder": (far / "missing", far),
        "where its link lies": (near / "link", near),
        "where a link to its folder leads": (below_root / "way" / "link", middle),
    }[whose]
    assert files.of_others(path) == ""
    place.chmod(mode | 0o111)
    assert files.of_others(path) == f"others can write {place}"
    place.chmod(0o755)
    os.chown(place, STRANGER, STRANGER)
    assert files.of_others(path) == f"{place} belongs to another user"


@pytest.fixture
def below_root() -> Iterator[Path]:
    """A folder that is root's with all above it; pytest's own lie below ``/tmp``, which everybody can write."""
    assert os.geteuid() == 0, "only root can give files away: run these tests as root"
    with tempfile.TemporaryDirectory(prefix="test-files-", dir=debian.cache()) as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_link_is_on_the_disk_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
    )
    assert files.link(tmp_path / "unit", "/usr/lib/unit")
    assert synced == [str(tmp_path)]
    assert not files.link(tmp_path / "unit", "/usr/lib/unit")


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_settings_that_others_can_write_are_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "host.json").write_text("{}")
    (tmp_path / "host.json").chmod(mode)
    with pytest.raises(ConfigError, match="others can write"):
        config.load(tmp_path / "host.json")
    (tmp_path / "host.json").chmod(0o644)
    with pytest.raises(ConfigError, match=r"host\.json: "):
        config.load(tmp_path / "host.json")
    if os.geteuid() == 0:
        os.chown(tmp_path / "host.json", STRANGER, STRANGER)
        with pytest.raises(ConfigError, match="others can write"):
            config.load(tmp_path / "host.json")


def test_whatever_an_account_puts_in_its_keys_place_keeps_the_doctor_no_time(tmp_path: Path) -> None:
    """``_has_keys`` is what the doctor asks of a file that is the account's own."""
    os.mkfifo(tmp_path / "authorized_keys")
    assert not account_checks._has_keys(tmp_path / "authorized_keys")
    reader = os.open(tmp_path / "authorized_keys", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(tmp_path / "authorized_keys", os.O_WRONLY | os.O_NONBLOCK)
    try:
        os.write(writer, b"ssh-ed25519 AAAA\n")
        assert not account_checks._has_keys(tmp_path / "authorized_keys"), "nor does sshd read it"
    finally:
        os.close(writer)
        os.close(reader)
    (tmp_path / "endless").symlink_to("/dev/zero")
    assert not account_checks._has_keys(tmp_path / "endless")
