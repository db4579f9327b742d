"""Root's commands on a CA that runs as a user of its own (T84): they work as that user, and leave nothing of root's.

Where there is no root and no namespace, there is one user only: then what is tested is that a home of root's is left
alone, and that all the commands go on working for their own user.
"""

from __future__ import annotations

import os
import shutil
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


def require_whole(ca_home: Path) -> None:
    """All is the owner's, and the CA starts and signs as that user."""
    assert {path: uid for path, (uid, _, _) in everything(ca_home).items() if uid != OWNER} == {}
    process = subprocess.Popen(launch(ca_home, "serve", user=OWNER), stderr=subprocess.PIPE, cwd="/")
    try:
        wait_until(lambda: process.poll() is not None or answers(ca_home))
        assert process.poll() is None, process.stderr and process.stderr.read().decode()
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def answers(ca_home: Path) -> bool:
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


@pytest.mark.parametrize(
    "command",
    [
        "doctor", "migrate", "backup {}/backup.tar", "backup --with-keys {}/backup.tar", "log verify", "log export",
        "log key", f"report --from {TODAY} --to {TODAY} --output {{}}/report.html",
        f"report --from {TODAY} --to {TODAY} --format csv --output {{}}/tables",
    ],
)  # fmt: skip
def test_t84_no_command_of_root_leaves_a_file_of_root_in_the_home(ca: Installation, command: str) -> None:
    """SQLite makes files beside the database for whoever opens it first. What root named is root's, and private."""
    folder = mine(ca.home)
    run(ca.home, *command.format(folder).split(), code=1 if command == "doctor" else 0)  # the CA does not run
    for path in folder.rglob("*"):
        assert path.stat().st_uid == os.getuid()
        assert path.stat().st_mode & 0o077 == 0
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


@pytest.mark.parametrize("command", HOME_COMMANDS)
def test_t84_a_stranger_is_refused_before_anything_is_written_and_told_how(ca: Installation, command: str) -> None:
    if isolate.possible():
        before, user = everything(ca.home), STRANGER
    elif os.geteuid() == 0:
        pytest.fail("root without namespaces: run this as an ordinary user, or where they are allowed")
    else:  # a home of root's
        text = (ca.home / "ca.toml").read_text().replace(f'home = "{ca.home}/ca"', 'home = "/usr/share"')
        (ca.home / "ca.toml").write_text(text)
        before, user = everything(ca.home), None
    said = run(ca.home, *command.split(), code=4, user=user)
    assert "nothing was changed" in said
    assert f"hint: sudo -u {'nobody' if isolate.possible() else 'root'} ssh-jit-ca" in said
    assert "accept-loss" not in said
    assert everything(ca.home) == before


@pytest.mark.parametrize("name", ["epoch", "clock", "checkpoint", "keys/user_ca", "keys/turns.json", "ca.db"])
def test_t84_what_root_left_behind_once_is_said_with_its_remedy_and_no_loss(ca: Installation, name: str) -> None:
    """As the CA's user finds it, after a command of root's by an older release."""
    path = ca.home / "ca" / name
    if not isolate.possible():
        path.chmod(0)
        said = run(ca.home, "serve", code=1) if os.geteuid() else "chown"
        assert "accept-loss" not in said
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
    require_whole(ca.home)


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
