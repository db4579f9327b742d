"""What the operator's command writes where others can write too: nothing goes through what they planted there."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from demo import isolate
from sshjit.errors import Failed, Invalid
from sshjit_ca.cli import maintenance
from sshjit_ca.log.pinned_checkpoint import PinnedCheckpoint
from tests.integration.test_emergency import prepared
from tests.support.ca_process import run_command
from tests.support.installation import Installation, make_key
from tests.support.issuer import serving

OURS = "root:x:0:0\n"
DAY = time.strftime("%Y-%m-%d", time.gmtime())


@pytest.fixture
def ca(tmp_path: Path) -> Iterator[Installation]:
    """An installation with a host and no process."""
    with ExitStack() as stack:
        issuers = {name: stack.enter_context(serving()) for name in ("acme", "partner")}
        yield prepared(tmp_path, issuers, None)


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """The folder of somebody else, with their key in it.

    Without root it stays ours, and a link in it is refused all the same.
    """
    folder = tmp_path / "theirs"
    folder.mkdir()
    make_key(folder / "id")
    if os.geteuid() == 0:
        for path in (folder, *folder.iterdir()):
            os.chown(path, isolate.NOBODY, isolate.NOBODY)
    return folder


@pytest.fixture
def passwords(tmp_path: Path) -> Path:
    """A file that only we should write."""
    path = tmp_path / "passwords"
    path.write_text(OURS)
    return path


def emergency(ca: Installation, key: Path, *, code: int) -> str:
    named = ("--login", "root", "--host", "web1", "--key", str(key), "--reason", "the pager rang")
    return run_command(ca.home / "ca.toml", "sign-emergency", *named, "--offline", code=code)


def test_t84_a_link_in_the_certificates_place_is_refused(ca: Installation, theirs: Path, passwords: Path) -> None:
    (theirs / "id-cert.pub").symlink_to(passwords)
    said = emergency(ca, theirs / "id.pub", code=1)
    assert passwords.read_text() == OURS
    assert "it is a link" in said
    assert "was signed and recorded" in said


def test_t84_a_second_name_of_a_file_keeps_it_as_it_is(ca: Installation, theirs: Path, passwords: Path) -> None:
    (theirs / "id-cert.pub").hardlink_to(passwords)
    emergency(ca, theirs / "id.pub", code=0)
    assert passwords.read_text() == OURS
    assert (theirs / "id-cert.pub").read_text().startswith("ssh-ed25519-cert-v01@openssh.com ")


def test_t84_a_folder_that_became_a_link_is_not_followed(ca: Installation, theirs: Path, tmp_path: Path) -> None:
    """``theirs/sub`` was a folder when the operator typed its name."""
    (tmp_path / "system").mkdir()
    make_key(tmp_path / "system" / "id")
    (theirs / "sub").symlink_to(tmp_path / "system")
    if os.geteuid() == 0:
        os.chown(theirs / "sub", isolate.NOBODY, isolate.NOBODY, follow_symlinks=False)
    else:
        theirs.chmod(0o777)
    said = emergency(ca, theirs / "sub" / "id.pub", code=2)
    assert "others could have made" in said
    assert not (tmp_path / "system" / "id-cert.pub").exists()


def test_t84_a_key_is_not_read_through_a_link(theirs: Path, passwords: Path) -> None:
    (theirs / "id.pub").unlink()
    (theirs / "id.pub").symlink_to(passwords)
    with pytest.raises(Invalid) as refused:
        maintenance.public_key(theirs / "id.pub")
    assert refused.value.code == "bad_key"
    assert OURS.strip() not in refused.value.message


def test_t84_a_pipe_in_a_keys_place_keeps_nobody_waiting(theirs: Path) -> None:
    (theirs / "id.pub").unlink()
    os.mkfifo(theirs / "id.pub")
    with pytest.raises(Invalid):
        maintenance.public_key(theirs / "id.pub")


REPORT = f"report --from {DAY} --to {DAY}"


@pytest.mark.parametrize(
    "command",
    [
        f"{REPORT} --output report.html",
        f"{REPORT} --format csv --output report.zip",
        f"{REPORT} --format csv --output tables",
        "backup backup.tar",
    ],
)
@pytest.mark.parametrize("planted", ["{}", "{}.new"])
def test_t84_an_output_that_is_named_is_not_written_through_a_link(
    ca: Installation, tmp_path: Path, passwords: Path, command: str, planted: str
) -> None:
    """In a folder such as ``/tmp``, where anybody puts in what they like; also under a name that we might take."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    *words, name = command.split()
    (folder / planted.format(name)).symlink_to(passwords)
    code = (2 if "csv" in words or "backup" in words else 1) if planted == "{}" else 0
    run_command(ca.home / "ca.toml", *words, str(folder / name), code=code)
    assert passwords.read_text() == OURS
    assert not [entry for entry in folder.iterdir() if entry.name.startswith(".")]


def test_t84_a_backup_is_not_made_where_others_can_exchange_it(ca: Installation, theirs: Path) -> None:
    theirs.chmod(0o777)
    said = run_command(ca.home / "ca.toml", "backup", str(theirs / "backup.tar"), code=1)
    assert "other users can change its folder" in said
    assert sorted(entry.name for entry in theirs.iterdir()) == ["id", "id.pub"]


def test_t84_a_certificate_that_is_written_anew_keeps_the_owner(ca: Installation, theirs: Path) -> None:
    (theirs / "id-cert.pub").write_text("the last one\n")
    if os.geteuid() == 0:
        os.chown(theirs / "id-cert.pub", isolate.NOBODY, isolate.NOBODY)
    emergency(ca, theirs / "id.pub", code=0)
    status = (theirs / "id-cert.pub").stat()
    assert status.st_uid == (isolate.NOBODY if os.geteuid() == 0 else os.geteuid())
    assert status.st_mode & 0o777 == 0o644


def test_t84_nothing_is_written_over_a_second_name_of_the_checkpoint(ca: Installation, passwords: Path) -> None:
    (ca.home / "ca" / "checkpoint").unlink()
    (ca.home / "ca" / "checkpoint").hardlink_to(passwords)
    with pytest.raises(Failed) as refused:
        PinnedCheckpoint(ca.home / "ca").keep_checkpoint("a note\n")
    assert refused.value.code == "not_signing"
    assert passwords.read_text() == OURS
