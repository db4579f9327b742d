"""One try at the host: ssh signs in and goes at once, without a session, so no command runs there.

What ssh then says in its debugging lines tells which side refused what. A refused try counts against this address
(``PerSourcePenalties``), so there is only one.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sshjit_client.diagnosis import quantum
from sshjit_client.diagnosis.finding import Finding
from sshjit_client.diagnosis.quantum import Sides
from sshjit_client.ssh import certificate_index, reachability

PATIENCE = 15.0
"""Seconds for the whole try."""
_OPTIONS = (
    *("-v", "-N", "-T"),
    *("-o", "BatchMode=yes"),
    *("-o", "ConnectTimeout=8"),
    *("-o", "ControlMaster=no"),
    *("-o", "ControlPath=none"),
    *("-o", "PreferredAuthentications=publickey"),
    *("-o", "ClearAllForwardings=yes"),
    *("-o", "PermitLocalCommand=no"),
)
_IN = re.compile(r"Authenticated to ")
_HALF = re.compile(r'Authenticated using "publickey" with partial success')
_MORE = re.compile(r"Authentications that can continue: (\S+)")
_REASONS = (
    (re.compile(r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED"), "host key"),
    (re.compile(r"Permission denied \("), "refused"),
    (re.compile(r"no matching host key type|no mutual signature algorithm|not in .*AcceptedAlgorithms"), "algorithms"),
    (re.compile(r"Connection (closed|reset)|kex_exchange_identification"), "hangs up"),
    (re.compile(r"timed out|refused|No route|Could not resolve|unreachable"), "address"),
)
_HINTS = {
    "host key": "its key is none that the bundle names: ask its operator; ssh-jit-host doctor there",
    "refused": "on the host: ssh-jit-host doctor, and sshd's log says why for the serial",
    "algorithms": "see options",
    "hangs up": "wait half a minute, and don't try in between",
    "address": "check the network, or the address in ssh-jit hosts --details",
}


def look(host: str, config: Path, sides: Sides | None = None) -> Iterator[Finding]:
    """Whether the host answers and, if it does, whether it takes the certificate; and which sides are classical.

    ``sides``: what is known of that before.
    """
    reached = reachability.explain(host, config)
    if reached:
        away = "can't be reached" in reached
        shut = "hangs up" in reached
        yield Finding("bad" if away or shut else "ok", "address", reached, _HINTS["hangs up"] if shut else "")
        if away or shut:
            return
    output, inside = _try(host, config)
    if sides is not None:
        exchange, host_key = quantum.agreed(output)
        text = replace(sides, exchange=exchange or sides.exchange, host_key=host_key).text()
        yield Finding("ok", "post-quantum", text)
    if inside:
        yield Finding("ok", "trial", "sshd took the certificate")
        return
    if any(map(_HALF.search, output)):
        yield _wants_more(output)
        return
    code = next((code for pattern, code in _REASONS if any(pattern.search(line) for line in output)), "refused")
    plain = [line for line in output if not line.startswith("debug")]
    text = plain[0] if plain else "ssh ended without a word"
    offered = sum("Offering public key" in line for line in output)
    if code == "refused":
        text = f"{text} after {offered} offered key{'' if offered == 1 else 's'}"
    yield Finding("bad", "trial", text, _HINTS[code])


def _wants_more(output: list[str]) -> Finding:
    """The host took the certificate, and wants another answer as well, which ssh gives only where it is told to."""
    (left,) = [found[1] for line in output if (found := _MORE.search(line))][-1:] or ["keyboard-interactive"]
    methods = ",".join(dict.fromkeys(("publickey", *left.split(","))))
    hint = f"write for this host in ~/.ssh/config: PreferredAuthentications {methods}"
    return Finding("bad", "trial", f"sshd took the certificate, and wants more ({left})", hint)


def _try(host: str, config: Path) -> tuple[list[str], bool]:
    """What ssh printed, and whether it got in. It is ended as soon as that is known."""
    words = ["ssh", *certificate_index.STRICT, "-F", str(config), *_OPTIONS, "--", host]
    null, lines = subprocess.DEVNULL, list[str]()
    environ = {**os.environ, "LC_ALL": "C"}
    with subprocess.Popen(words, stdin=null, stdout=null, stderr=subprocess.PIPE, env=environ) as process:
        timer = threading.Timer(PATIENCE, process.kill)
        timer.start()
        try:
            for raw in process.stderr or ():
                line = raw.decode("utf-8", "replace").rstrip()
                if _IN.match(line):
                    return lines, True
                lines.append(line)
        finally:
            timer.cancel()
            process.kill()
    return lines, False
