"""The sshd that the lab uses runs, and fetching one twice at once leaves one whole tree."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from demo import debian, openssh
from sshjit_client.storage import files, paths


def fetch_in(cache: Path) -> subprocess.Popen[str]:
    """Fetches into a cache of its own, in a process of its own."""
    code = "from demo import openssh; print(openssh._fetch().path)"
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
        env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "XDG_CACHE_HOME": str(cache)},
    )


def test_the_server_runs_and_knows_its_version() -> None:
    server = openssh.sshd()
    assert server.path.is_absolute()
    assert server.version >= (8, 4)


def test_two_that_fetch_at_once_share_one_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = [fetch_in(tmp_path) for _ in range(2)]
    trees = {process.communicate(timeout=120)[0].strip() for process in running}
    assert [process.returncode for process in running] == [0, 0]
    assert len(trees) == 1
    assert [path.name[:15] for path in (tmp_path / "ssh-jit-lab/openssh").iterdir()] == ["openssh-server_"]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    server = openssh._cached()
    assert server is not None
    assert str(server.path) in trees
    for line in server.config:
        assert Path(line.split()[1]).is_file()


def test_a_split_server_is_told_where_its_helpers_are(tmp_path: Path) -> None:
    folder = tmp_path / "usr/lib/openssh"
    folder.mkdir(parents=True)
    (folder / "sshd-session").touch()
    server = openssh.Sshd(path=tmp_path / "usr/sbin/sshd", version=(9, 8), root=tmp_path)
    assert server.config == (f"SshdSessionPath {folder / 'sshd-session'}",)


def test_a_package_that_does_not_exist_ends_in_the_line_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(debian.NotFetched, match="install openssh-server"):
        debian.download(["openssh-server"], tmp_path)


def test_libraries_are_read_from_the_package(tmp_path: Path) -> None:
    control = tmp_path / "tree/DEBIAN"
    control.mkdir(parents=True)
    (control / "control").write_text(
        "Package: toy\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\nDescription: toy\n"
        "Depends: adduser, libwrap0 (>= 7.6-4~), libssl3t64 (>= 3) | libssl3, lsb-base\n"
    )
    package = tmp_path / "toy.deb"
    subprocess.run(["dpkg-deb", "--build", tmp_path / "tree", package], check=True, capture_output=True)
    assert debian.libraries_wanted(package) == ["libwrap0", "libssl3t64"]


def test_the_lab_keeps_out_of_the_folder_that_the_client_keeps_to_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    lab = debian.cache()
    client = files.private_folder(Path(paths.places({"XDG_CACHE_HOME": str(tmp_path)})[0]))
    assert paths.private(str(client))
    assert not lab.is_relative_to(client)
