"""Who can reach what: the front end's user, and users that nobody has heard of, on the running lab."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from demo import isolate
from demo.lab import Lab
from demo.namespace import Spec

STRANGER = 59999
"""A Unix user that the CA was never told of."""
ASK = """
import sys
from pathlib import Path
from sshjit import ca_protocol as messages
from sshjit.errors import SshJitError
from sshjit_web.ca_client import CaClient
message, reply = getattr(messages, sys.argv[2]), getattr(messages, sys.argv[2] + "Reply")
try:
    print(CaClient(Path(sys.argv[1])).call(message(), reply))
except SshJitError as error:
    sys.exit(f"{error.family} {error.code}")
"""


CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"


def run_as(lab: Lab, user: int, command: list[str], *within: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command as another user, who can pass to the lab's folders and no further than their modes allow.

    Where namespaces are not possible there is no other user: the lab's programs share one, and so does this.
    """
    if isolate.possible():
        keep = [str(path) for path in (*isolate.surroundings(), *within)]
        spec = Spec(cover=isolate.barriers(map(Path, keep)), write=tuple(keep), user=user)
        command = isolate.enter(spec, command)
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, cwd="/", env=lab.operator.env
    )


def ask(lab: Lab, user: int, socket: Path, message: str) -> subprocess.CompletedProcess[str]:
    return run_as(lab, user, [sys.executable, "-c", ASK, str(socket), message], lab.paths.home)


def test_the_front_end_runs_as_a_user_of_its_own(lab: Lab) -> None:
    expected = isolate.NOBODY if isolate.possible() else os.getuid()
    assert Path(f"/proc/{lab.web.pid}").stat().st_uid == expected
    assert Path(f"/proc/{lab.ca.pid}").stat().st_uid == os.getuid()


def test_keys_and_log_are_for_the_ca_alone(lab: Lab) -> None:
    keys = [path for path in (lab.paths.ca / "keys").iterdir() if path.suffix != ".pub"]
    assert {path.name for path in keys} >= {"bundle", "host_ca", "log", "user_ca"}
    for path in (lab.paths.ca, lab.paths.admin, lab.paths.ca / "keys", *keys, lab.ca_database):
        assert path.stat().st_mode & 0o077 == 0, path
        assert path.stat().st_uid == os.getuid(), path


@pytest.mark.parametrize("user", [isolate.NOBODY, STRANGER])
def test_other_users_cannot_read_them(lab: Lab, user: int) -> None:
    for path in (lab.paths.ca / "keys/user_ca", lab.ca_database, lab.paths.providers / "acme.json"):
        read = run_as(lab, user, ["test", "-r", str(path)], lab.paths.home)
        assert (read.returncode == 0) != isolate.possible(), read.stderr
    read = run_as(lab, user, ["test", "-r", str(lab.paths.etc / "policy.toml")], lab.paths.home)
    assert read.returncode == 0, "what anybody may read can be reached this way"


def test_the_front_end_speaks_at_its_own_door_only(lab: Lab) -> None:
    assert "ready=True" in ask(lab, isolate.NOBODY, lab.paths.web_socket, "Health").stdout
    assert ask(lab, isolate.NOBODY, lab.paths.web_socket, "Status").returncode != 0
    answered = ask(lab, isolate.NOBODY, lab.paths.admin_socket, "Status")
    assert (answered.returncode == 0) != isolate.possible(), answered.stdout


def test_a_stranger_is_heard_at_neither_door(lab: Lab) -> None:
    for socket, message in ((lab.paths.web_socket, "Health"), (lab.paths.admin_socket, "Status")):
        answered = ask(lab, STRANGER, socket, message)
        assert (answered.returncode == 0) != isolate.possible(), answered.stdout


def test_only_who_may_speak_can_connect(lab: Lab) -> None:
    """The kernel refuses the others: they can neither be heard nor keep anybody waiting."""
    path = lab.paths.web_socket
    assert path.stat().st_mode & 0o007 == 0
    for user, may in ((isolate.NOBODY, True), (STRANGER, False)):
        done = run_as(lab, user, [sys.executable, "-c", CONNECT, str(path)], lab.paths.home)
        assert (done.returncode == 0) == (may or not isolate.possible()), done.stderr
        assert ("PermissionError" in done.stderr) == (done.returncode != 0)


def test_an_operator_who_is_the_wrong_user_is_told_so(lab: Lab) -> None:
    done = run_as(lab, STRANGER, [sys.executable, "-m", "sshjit_ca", "status"], lab.paths.home)
    if isolate.possible():
        assert done.returncode == 4, done.stderr
        assert f"Unix user {STRANGER} may not" in done.stderr


def test_the_ca_has_no_web_framework_in_it(lab: Lab) -> None:
    mapped = Path(f"/proc/{lab.ca.pid}/maps").read_text()
    assert "sqlalchemy" in mapped, "its libraries can be seen there"
    for name in ("markupsafe", "granian"):
        assert name not in mapped
