"""What PAM runs when somebody logs in with a certificate that looks like ours: asks the daemon, says yes or no to PAM.

Reached by the stub that ``openssh/pam_hook.py`` writes, which has let everybody else pass already. A session by a
certificate of ours opens only once the daemon has registered it: nobody would end it otherwise. For a daemon that is
just starting anew it waits a little. An emergency certificate opens the host also while the daemon is broken, because
it may be what the daemon is repaired by: then this process leaves a guard behind, which ends the session when the
certificate ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import select
import socket
import sys
import syslog
import time
from pathlib import Path
from typing import Any

from sshjit_host import program
from sshjit_host.formats import user_certificate
from sshjit_host.formats.user_certificate import UserCertificate

SOCKET = "sessions.sock"
PATIENCE = 3.0
"""Seconds to wait for a daemon that is not there yet."""
FAREWELL = 1.0
"""Seconds that a session which closes waits for the daemon to look at it."""
ANSWER = 20.0
"""Seconds to wait for the answer of one that is there, and may have a hundred logins at once."""
GUARD = 10.0
"""Seconds to wait for the guard of an emergency session."""
LARGEST = 64 * 1024
"""Bytes of a question or an answer."""


def main(run: str, config: str) -> int:
    """Ask; the return value is for PAM: 0 opens the session. ``run`` is the daemon's folder."""
    closes = os.environ.get("PAM_TYPE") == "close_session"
    return _say_that_it_closes(Path(run, SOCKET)) if closes else _ask_whether_it_opens(run, config)


def _ask_whether_it_opens(run: str, config: str) -> int:
    connection, auth_info = os.environ.get("SSH_CONNECTION", ""), os.environ.get("SSH_AUTH_INFO_0", "")
    try:
        certificates = user_certificate.of_session(auth_info)
        if not certificates:
            return 0
        account = pwd.getpwnam(os.environ["PAM_USER"])  # which may be another spelling of its name
        user = account.pw_name
        question = {"user": user, "uid": account.pw_uid, "connection": connection, "auth_info": auth_info}
    except (KeyError, ValueError) as error:
        return _refuse(f"the session cannot be registered: {error}")
    try:
        answer = ask(Path(run, SOCKET), {"ask": "open", **question}, PATIENCE)
    except (OSError, ValueError) as error:
        if all(certificate.emergency for certificate in certificates):
            return _guard(certificates[0], question, run, config)
        return _refuse(f"the session daemon does not answer ({error}); is ssh-jit-host-sessions running?")
    if answer.get("answer") == "refused":
        return _refuse(str(answer.get("why", "refused")))
    if answer.get("answer") == "ok" and answer.get("emergency"):
        _log(syslog.LOG_ALERT, f"EMERGENCY certificate {answer.get('key_id')} opens {user}")
    return 0 if answer.get("answer") in ("ok", "not ours") else _refuse("the session daemon answers nonsense")


def _say_that_it_closes(path: Path) -> int:
    """Have the daemon look at the session once more, while sshd's process of it is there.

    PAM gives a session its control group and its audit session after our rule has run. A session that is shorter than
    the time between two looks would end before the daemon knows them, and with them what it left running.
    """
    with contextlib.suppress(OSError, ValueError):
        ask(path, {"ask": "close"}, FAREWELL)
    return 0


def ask(path: Path, question: dict[str, Any], patience: float) -> dict[str, Any]:
    """The daemon's answer. Raises ``OSError`` or ``ValueError`` if there is none; ``patience`` in seconds."""
    end = time.monotonic() + patience
    while True:
        problem: Exception
        try:
            answer = json.loads(_asked(path, question, max(patience, ANSWER if question["ask"] == "open" else 0)))
        except (FileNotFoundError, ConnectionError) as error:  # a daemon that is just being started
            problem = error
        else:
            if isinstance(answer, dict):
                return answer
            problem = ValueError("the answer is malformed")
        if time.monotonic() >= end:
            raise problem
        time.sleep(0.1)


def _asked(path: Path, question: dict[str, Any], patience: float) -> bytes:
    data = b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as to:
        to.settimeout(patience)
        to.connect(str(path))
        to.sendall(json.dumps(question).encode("ascii") + b"\n")
        while not data.endswith(b"\n"):
            part = to.recv(LARGEST)
            data += part
            if not part or len(data) > LARGEST:
                raise ConnectionResetError("the answer is cut off")
    return data


def _refuse(why: str) -> int:
    _log(syslog.LOG_ERR, f"refused a session of {os.environ.get('PAM_USER', '?')}: {why}")
    return 1


def _log(priority: int, line: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        syslog.openlog("ssh-jit-host", syslog.LOG_PID, syslog.LOG_AUTHPRIV)
        syslog.syslog(priority, "".join(letter if letter.isprintable() else "?" for letter in line))


def _guard(certificate: UserCertificate, question: dict[str, Any], run: str, config: str) -> int:
    """Open an emergency session without the daemon: leave somebody behind who registers it and ends it.

    The session begins when the guard has put a fence around it, or after ``GUARD`` seconds all the same.
    """
    _log(syslog.LOG_ALERT, f"EMERGENCY certificate {certificate.key_id} opens {question['user']} without the daemon")
    ready, tell = os.pipe()
    code = program.code("sessions.guard", "*sys.argv[1:]")
    command = [sys.executable, "-IS", "-c", code, run, config, str(os.getppid()), str(tell)]
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            with open(os.devnull, "r+b") as nothing:  # noqa: PTH123 - a descriptor is wanted
                for descriptor in (0, 1, 2):
                    os.dup2(nothing.fileno(), descriptor)
            os.set_inheritable(tell, True)  # noqa: FBT003 - the library's own
            os.execve(command[0], command, {"SSH_JIT_SESSION": json.dumps(question)})  # noqa: S606 - it becomes the guard
        os._exit(0)
    os.close(tell)
    os.wait()
    if not select.select([ready], [], [], GUARD)[0] or not os.read(ready, 1):
        _log(syslog.LOG_ALERT, f"nobody ends the session of {question['user']} with its certificate")
    return 0
