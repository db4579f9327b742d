"""Whose rights a command of root's has on the CA's home, step by step (``machine/owner.py``), in processes of its own.

Where there is no root and no namespace, there is one user: then nothing is to change, and that is tested.
"""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from demo import isolate
from demo.namespace import Spec
from sshjit_ca.machine import owner
from tests.support.waiting import PATIENCE

OWNER = isolate.NOBODY if isolate.possible() else os.getuid()
GROUP = isolate.NOBODY if isolate.possible() else os.getgid()
STRANGER = 59999
"""A number that no user of the system has."""
ROOT = 0 if isolate.possible() else OWNER
ROOTS = 0 if isolate.possible() else GROUP
BEGIN = """
import contextlib, json, os, sys
from pathlib import Path
from sshjit.errors import Refused, SshJitError
from sshjit_ca.machine import owner
home = Path(sys.argv[1])
def rights():
    return [*os.getresuid(), *os.getresgid()]
def tell(**what):
    print(json.dumps(what))
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The CA's home."""
    path = tmp_path / "ca"
    path.mkdir(mode=0o700)
    path.chmod(0o700)
    if isolate.possible():
        os.chown(path, OWNER, GROUP)
    return path


def run(home: Path, text: str, *, user: int | None = None) -> dict[str, Any]:
    """Runs a script as root, or as ``user``, to whom all folders on the way are open; what it tells."""
    command = [sys.executable, "-c", BEGIN + text, str(home)]
    if isolate.possible():
        kept = [str(path) for path in (*isolate.surroundings(), home.parent)]
        home.parent.chmod(0o755)
        spec = Spec(cover=isolate.barriers(map(Path, kept)), write=tuple(kept), user=user)
        command = isolate.enter(spec, command)
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False, cwd="/", umask=0o022)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_t84_the_owner_for_good_is_nothing_else_any_more(home: Path) -> None:
    told = run(
        home,
        """
os.umask(0o022)
owner.settle(home, for_good=True)
with owner.as_operator():
    inside = rights()
denied = False
if os.geteuid():
    try:
        os.setresuid(0, 0, 0)
    except PermissionError:
        denied = True
(home / "file").touch()
tell(rights=rights(), inside=inside, groups=sorted(os.getgroups()), denied=denied,
     names=[os.environ.get(name) for name in ("HOME", "USER", "LOGNAME")])
""",
    )
    assert told["rights"] == told["inside"] == [OWNER] * 3 + [GROUP] * 3
    assert told["denied"] or os.geteuid() == OWNER
    assert (home / "file").stat().st_mode & 0o777 == 0o600, "files of SQLite take the umask"
    assert (home / "file").stat().st_uid == OWNER
    if isolate.possible():
        entry = pwd.getpwuid(OWNER)
        assert told["groups"] == sorted(os.getgrouplist(entry.pw_name, entry.pw_gid))
        assert told["names"] == [entry.pw_dir, entry.pw_name, entry.pw_name]


def test_t84_for_a_while_the_owner_and_root_for_what_root_named(home: Path) -> None:
    told = run(
        home,
        """
owner.settle(home, for_good=False)
before = rights()
with owner.as_operator():
    inside = rights()
    with owner.as_operator():
        nested = rights()
    still = rights()
with contextlib.suppress(KeyError), owner.as_operator():
    raise KeyError
after = rights()
owner.settle_for_good()
with owner.as_operator():
    end = rights()
tell(before=before, inside=inside, nested=nested, still=still, after=after, end=end)
""",
    )
    assert told["before"] == told["after"] == [OWNER, OWNER, ROOT, GROUP, GROUP, ROOTS]
    assert told["inside"] == told["nested"] == told["still"] == [OWNER, ROOT, ROOT, GROUP, ROOTS, ROOTS]
    assert told["end"] == [OWNER] * 3 + [GROUP] * 3


def test_t84_a_user_without_a_name_keeps_no_group_of_root(home: Path) -> None:
    if isolate.possible():
        os.chown(home, STRANGER, STRANGER)
    told = run(
        home,
        """
if os.geteuid() == 0:
    os.setgroups([0, 4, 6])
owner.settle(home, for_good=True)
tell(rights=rights(), groups=os.getgroups())
""",
    )
    if isolate.possible():
        assert told == {"rights": [STRANGER] * 6, "groups": [STRANGER]}
    else:
        assert told["rights"] == [OWNER] * 3 + [GROUP] * 3


def test_t84_what_opens_keys_does_so_for_good_while_the_command_goes_on(home: Path) -> None:
    told = run(
        home,
        """
def work():
    with owner.as_operator():
        return json.dumps(rights()).encode()
def refuse():
    raise Refused("writer_lives", "a CA is writing", hint="stop it")
def fail():
    raise OSError(5, "Input/output error")
def answer(function):
    try:
        return json.loads(owner.run_for_good(function))
    except SshJitError as error:
        return [type(error).__name__, error.code, error.message, error.hint]
owner.settle(home, for_good=False)
inside, here = answer(work), rights()
if os.getresuid()[2] != os.getuid():
    broken = answer(lambda: os._exit(3))
    failed = answer(fail)
else:
    broken, failed = ["Failed", "defect"], ["Failed", "defect"]
tell(inside=inside, here=here, refused=answer(refuse), broken=broken[:2], failed=failed[:2])
""",
    )
    assert told["inside"] == [OWNER] * 3 + [GROUP] * 3
    assert told["here"] == [OWNER, OWNER, ROOT, GROUP, GROUP, ROOTS]
    assert told["refused"] == ["Refused", "writer_lives", "a CA is writing", "stop it"]
    assert told["broken"] == told["failed"] == ["Failed", "defect"]


BEGIN_HOME = """
try:
    owner.begin_home(home, {user!r})
    tell(code="", text="", there=home.is_dir(), rights=rights())
except SshJitError as error:
    tell(code=error.code, text=error.message + " " + error.hint, there=home.is_dir(), rights=rights())
"""


def test_t84_a_home_is_made_for_its_user_and_for_nobody_by_mistake(home: Path) -> None:
    home.rmdir()
    me = pwd.getpwuid(OWNER).pw_name
    told = run(home, BEGIN_HOME.format(user="nosuchuser"))
    assert (told["code"], told["there"]) == ("no_user", False)
    assert "useradd --system" in told["text"]
    if isolate.possible():
        assert run(home, BEGIN_HOME.format(user=None))["code"] == "no_user"
        other = run(home, BEGIN_HOME.format(user="root"), user=STRANGER)
        assert (other["code"], other["there"]) == ("wrong_user", False)
    told = run(home, BEGIN_HOME.format(user=me))
    assert told == {"code": "", "text": "", "there": True, "rights": [OWNER] * 3 + [GROUP] * 3}
    assert (home.stat().st_uid, home.stat().st_mode & 0o777) == (OWNER, 0o700)
    assert run(home, BEGIN_HOME.format(user=me)) == told, "and so once it is there"
    if isolate.possible():
        told = run(home, BEGIN_HOME.format(user="root"))
        assert told["code"] == "wrong_user"
        assert "chown -R root" in told["text"]


KEPT = ("checkpoint", "checkpoint.restored", "epoch", "clock", "alerted", "reserve", "invitation-secret")
BESIDE = ("ca.db", "ca.db-wal", "ca.db-shm", "ca.db-journal")
BELOW = ("keys", "keys/user_ca", "keys/user_ca.pub", "keys/turns.json", "emergency", "emergency/1.json")


def test_t84_every_file_of_the_ca_that_is_another_s_is_found(home: Path) -> None:
    """As root gives them away here, and without root by a link, which is nobody's but ours: then nothing is found."""
    for folder in ("keys", "emergency"):
        (home / folder).mkdir()
    for name in (*KEPT, *BESIDE, *BELOW):
        path = home / name
        if not path.is_dir():
            path.touch()
        if isolate.possible():
            os.chown(path, OWNER, GROUP)
    assert owner.foreign(home, home / "ca.db") == []
    for name in (*KEPT, *BESIDE, *BELOW):
        if isolate.possible():
            os.chown(home / name, STRANGER, STRANGER)
            assert owner.foreign(home, home / "ca.db") == [home / name]
            os.chown(home / name, OWNER, GROUP)
    if isolate.possible():
        (home / "epoch").unlink()
        (home / "epoch").symlink_to("clock")
        assert owner.foreign(home, home / "ca.db") == [home / "epoch"], "whose the link is, not what it leads to"
