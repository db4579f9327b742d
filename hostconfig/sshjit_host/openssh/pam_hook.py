"""Has PAM ask our daemon before a session by a certificate of ours opens: the stub, and the one line that runs it.

The line must hurt nobody else, whatever state this program is in. So it looks itself, with nothing but ``/bin/sh``,
whether a certificate opened the session; only then it runs the stub, a few lines of sh in our folder. The stub looks
for our CA keys in the certificate and lets all others pass; only then it starts Python and asks the daemon
(``sessions/hook.py``). Those that are ours, and can not be registered, do not open. When a session closes, the daemon
is told, whatever becomes of that.

Where sshd knows ``PAMServiceName`` (OpenSSH 9.8 and newer) no file of others is touched: our accounts, and they alone,
use a service of our own, which runs the line and goes on as the system's. Elsewhere, where modules of the service
decide by its name, and where an account is a directory's, which may know it by several names, the line stands in the
service that sshd uses, before every other of its kind, so that nothing that a person can write (``~/.pam_environment``)
comes before it.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sshjit_host import program
from sshjit_host.config import Config
from sshjit_host.errors import HostError
from sshjit_host.formats.bundle import Bundle
from sshjit_host.formats.sshkey import PublicKey, blob_of, read_line
from sshjit_host.machine import files
from sshjit_host.machine.programs import run
from sshjit_host.openssh import account_checks, effective

SERVICE = "ssh-jit"
"""The PAM service of our own."""
MARK = "# ssh-jit-host"
"""What our line ends with, in a file that is not ours."""
HEADER = "# Written by ssh-jit-host, which overwrites changes.\n"
_PLAIN = frozenset(
    f"pam_{name}.so"
    for name in (
        *("cap", "debug", "deny", "echo", "env", "exec", "faildelay", "keyinit", "lastlog", "lastlog2", "limits"),
        *("loginuid", "mail", "mkhomedir", "motd", "namespace", "nologin", "permit", "rootok", "securetty", "selinux"),
        *("sepermit", "shells", "systemd", "systemd_home", "tty_audit", "umask", "unix", "warn", "xauth"),
    )
)
"""Modules that do the same whatever the service is called. Others (``pam_sss``) may refuse a name that is new."""
_RULE = re.compile(r"\s*-?(auth|account|password|session)\s+(\[[^\]]*\]|\S+)\s+(\S+)(.*)")
_DEEPEST = 8

Say = Callable[[str], None]


def stub_path(config: Config) -> Path:
    """Where the stub is."""
    return config.home / "pam-session"


def line(config: Config) -> str:
    """The rule that PAM goes by: for sessions that a certificate opened, the stub; for all others, yes."""
    stub = shlex.quote(str(stub_path(config)))
    # ``…-cert-v01@openssh.com``, and one type that has no such end: ``ssh-mldsa44-ed25519-cert``.
    return (
        "session required pam_exec.so quiet /bin/sh -c "
        f'[case "$SSH_AUTH_INFO_0" in (*-cert-v01@*|*-cert" "*) exec /bin/sh {stub};; esac]'
    )


def stub(config: Config, bundle: Bundle) -> bytes:
    """The stub: lets pass what is not by a certificate of a CA of this bundle, and asks the daemon about the rest."""
    lines = [key.line for key in (*bundle.user_ca, *bundle.retired, *_recovery(config))]
    lines += [key.line for key in bundle.user_ca_later]
    lines += [key.line for key in (bundle.post_quantum.keys if bundle.post_quantum else ())]
    patterns = [f"*{text}*" for each in lines for text in appearances(blob_of(each))]
    code = program.code("sessions.hook", f"{str(config.run)!r}, {str(config.path)!r}")
    command = shlex.join([sys.executable, "-IS", "-c", code])
    return "\n".join(
        (
            "#!/bin/sh",
            HEADER + "# PAM runs it when somebody logs in with a certificate, and at the end. 0 opens the session.",
            'case "$PAM_TYPE" in open_session|close_session) ;; *) exit 0 ;; esac',
            'case "$SSH_AUTH_INFO_0" in',
            "# The CA keys whose certificates are registered, as base64 shows them at each of three places.",
            *(f"{pattern}) ours=yes ;;" for pattern in dict.fromkeys(patterns)),
            "*) exit 0 ;;",
            "esac",
            f'[ "$PAM_TYPE" = open_session ] && exec {command}',
            command,
            "exit 0",
            "",
        )
    ).encode("ascii")


def appearances(blob: bytes) -> list[str]:
    """How a blob looks inside the base64 of something longer: it may begin at each of three places of a group."""
    texts = []
    for before, cut in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(b"\0" * before + blob).decode("ascii")
        texts.append(encoded[cut : 8 * (before + len(blob)) // 6])
    return texts


def _recovery(config: Config) -> Iterator[PublicKey]:
    """The keys of CAs that the owner added by hand."""
    path = config.home / "recovery.pub"
    for entry in (files.read(path) or b"").decode("ascii", "ignore").splitlines():
        if entry.strip() and not entry.startswith("#"):
            try:
                yield read_line(" ".join(entry.split()[:2]), post_quantum=True)
            except ValueError as error:
                raise HostError(f"{path} holds something else than keys: {error}") from None


# ----------------------------------------------------------------------------------------- which way, and what is there


@dataclass(frozen=True)
class Rule:
    """One rule of a PAM service: its kind (``session``), module and the file that it stands in."""

    kind: str
    control: str
    module: str
    rest: str
    path: Path


def rules(folder: Path, service: str, depth: int = 0) -> Iterator[Rule]:
    """The rules of a service, with those that it includes, in order."""
    path = folder / service
    text = (files.read(path) or b"").decode("utf-8", "replace").replace("\\\n", " ")
    for whole in text.splitlines():
        words = whole.partition("#")[0]
        match = _RULE.fullmatch(words)
        included = words.split()[1:2] if words.startswith("@include") else []
        if match is not None and match[2] in ("include", "substack"):
            included = [match[3]]
        if included and depth < _DEEPEST:
            yield from rules(folder, included[0], depth + 1)
        elif match is not None and not included:
            yield Rule(match[1], match[2], Path(match[3]).name, match[4].strip(), path)


def way(config: Config) -> str:
    """How the hook gets into PAM: ``service`` (our own), ``line`` (in sshd's), or ``none``, where sshd uses no PAM.

    Raises ``effective.Refused`` if sshd does not answer.
    """
    counts = effective.settings(config)
    if counts.value("UsePAM") != "yes":
        return "none"
    if counts.value("PAMServiceName") not in ("sshd", SERVICE):
        return "line"
    if not all(map(account_checks.is_local, config.accounts)):
        return "line"  # ``Match User`` would not fit where another of its names is typed
    modules = {rule.module for rule in rules(config.pam, "sshd")}
    return "service" if modules and modules <= _PLAIN else "line"


def service_in_use(config: Config) -> bool:
    """Whether the drop-in is to name our own service."""
    return _marker(config).exists()


def dropin_lines(config: Config) -> str:
    """What the drop-in says, at its very end, of our own service: for our accounts alone."""
    if not service_in_use(config):
        return ""
    return f"Match User {','.join(config.accounts)}\n    PAMServiceName {SERVICE}\n"


def _marker(config: Config) -> Path:
    return config.home / "pam-service"


def _pam_file(config: Config) -> Path:
    """The file of the service that sshd uses, in which our line stands where it has to."""
    name = effective.settings(config).value("PAMServiceName")
    return config.pam / (name if name and name != SERVICE else "sshd")


def _marked(config: Config) -> list[Path]:
    """The files of PAM in which our line is, whichever of them sshd uses now."""
    places = sorted(path for path in config.pam.iterdir() if path.is_file()) if config.pam.is_dir() else []
    return [path for path in places if MARK.encode("ascii") in (files.read(path) or b"")]


def is_installed(config: Config) -> bool:
    """Whether the hook is in PAM, in one way or the other."""
    return service_in_use(config) or MARK.encode() in (files.read(_pam_file(config)) or b"")


def is_current(config: Config) -> bool:
    """Whether PAM runs the hook for every kind of certificate: an older release wrote a rule that knows fewer.

    Also where the hook is not in PAM, which is said elsewhere.
    """
    return not any(_is_outdated(config, path) for path in (config.pam / SERVICE, *_marked(config)))


def _is_outdated(config: Config, path: Path) -> bool:
    rules_of_ours = [text for text in (files.read(path) or b"").splitlines() if str(stub_path(config)).encode() in text]
    return any(not text.startswith(line(config).encode("ascii")) for text in rules_of_ours)


def bring_up_to_date(config: Config, say: Say) -> None:
    """Have PAM's files say what this release writes, at the same place. Raises ``HostError`` if they cannot be written.

    Only for where the hook is installed: nothing is added.
    """
    paths = [path for path in (config.pam / SERVICE, *_marked(config)) if _is_outdated(config, path)]
    if not paths:
        return
    _try(config)
    for path in paths:
        place = path.resolve()
        before = files.read(place) or b""
        marked = f"{line(config)} {MARK}\n".encode("ascii")
        data = _with_ours(before, marked) if path.name != SERVICE else _service(config)
        files.write(place, data, stat.S_IMODE(place.stat().st_mode))
        say(f"brought our rule in {place} up to date")


# -------------------------------------------------------------------------------------------------- in, and out again


def install(config: Config, bundle: Bundle, say: Say) -> str:
    """Have PAM run the hook; the way that it took. The drop-in must be written after it (``DropIn.apply``).

    Everything is tried before it counts, and put back if it does not hold.
    Raises ``HostError`` if it cannot be done; then nothing has changed.
    """
    chosen = way(config)
    if chosen == "none":
        say("warning: sshd does not use PAM (UsePAM no), so that sessions do not end with their grants")
        return chosen
    is_new = not stub_path(config).exists()
    files.write(stub_path(config), stub(config, bundle))
    try:
        _try(config)
        if chosen == "service":
            _add_service(config, say)
        else:
            _put_in(config, _pam_file(config), say)
            _drop_service(config, say)
    except HostError:
        if is_new:
            files.remove(stub_path(config))
        raise
    return chosen


def _add_service(config: Config, say: Say) -> None:
    path = config.pam / SERVICE
    if not (files.read(path) or HEADER.encode("ascii")).startswith(HEADER.encode("ascii")):
        raise HostError(f"{path} is there already, and is not ours", hint="move it away")
    if files.write(path, _service(config)):
        say(f"wrote {path}")
    files.write(_marker(config), b"")
    for marked in _marked(config):
        _take_out(marked, say)


def remove(config: Config, say: Say) -> None:
    """Take the hook out of PAM: the files that are ours, and our line, so that the rest is byte for byte as it was.

    The drop-in must not name our service any more, and sshd must have been reloaded since (``forget_service``).
    """
    recover(config, say)
    for path in _marked(config):
        _take_out(path, say)
    _drop_service(config, say)
    files.remove(stub_path(config))


def forget_service(config: Config) -> bool:
    """Have the next drop-in not name our service; whether the last one did."""
    return files.remove(_marker(config))


def _drop_service(config: Config, say: Say) -> None:
    forget_service(config)
    path = config.pam / SERVICE
    if (files.read(path) or b"").startswith(HEADER.encode()) and files.remove(path):
        say(f"removed {path}")


def _service(config: Config) -> bytes:
    kinds = "".join(f"{kind} include sshd\n" for kind in ("auth", "account", "password", "session"))
    return f"{HEADER}{line(config)}\n{kinds}".encode("ascii")


def _try(config: Config) -> None:
    """Run what PAM will run, for sessions that are not ours: it must say yes. Raises ``HostError``."""
    syntax = run("/bin/sh", "-n", stub_path(config))
    code = line(config).partition("[")[2].rstrip("]")
    others = (f"publickey {kind} AAAA" for kind in ("ssh-ed25519-cert-v01@openssh.com", "ssh-mldsa44-ed25519-cert"))
    for auth_info in ("", "password", "publickey ssh-ed25519 AAAA", *others):
        trial = run(
            "/usr/bin/env", "-i", f"SSH_AUTH_INFO_0={auth_info}", "PAM_TYPE=open_session", "/bin/sh", "-c", code
        )
        if syntax.code or trial.code:
            raise HostError(f"the session hook does not work here: {syntax.output or trial.output or auth_info!r}")


def _put_in(config: Config, service: Path, say: Say) -> None:
    """Add our line before the first session rule; a run that dies meanwhile is undone by the next one."""
    recover(config, say)
    path = service.resolve()
    before = files.read(path)
    if before is None:
        raise HostError(f"there is no {path}, so that PAM cannot run the session hook", hint="set UsePAM no, or add it")
    ours = f"{line(config)} {MARK}\n".encode("ascii")
    after = _without_ours(before)
    lines = after.splitlines(keepends=True)
    at = next((n for n, text in enumerate(lines) if _is_session_rule(text)), None)
    if at is None:
        raise HostError(f"{path} has no session rule to put ours before", hint=f"put this into it: {line(config)}")
    after = b"".join((*lines[:at], ours, *lines[at:]))
    if after == before:
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    journal = {"path": str(path), "before": base64.b64encode(before).decode("ascii"), "mode": mode}
    files.write(_trial(config), json.dumps(journal).encode("ascii"), 0o600)
    files.write(path, after, mode)
    problem = order(config, service)
    if problem:
        recover(config, say)
        raise HostError(f"the session hook does not count: {problem}")
    files.remove(_trial(config))
    say(f"added a line to {path}")


def recover(config: Config, say: Say) -> None:
    """Undo what a run that died had begun: what others changed in the file since stays, and our line goes."""
    kept = files.read(_trial(config))
    if kept is None:
        return
    journal = json.loads(kept)
    path, before = Path(journal["path"]), base64.b64decode(journal["before"])
    now = files.read(path)
    if now is None or _without_ours(now) != _without_ours(before):
        _take_out(path, say)
    elif files.write(path, before, journal["mode"]):
        say(f"put {path} back: an earlier run ended before its line was checked")
    files.remove(_trial(config))


def _trial(config: Config) -> Path:
    return config.home / "pam.trial"


def _take_out(service: Path, say: Say) -> None:
    path = service.resolve()
    before = files.read(path)
    if before is not None and (after := _without_ours(before)) != before:
        files.write(path, after, stat.S_IMODE(path.stat().st_mode))
        say(f"took our line out of {path}")


def _without_ours(data: bytes) -> bytes:
    mark = f"{MARK}\n".encode("ascii")
    return b"".join(each for each in data.splitlines(keepends=True) if not each.endswith(mark))


def _with_ours(data: bytes, ours: bytes) -> bytes:
    """The file with another line in the place of ours."""
    mark = f"{MARK}\n".encode("ascii")
    return b"".join(ours if each.endswith(mark) else each for each in data.splitlines(keepends=True))


def _is_session_rule(text: bytes) -> bool:
    words = text.split()
    if words[:1] == [b"@include"]:
        return len(words) > 1 and b"session" in words[1]
    return bool(words) and words[0].lstrip(b"-") == b"session"


def order(config: Config, path: Path) -> str:
    """What is wrong with the place of our line in a service; empty if it is the first of its kind."""
    sessions = [rule for rule in rules(config.pam, path.name) if rule.kind == "session"]
    places = [number for number, rule in enumerate(sessions) if str(stub_path(config)) in rule.rest]
    if not places:
        return f"no rule of {path} runs {stub_path(config)}"
    if places[0] != 0:
        return f"{sessions[0].module} comes before our rule in {sessions[0].path}"
    return "" if sessions[0].control == "required" else f"our rule in {path} is not `required`"
