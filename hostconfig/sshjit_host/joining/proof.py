"""Whether a certificate has ever opened one of our accounts on this server: before every other way in is closed.

sshd says so itself, in its log: who came in, by a certificate of which CA. That CA has to be one of the bundle, and the
account one of ours. The other accounts count too, if nothing is found that keeps certificates out of them.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from sshjit_host.config import Config
from sshjit_host.errors import HostError, SshdError
from sshjit_host.formats.bundle import Bundle
from sshjit_host.machine.programs import run
from sshjit_host.openssh import sshdconf
from sshjit_host.openssh.account_checks import Accounts

LOGS = ("/var/log/auth.log", "/var/log/secure", "/var/log/messages", "/var/log/auth.log.1")
LARGEST = 16 << 20
"""Bytes of a log's end that are looked at."""
LINES = "20000"
HINT = "log in once by `ssh-jit`, and then: ssh-jit-host join --only-certificates"
_ACCEPTED = re.compile(r"Accepted publickey for (\S+) from \S+ port \d+ ssh2: \S+-CERT \S+ ID .* CA \S+ (SHA256:\S+)$")


def require(config: Config, bundle: Bundle, log: str = "") -> str:
    """How it is known that certificates work here, for people. Raises ``HostError`` if it is not."""
    cas = {key.fingerprint for key in bundle.user_ca}
    for place, line in _lines(log):
        accepted = _ACCEPTED.search(line.rstrip())
        if accepted and accepted[1] in config.logins and accepted[2] in cas:
            _require_open(config, bundle)
            return f"a certificate of our CA opened {accepted[1]} ({place}), so the other ways in can be closed"
    raise HostError("sshd's log shows no login by a certificate of our CA; nothing was closed", hint=HINT)


def _require_open(config: Config, bundle: Bundle) -> None:
    for finding in Accounts(config, sshdconf.layout(config.sshd_config)).findings(bundle):
        if finding.level == "bad":
            raise SshdError(f"certificates would not open every account: {finding.text}", hint=finding.hint)


def _lines(log: str) -> Iterator[tuple[str, str]]:
    """The lines of sshd's log, wherever this machine keeps it, each with the place."""
    if log:
        yield from ((log, line) for line in _end(Path(log)))
        return
    if shutil.which("journalctl") and Path("/run/systemd/system").is_dir():
        fields = ("_COMM=sshd", "_UID=0", "+", "_COMM=sshd-session", "_UID=0")  # nobody else can write these
        output = run("journalctl", "--quiet", "--no-pager", "--output=cat", f"--lines={LINES}", *fields).output
        yield from (("the journal", line) for line in output.splitlines())
    for name in LOGS:
        yield from ((name, line) for line in _end(Path(name)))


def _end(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LARGEST))
            return file.read(LARGEST).decode("utf-8", "replace").splitlines()
    except OSError:
        return []
