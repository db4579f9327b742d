"""Our own connections read the person's file without what ``ssh-jit config --write`` put there for plain ssh."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sshjit_client.ssh import person_file

LINE = "Include /home/alice/.config/ssh-jit/plain/example.conf\n"
OWN = "Host *\n    ServerAliveInterval 60\n"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config"
    monkeypatch.setattr(person_file, "source", lambda: str(path))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "open"
    folder.mkdir(mode=0o700)
    return folder


@pytest.mark.parametrize("text", [OWN, "", None, f"{OWN}{LINE}", "Include ~/.ssh/work\n"])
def test_without_our_line_ssh_reads_the_file_itself(own: Path, folder: Path, text: str | None) -> None:
    if text is not None:
        own.write_text(text)
    assert person_file.keep(str(folder)) == person_file.ITSELF
    assert list(folder.iterdir()) == []


def test_the_copy_has_every_line_but_ours_at_its_number(own: Path, folder: Path) -> None:
    own.write_text(LINE + OWN)
    path = Path(person_file.keep(str(folder)))
    assert path.read_text() == f"\n{OWN}"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_line_for_each_installation_is_ours(own: Path, folder: Path) -> None:
    other = LINE.replace("example", "work")
    own.write_text(LINE + other + OWN + LINE)
    assert Path(person_file.keep(str(folder))).read_text() == f"\n\n{OWN}{LINE}", "below another line it is theirs"


@pytest.mark.parametrize("changed", [f"{LINE}Host b\n", "Host c\n", None])
def test_the_copy_follows_the_file(own: Path, folder: Path, changed: str | None) -> None:
    own.write_text(LINE + OWN)
    path = Path(person_file.keep(str(folder)))
    if changed is None:
        own.unlink()
    else:
        own.write_text(changed)
        os.utime(own, ns=(7, 7))
    person_file.refresh(str(folder))
    assert path.read_text() == (changed or "").replace(LINE, "\n")


def test_a_file_that_did_not_change_is_not_read_again(own: Path, folder: Path) -> None:
    own.write_text(LINE + OWN)
    path = Path(person_file.keep(str(folder)))
    path.write_text("as it was")
    os.utime(path, ns=(own.stat().st_mtime_ns, own.stat().st_mtime_ns))
    person_file.refresh(str(folder))
    assert path.read_text() == "as it was"


def test_where_there_is_no_copy_none_is_made(own: Path, folder: Path) -> None:
    own.write_text(LINE + OWN)
    person_file.refresh(str(folder))
    assert list(folder.iterdir()) == []
