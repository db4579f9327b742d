"""Root's commands on a CA that runs as a user of its own (T84): they work as that user, and leave nothing of root's.

Where there is no root and no namespace, there is one user only: then what is tested is that a home of root's is left
alone, and that all the commands go on working for their own user.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from demo import isolate
from demo.namespace import Spec
from tests.integration.test_emergency import prepared
from tests.support.ca_process import PROGRAM
from tests.support.installation import Installation, make_key
from tests.support.issuer import serving
from tests.support.waiting import PATIENCE, wait_until

STRANGER = 59999
OWNER = isolate.NOBODY if isolate.possible() else os.getuid()
TODAY = time.strftime("%Y-%m-%d", time.gmtime())


@pytest.fixture
def ca(tmp_path: Path) -> Iterator[Installation]:
    """A CA that does not run, whose home belongs to a user of its own, who can reach it. The settings are root's."""
    with ExitStack() as stack:
        issuers = {name: stack.enter_context(serving()) for name in ("acme", "partner")}
        made = prepared(tmp_path, issuers, None)
        give_away(tmp_path)
        yield made


def give_away(home: Path) -> None:
    """Makes an installation the owner's, as the package's set-up does."""
    home.chmod(0o755)
    for file in home.glob("*.toml"):
        file.chmod(0o644)
    mine(home).mkdir(mode=0o700)
    for path in (home, home / "ca", *(home / "ca").rglob("*")):
        os.chown(path, OWNER, OWNER) if isolate.possible() else None


def mine(home: Path) -> Path:
    """A folder of root's, for what root names."""
    return home.with_name(f"{home.name}-mine")


def launch(ca_home: Path, *arguments: str, user: int | None = None) -> list[str]:
    """The command as root, or as ``user``: who can reach the program and the installation, and no more below /root."""
    command = [*PROGRAM, "--config", str(ca_home / "ca.toml"), *arguments]
    if not isolate.possible():
        return command
    keep = [str(path) for path in (*isolate.surroundings(), ca_home, mine(ca_home))]
    return isolate.enter(Spec(cover=isolate.barriers(map(Path, keep)), write=tuple(keep), user=user), command)


def run(ca_home: Path, *arguments: str, code: int = 0, user: int | None = None) -> str:
    done = subprocess.run(
        launch(ca_home, *arguments, user=user),
        capture_output=True, text=True, timeout=PATIENCE, check=False, cwd="/", stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def everything(ca_home: Path) -> dict[str, tuple[int, int, int]]:
    """Each file of the home: whom it belongs to, its mode, and when it was changed."""
    files = sorted((ca_home / "ca").rglob("*"))
    return {
        str(path): (status.st_uid, status.st_mode, status.st_mtime_ns) for path in files for status in [path.stat()]
    }


def require_owned(ca_home: Path, after: str = "") -> None:
    """All is the owner's."""
    assert {path: uid for path, (uid, _, _) in everything(ca_home).items() if uid != OWNER} == {}, after


def require_whole(ca_home: Path) -> None:
    """All is the owner's, and the CA starts and signs as that user."""
    require_owned(ca_home)
    process = subprocess.Popen(launch(ca_home, "serve", user=OWNER), stderr=subprocess.PIPE, cwd="/")
    try:
        wait_until(lambda: process.poll() is not None or answers(ca_home))
        assert process.poll() is None, process.stderr and process.stderr.read().decode()
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def answers(ca_home: Path) -> bool:
    """Whether it serves; the command is only tried where somebody listens, since it takes a second."""
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(str(ca_home / "admin.sock")):
            return False
    done = subprocess.run(launch(ca_home, "status"), capture_output=True, check=False, timeout=PATIENCE, cwd="/")
    return done.returncode == 0


def key_of(ca: Installation) -> Path:
    return make_key(mine(ca.home) / "id").with_suffix(".pub")


EMERGENCY = ("sign-emergency", "--login", "root", "--host", "web1", "--reason", "the pager rang", "--key")


@pytest.mark.parametrize("how", ["--offline", "--no-database"])
def test_t84_root_signs_while_the_ca_is_down_and_it_starts_again(ca: Installation, how: str) -> None:
    key = key_of(ca)
    run(ca.home, *EMERGENCY, str(key), how)
    assert key.with_name("id-cert.pub").stat().st_uid == os.getuid(), "what root named is written as root"
    require_whole(ca.home)


def test_t84_root_serves_as_the_owner(ca: Installation) -> None:
    process = subprocess.Popen(launch(ca.home, "serve"), stderr=subprocess.PIPE, cwd="/")
    try:
        wait_until(lambda: process.poll() is not None or answers(ca.home))
        status = Path(f"/proc/{process.pid}/status").read_text()
        uids = next(line.split()[1:] for line in status.splitlines() if line.startswith("Uid:"))
        assert uids == [str(OWNER)] * 4, "for good"
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)
    require_whole(ca.home)


COMMANDS = (
    "doctor", "migrate", "backup {}/backup.tar", "backup --with-keys {}/with-keys.tar", "log verify", "log export",
    "log key", f"report --from {TODAY} --to {TODAY} --output {{}}/report.html",
    f"report --from {TODAY} --to {TODAY} --format csv --output {{}}/tables",
)  # fmt: skip


def test_t84_no_command_of_root_leaves_a_file_of_root_in_the_home(ca: Installation) -> None:
    """SQLite makes files beside the database for whoever opens it first. What root named is root's, and private."""
    folder = mine(ca.home)
    for command in COMMANDS:
        for beside in (ca.home / "ca").glob("ca.db-*"):  # so that this command is the first again
            assert beside.name == "ca.db-shm" or not beside.stat().st_size, "it would be missed"
            beside.unlink()
        run(ca.home, *command.format(folder).split(), code=1 if command == "doctor" else 0)  # the CA does not run
        for path in folder.rglob("*"):
            assert path.stat().st_uid == os.getuid(), command
            assert path.stat().st_mode & 0o077 == 0, command
        require_owned(ca.home, command)
    require_whole(ca.home)


def test_t84_root_restores_from_a_file_that_only_root_can_read(ca: Installation) -> None:
    archive = mine(ca.home) / "backup.tar"
    run(ca.home, "backup", str(archive))
    run(ca.home, "restore", str(archive), "--accept-loss", "--reason", "a drill")
    require_whole(ca.home)


def test_t84_root_verifies_and_reports_on_a_copy_that_only_root_can_read(ca: Installation) -> None:
    copy = mine(ca.home) / "copy.db"
    shutil.copy(ca.home / "ca" / "ca.db", copy)
    copy.chmod(0o600)
    run(ca.home, "log", "verify", "--database", str(copy))
    page = mine(ca.home) / "report.html"
    run(ca.home, "report", "--from", TODAY, "--to", TODAY, "--database", str(copy), "--output", str(page))
    assert page.stat().st_uid == os.getuid()
    require_whole(ca.home)


def test_t84_doctor_as_root_judges_against_the_owner(ca: Installation) -> None:
    lines = run(ca.home, "doctor", code=1)
    assert "belongs to another user" not in lines
    assert "are private to this user" in lines


HOME_COMMANDS = (
    "serve", "doctor", "migrate", "init", "log verify", "log export", "log key", "backup /tmp/x.tar",
    "restore --accept-loss --reason x", f"report --from {TODAY} --to {TODAY}",
)  # fmt: skip


def test_t84_a_stranger_is_refused_before_anything_is_written_and_told_how(ca: Installation) -> None:
    if isolate.possible():
        before, user = everything(ca.home), STRANGER
    elif os.geteuid() == 0:
        pytest.fail("root without namespaces: run this as an ordinary user, or where they are allowed")
    else:  # a home of root's
        text = (ca.home / "ca.toml").read_text().replace(f'home = "{ca.home}/ca"', 'home = "/usr/share"')
        (ca.home / "ca.toml").write_text(text)
        before, user = everything(ca.home), None
    for command in HOME_COMMANDS:
        said = run(ca.home, *command.split(), code=4, user=user)
        assert "nothing was changed" in said, command
        assert f"hint: sudo -u {'nobody' if isolate.possible() else 'root'} ssh-jit-ca" in said, command
        assert "accept-loss" not in said, command
        assert everything(ca.home) == before, command


def test_t84_what_root_left_behind_once_is_said_with_its_remedy_and_no_loss(ca: Installation) -> None:
    """As the CA's user finds it, after a command of root's by an older release; and with all remedies it starts."""
    for name in ("epoch", "clock", "checkpoint", "keys/user_ca", "keys/turns.json", "ca.db"):
        _left_behind(ca, name)
    if isolate.possible():
        require_whole(ca.home)


def _left_behind(ca: Installation, name: str) -> None:
    path = ca.home / "ca" / name
    if not isolate.possible():
        mode = path.stat().st_mode & 0o777
        path.chmod(0)
        said = run(ca.home, "serve", code=1) if os.geteuid() else "chown"
        assert "accept-loss" not in said
        path.chmod(mode)
        return
    os.chown(path, 0, 0)
    path.chmod(0o600)
    for command in (["serve"], [*EMERGENCY, str(key_of(ca)), "--offline"]):
        said = run(ca.home, *command, code=1, user=None)
        assert f"{path} does not belong to nobody" in said
        assert f"hint: as root: chown -h nobody {path}" in said
        assert "accept-loss" not in said
    assert f"chown -h nobody {path}" in run(ca.home, "doctor", code=1, user=OWNER)
    subprocess.run(["chown", "-h", "nobody", path], check=True)
    assert f"chown -h nobody {path}" not in run(ca.home, "doctor", code=1, user=OWNER)


def test_t84_init_as_root_makes_the_home_of_the_user_who_runs_it(ca: Installation) -> None:
    shutil.rmtree(ca.home / "ca")
    if not isolate.possible():
        run(ca.home, "init", "--user", str(os.getuid()), code=1)
        run(ca.home, "init")
    else:
        said = run(ca.home, "init", code=1)
        assert "the CA should not be root's" in said
        assert "--user" in said
        assert not (ca.home / "ca").exists()
        run(ca.home, "init", "--user", "nobody")
        assert (ca.home / "ca").stat().st_uid == OWNER
        assert (ca.home / "ca").stat().st_mode & 0o777 == 0o700
        assert "belongs to nobody" in run(ca.home, "init", "--user", "root", code=4)
    require_whole(ca.home)


def test_t84_a_backup_of_root_s_holds_what_the_ca_s_user_may_read_and_no_link(ca: Installation) -> None:
    """The keys may lie on another disk; what lies among them is not root's secret."""
    home, elsewhere, archive = ca.home / "ca", ca.home / "encrypted", mine(ca.home) / "backup.tar"
    (home / "keys").rename(elsewhere)
    (home / "keys").symlink_to(elsewhere)
    run(ca.home, "backup", "--with-keys", str(archive))
    with tarfile.open(archive) as made:
        key = made.getmember("keys/user_ca")
        assert (key.isfile(), key.mode, key.uid) == (True, 0o600, OWNER)
        assert made.extractfile(key).read() == (elsewhere / "user_ca").read_bytes()  # type: ignore[union-attr]
    archive.unlink()
    secret = mine(ca.home) / "secret"
    secret.write_text("of root's")
    (elsewhere / "planted").symlink_to(secret)
    if isolate.possible():
        said = run(ca.home, "backup", "--with-keys", str(archive), code=1)
        assert "planted cannot be read: Permission denied" in said
        assert not archive.exists()


def test_t84_folders_that_init_makes_above_the_home_can_be_passed_by_that_user(ca: Installation) -> None:
    settings = ca.home / "ca.toml"
    deep = ca.home / "srv" / "ssh-jit" / "ca"
    settings.write_text(settings.read_text().replace(f'home = "{ca.home}/ca"', f'home = "{deep}"'))
    run(ca.home, "init", *(["--user", "nobody"] if isolate.possible() else []))
    assert (deep.stat().st_mode & 0o777, deep.stat().st_uid) == (0o700, OWNER)
    if isolate.possible():
        assert [folder.stat().st_mode & 0o777 for folder in deep.parents[:2]] == [0o755, 0o755]


def close(folder: Path) -> None:
    """Makes a folder one that only root can pass; without namespaces, nobody but root."""
    folder.chmod(0o700 if isolate.possible() else 0)


@pytest.mark.parametrize(
    "command",
    [
        "serve",
        "doctor",
        "migrate",
        "init",
        "log verify",
        "restore --accept-loss --reason x",
        "sign-emergency --offline",
    ],
)
@pytest.mark.parametrize("user", [None, OWNER], ids=["root", "the owner"])
def test_t84_a_folder_above_the_home_that_the_owner_cannot_pass_is_named(
    ca: Installation, command: str, user: int | None
) -> None:
    closed, settings = ca.home / "closed", ca.home / "ca.toml"
    closed.mkdir()
    (ca.home / "ca").rename(closed / "ca")
    settings.write_text(settings.read_text().replace(f'home = "{ca.home}/ca"', f'home = "{closed}/ca"'))
    words, key = command.split(), mine(ca.home) / "id"
    if "--offline" in words:
        words = [*EMERGENCY, str(make_key(key).with_suffix(".pub")), "--offline"]
        mine(ca.home).chmod(0o755)
    close(closed)
    said = run(ca.home, *words, code=1 if isolate.possible() or os.geteuid() else 0, user=user)
    if isolate.possible() or os.geteuid():
        who = pwd.getpwuid(OWNER).pw_name
        assert said.splitlines()[-2].startswith(f"ssh-jit-ca: {who} cannot pass the folder {closed}, so ")
        assert said.splitlines()[-1] == f"hint: if {who} is the CA's user, as root: chmod o+x {closed}"
    closed.chmod(0o701 if isolate.possible() else 0o700)
    assert "cannot pass" not in run(ca.home, "log", "verify", user=user)


@pytest.mark.parametrize("command", ["doctor", "init", "sign-emergency --offline"])
def test_t84_settings_that_the_owner_cannot_read_are_named(ca: Installation, command: str) -> None:
    """The settings may hold the database's password, so they are closed; then root alone can read them."""
    settings, words = ca.home / "ca.toml", command.split()
    if "--offline" in words:
        words = [*EMERGENCY, str(key_of(ca)), "--offline"]
    settings.chmod(0o600 if isolate.possible() else 0)
    said = run(ca.home, *words, code=1 if isolate.possible() else 2)
    if isolate.possible():
        assert f"nobody cannot read {settings}" in said
        assert f"hint: as root: chgrp {OWNER} {settings}; chmod g+r {settings}" in said
    subprocess.run(["chgrp", str(os.getgid() if not isolate.possible() else OWNER), settings], check=True)
    settings.chmod(0o640)
    require_whole(ca.home)


@pytest.mark.parametrize("command", ["serve", "doctor", "log verify", "init", "sign-emergency --offline", "status"])
def test_t84_a_program_that_the_owner_cannot_read_is_said_and_no_traceback(ca: Installation, command: str) -> None:
    """As with a Python below ``/root``: what is loaded late is loaded as the owner."""
    theirs, words = mine(ca.home) / "lib", command.split()
    for package in (isolate.REPOSITORY / "ca" / "sshjit_ca", isolate.REPOSITORY / "sshjit"):
        shutil.copytree(package, theirs / package.name)
    if "--offline" in words:
        words = [*EMERGENCY, str(key_of(ca)), "--offline"]
    done = subprocess.run(
        launch(ca.home, *words), env={**os.environ, "PYTHONPATH": str(theirs)},
        capture_output=True, text=True, timeout=PATIENCE, check=False, cwd="/", stdin=subprocess.DEVNULL,
    ) if isolate.possible() or words[0] != "serve" else subprocess.CompletedProcess([], 0, "", "")  # fmt: skip
    assert "Traceback" not in done.stderr
    if isolate.possible() and command != "status":
        assert done.returncode == 1
        assert f"nobody, the CA's user, cannot read this program's file {theirs}/sshjit" in done.stderr
        assert "hint: install ssh-jit, and its Python, where every user can read them" in done.stderr


def unreadable(path: Path, *, whole: bool) -> str:
    """Makes a file that the CA's user cannot read: root's, or its own with a wrong mode. The command that mends it."""
    if isolate.possible() and whole:
        os.chown(path, 0, 0)
        path.chmod(0o600)
        return f"chown -h nobody {path}"
    path.chmod(0)
    return f"chmod u+r {path}"


@pytest.mark.parametrize("whole", [True, False], ids=["of root's", "of a wrong mode"])
@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("checkpoint", f"report --from {TODAY} --to {TODAY}"),
        ("epoch", "restore --accept-loss --reason x"),
        ("clock", "sign-emergency --no-database"),
        ("keys/turns.json", "sign-emergency --no-database"),
        ("keys/user_ca", "sign-emergency --no-database"),
        ("keys/log.pub", "log verify"),
        ("emergency/1.json", "doctor"),
    ],
)
def test_t84_what_only_another_can_read_is_said_with_its_remedy_and_no_loss(
    ca: Installation, name: str, command: str, *, whole: bool
) -> None:
    """Also by the commands that do not look whose every file is."""
    path, words = ca.home / "ca" / name, command.split()
    if "--no-database" in words:
        words = [*EMERGENCY, str(key_of(ca)), "--no-database"]
    if name.startswith("emergency/"):
        path.parent.mkdir()
        path.write_text("{}")
        os.chown(path.parent, OWNER, -1)
        os.chown(path, OWNER, -1)
    before, remedy = path.read_bytes(), unreadable(path, whole=whole)
    if path.suffix == ".pub":
        unreadable(path.with_suffix(""), whole=whole)  # or it would be taken from there
    if os.geteuid() == 0 and not isolate.possible():
        return  # who can read everything needs no remedy
    said = run(ca.home, *words, code=1)
    assert f"as root: {remedy}" in said
    assert "accept-loss" not in said
    path.chmod(0o600)
    assert path.read_bytes() == before, "what could not be read was not written over"


FOR_GOOD = (
    "serve", "doctor", "init", "restore --accept-loss --reason x", "sign-emergency --offline",
    "sign-emergency --no-database",
)  # fmt: skip


@pytest.mark.parametrize("command", FOR_GOOD)
def test_t84_a_key_is_opened_by_a_process_that_cannot_be_root_again(ca: Installation, command: str) -> None:
    """A pipe lies in the key's place, so that whoever opens it waits there and is looked at."""
    key, words = ca.home / "ca" / "keys" / "user_ca", command.split()
    if words[0] == "sign-emergency":
        words = [*EMERGENCY, str(key_of(ca)), *words[1:]]
    if words[0] == "init":
        for path in (ca.home / "ca").iterdir():
            path.unlink() if path.is_file() else None
        for path in key.parent.iterdir():
            path.unlink()
    key.unlink(missing_ok=True)
    os.mkfifo(key, 0o600)
    os.chown(key, OWNER, -1)
    process = subprocess.Popen(launch(ca.home, *words), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/")
    writers: list[int] = []
    try:
        wait_until(lambda: process.poll() is not None or begun(key, writers))
        assert process.poll() is None, process.stderr and process.stderr.read().decode()
        wait_until(lambda: bool(status_of_reader(process.pid, key)))
        status = status_of_reader(process.pid, key)
        assert status["Uid"] == [str(OWNER)] * 4, "for good"
        assert status["Gid"] == [str(OWNER if isolate.possible() else os.getgid())] * 4
    finally:
        for writer in writers:
            os.close(writer)
        process.terminate()
        process.communicate(timeout=PATIENCE)


def begun(pipe: Path, writers: list[int]) -> bool:
    """Whether somebody has opened the pipe to read, who then waits for what we do not write."""
    with contextlib.suppress(OSError):
        writers.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    return bool(writers)


def status_of_reader(pid: int, pipe: Path) -> dict[str, list[str]]:
    """What the kernel says of the process, or the child of it, that has a pipe open; nothing as long as none has."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for candidate in (str(pid), *children):
        if str(pipe) in [str(descriptor.readlink()) for descriptor in Path(f"/proc/{candidate}/fd").iterdir()]:
            lines = Path(f"/proc/{candidate}/status").read_text().splitlines()
            return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    return {}


def test_t84_root_s_own_files_are_read_and_written_as_root(ca: Installation) -> None:
    """Each place that takes the name of a file: what root named, only root can read."""
    (mine(ca.home) / "note").write_text((ca.home / "ca" / "checkpoint").read_text())
    (mine(ca.home) / "note").chmod(0o600)
    run(ca.home, "log", "verify", "--against", str(mine(ca.home) / "note"))
    key = key_of(ca)
    run(ca.home, *EMERGENCY, str(key), "--offline")
    process = subprocess.Popen(launch(ca.home, "serve"), stderr=subprocess.PIPE, cwd="/")
    try:
        wait_until(lambda: process.poll() is not None or answers(ca.home))
        certificate, proof = key.with_name("id-cert.pub"), mine(ca.home) / "proof"
        certificate.chmod(0o600)
        run(ca.home, "log", "prove", str(certificate), "--output", str(proof))
        assert proof.stat().st_uid == os.getuid()
        run(ca.home, "report", "--from", TODAY, "--to", TODAY, "--output", str(mine(ca.home) / "report.html"))
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)
