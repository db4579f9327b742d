"""Whether a certificate opens the accounts that it is meant to open, and whether anything else does.

Our three settings may count and access still fail: by a list of users, a method that is asked for besides, an algorithm
that is not accepted, an account that is locked. Each is found in what sshd says is in effect
(``openssh/effective.py``), for every connection that it can tell apart, and named by the line that sets it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sshjit_host.config import Config
from sshjit_host.findings import Finding
from sshjit_host.formats import certificate_types
from sshjit_host.formats.bundle import Bundle
from sshjit_host.machine import files
from sshjit_host.openssh import abilities, effective, sshdconf
from sshjit_host.openssh.effective import Effective

_SIGNATURES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
"""The signature algorithms of a CA's key type, where they are called otherwise than the type."""
_CERTIFICATE = "ssh-ed25519-cert-v01@openssh.com"
"""The type that ``ssh-jit`` asks for unless a person's key is of another."""
_SHADOW = Path("/etc/shadow")
_PASSWD = Path("/etc/passwd")
MOST = 1 << 20
"""Bytes of a file of keys that are looked at."""


@dataclass(frozen=True)
class Accounts:
    """The checks of one host, over its sshd's configuration as it is now."""

    config: Config
    layout: sshdconf.Layout

    def findings(self, bundle: Bundle | None) -> Iterator[Finding]:
        """What keeps certificates out of an account, and what lets anything else in; nothing if all is well.

        Raises ``effective.Refused`` if sshd does not answer.
        """
        usual = effective.settings(self.config)
        connections = effective.connections(usual, self.layout)
        for login in self.config.accounts:
            seen = set()
            for connection in connections:
                counts = effective.settings(self.config, login, connection)
                for check in self._checks(login, counts, bundle):
                    for finding in check:
                        if finding.text not in seen:
                            seen.add(finding.text)
                            yield finding
            yield from self._account(login, usual)
            yield from self._other_ways(login, effective.settings(self.config, login))

    def _checks(self, login: str, counts: Effective, bundle: Bundle | None) -> tuple[Iterator[Finding], ...]:
        usual = self._method(login, counts), self._lists(login, counts), self._signed(counts, bundle)
        return (*usual, self._passing(counts)) if login == self.config.jump_login else usual

    # ---------------------------------------------------------------------------------------- what sshd asks for

    def _passing(self, counts: Effective) -> Iterator[Finding]:
        """What keeps people from passing through, besides what our drop-in sets."""
        login = self.config.jump_login
        if counts.value("DisableForwarding") == "yes":
            yield self._line("DisableForwarding", "yes", f"lets nobody pass through by {login}", "set it to no")
        places = counts.value("PermitOpen")
        if places not in ("", "any"):
            hint = f"Match User {login} and below it PermitOpen any: each certificate opens one address alone"
            yield self._line("PermitOpen", places, f"lets people pass through by {login} to nothing else", hint)

    def _method(self, login: str, counts: Effective) -> Iterator[Finding]:
        if counts.value("PubkeyAuthentication") == "no":
            yield self._line("PubkeyAuthentication", "no", f"keeps every certificate out of {login}", "set it to yes")
        methods = counts.value("AuthenticationMethods").split()
        if methods and not {"any", "publickey"} & set(methods):
            yield self._line(
                "AuthenticationMethods",
                " ".join(methods),
                f"asks for more than a certificate to let anybody into {login}",
                f"for these accounts: Match User {','.join(self.config.accounts)} and below it "
                "AuthenticationMethods publickey",
            )
        if login == "root" and counts.value("PermitRootLogin") in ("no", "forced-commands-only"):
            value = counts.value("PermitRootLogin")
            yield self._line("PermitRootLogin", value, "keeps certificates out of root", "set it to prohibit-password")

    def _lists(self, login: str, counts: Effective) -> Iterator[Finding]:
        """As sshd goes through its lists (sshd_config(5)): denied, then allowed, users before groups."""
        groups = _groups(login)
        denied = [p for p in counts.all("DenyUsers") if _matches(login, p)]
        if denied:
            yield self._line("DenyUsers", denied[0], f"keeps everybody out of {login}", "take the account out of it")
        allowed = counts.all("AllowUsers")
        if allowed and not any(_matches(login, pattern) for pattern in allowed):
            yield self._line("AllowUsers", allowed[0], f"does not name {login}", f"add {login} to it")
        denied = [p for p in counts.all("DenyGroups") if any(_matches(group, p) for group in groups)]
        if denied:
            yield self._line("DenyGroups", denied[0], f"keeps everybody out of {login}", "take its group out of it")
        allowed = counts.all("AllowGroups")
        if allowed and not any(_matches(group, pattern) for pattern in allowed for group in groups):
            hint = f"add a group of {login} to it, or the account to a group of it"
            yield self._line("AllowGroups", allowed[0], f"names no group of {login}", hint)

    def _signed(self, counts: Effective, bundle: Bundle | None) -> Iterator[Finding]:
        name = "PubkeyAcceptedAlgorithms"
        accepted = counts.value(name) or counts.value("PubkeyAcceptedKeyTypes")
        if accepted and not _listed(_CERTIFICATE, accepted):
            hint = f"add {_CERTIFICATE} to it, and the types of your people's hardware keys"
            yield self._line(name, accepted, "does not accept Ed25519 certificates", hint)
        later = certificate_types.certificate_of(certificate_types.POST_QUANTUM)
        if accepted and not _listed(later, accepted) and abilities.has_post_quantum(self.config):
            hint = f"add {later} to it, where people sign in with such keys"
            finding = self._line(name, accepted, "does not accept certificates of post-quantum keys", hint)
            yield dataclasses.replace(finding, level="warn")
        taken = counts.value("CASignatureAlgorithms")
        for key in () if bundle is None or not taken else bundle.user_ca:
            wanted = _SIGNATURES.get(key.type, (key.type,))
            if not any(_listed(algorithm, taken) for algorithm in wanted):
                hint = f"add {wanted[0]} to it"
                yield self._line("CASignatureAlgorithms", taken, f"refuses what the CA's {key.type} key signs", hint)

    def _line(self, keyword: str, value: str, harm: str, hint: str) -> Finding:
        """A setting that keeps certificates out, by the line that sets it."""
        first = value.split(maxsplit=1)[0]
        lines = [s for s in self.layout.of(keyword) if first in " ".join(s.values)] or self.layout.of(keyword)
        where = f"{lines[0].place} sets" if lines else "sshd has"
        shown = value if len(value) <= 60 else f"{value[:60]}..."
        return Finding("bad", f"{where} {keyword} {shown}, which {harm}", hint)

    # --------------------------------------------------------------------------------------- the account itself

    def _account(self, login: str, usual: Effective) -> Iterator[Finding]:
        try:
            entry = pwd.getpwnam(login)
        except KeyError:
            yield Finding("bad", f"there is no account {login}", f"make it, or take it out of logins in {login!r}")
            return
        other = other_spelling(login)
        if other and (self.config.only_certificates or login == self.config.jump_login):
            what = (
                f"the name service knows {login} as {other} too, and by that name nothing is closed of what we closed"
            )
            yield Finding("bad", what, "have it know one spelling alone (case_sensitive = true in sssd.conf)")
        shell = Path(entry.pw_shell or "/bin/sh")
        if not os.access(shell, os.X_OK) or shell.is_dir():
            yield Finding("bad", f"the shell of {login}, {shell}, cannot be run", f"chsh -s /bin/sh {login}")
        elif shell.name in ("nologin", "false") and login != self.config.jump_login:
            yield Finding("bad", f"the shell of {login}, {shell}, lets nobody do anything", f"chsh -s /bin/sh {login}")
        if usual.value("UsePAM") != "yes" and _is_locked(login):
            hint = f"usermod -p '*' {login} (no password opens it then, and certificates do), or UsePAM yes"
            yield Finding("bad", f"the account {login} is locked, and without UsePAM sshd lets nobody in", hint)
        if Path("/etc/nologin").exists() and entry.pw_uid != 0:
            yield Finding("bad", "/etc/nologin is there, so that only root may log in", "remove it")

    def _other_ways(self, login: str, counts: Effective) -> Iterator[Finding]:
        """What lets somebody in without a certificate, now or when a grant is over."""
        try:
            home = pwd.getpwnam(login).pw_dir
        except KeyError:
            return
        for pattern in counts.value("AuthorizedKeysFile").split():
            path = expanded(pattern, login, home)
            if path is not None and _has_keys(path):
                hint = "ssh-jit-host join --only-certificates closes these ways, once a certificate was seen to work"
                yield Finding("warn", f"{path} lets its keys into {login} whatever becomes of a grant", hint)
        command = counts.value("AuthorizedKeysCommand")
        if command not in ("", "none"):
            yield Finding("warn", f"AuthorizedKeysCommand {command} lets keys into {login} beside certificates", "")


def other_spelling(login: str) -> str:
    """Another name by which the name service finds the same account; empty if none is known.

    sshd's ``Match User`` goes by the name that is typed, and its principals files by the name of the account.
    """
    for typed in (login.lower(), login.upper(), login.title()):
        with contextlib.suppress(KeyError):
            if typed != login and pwd.getpwnam(typed).pw_name == login:
                return typed
    return ""


def is_local(login: str) -> bool:
    """Whether the account is this machine's own, which has one name; directories may know theirs by several."""
    lines = (files.read(_PASSWD) or b"").decode("utf-8", "replace").splitlines()
    return any(line.partition(":")[0] == login for line in lines)


def _matches(name: str, pattern: str) -> bool:
    """Whether an entry of a list may be about this account, from wherever the connection comes."""
    user = pattern.rpartition("@")[0] or pattern
    return fnmatch.fnmatchcase(name, user.lstrip("!")) and not user.startswith("!")


def _listed(algorithm: str, patterns: str) -> bool:
    return any(fnmatch.fnmatchcase(algorithm, pattern) for pattern in patterns.split(","))


def _groups(login: str) -> list[str]:
    try:
        entry = pwd.getpwnam(login)
        numbers = os.getgrouplist(login, entry.pw_gid)
    except KeyError:
        return []
    return [name for number in numbers for name in _group_name(number)]


def _group_name(number: int) -> Iterator[str]:
    with contextlib.suppress(KeyError):
        yield grp.getgrgid(number).gr_name


def _is_locked(login: str) -> bool:
    """As sshd judges on Linux: the password's hash begins with an exclamation mark."""
    data = files.read(_SHADOW) if os.access(_SHADOW, os.R_OK) else None
    entries = (line.split(":") for line in (data or b"").decode("utf-8", "replace").splitlines())
    return any(fields[0] == login and fields[1].startswith("!") for fields in entries if len(fields) > 1)


def expanded(pattern: str, login: str, home: str) -> Path | None:
    """An ``AuthorizedKeysFile`` for an account (sshd_config(5), TOKENS); ``None`` for ``none``."""
    if pattern == "none":
        return None
    text = pattern.replace("%%", "\0").replace("%h", home).replace("%u", login).replace("\0", "%")
    return Path(home, text)


def _at_once(path: str, flags: int) -> int:
    """Opens without waiting for somebody to write into a pipe."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _has_keys(path: Path) -> bool:
    """Whether there is a line of a key. The file is its account's, who may have put anything there."""
    try:
        with open(path, "rb", opener=_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return False  # sshd reads nothing else either
            text = file.read(MOST).decode("utf-8", "replace")
    except OSError:
        return False
    return any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines())
