"""Whether sessions by our certificates end in time on this host: what ``doctor`` and ``status`` say about it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sshjit_host.config import Config
from sshjit_host.findings import Finding
from sshjit_host.formats.bundle import Bundle
from sshjit_host.machine import files
from sshjit_host.openssh import effective, pam_hook
from sshjit_host.sessions import hook

PATIENCE = 1.0
"""Seconds that the daemon has to answer."""
_INSTALL = "ssh-jit-host sessions --install"
_UNWATCHED = "sessions do not end with their grants"


def daemon(config: Config) -> dict[str, Any] | None:
    """What the session daemon says of itself; ``None`` if it does not answer."""
    try:
        return hook.ask(Path(config.run, hook.SOCKET), {"ask": "status"}, PATIENCE)
    except (OSError, ValueError):
        return None


def summary(config: Config) -> str:
    """In a few words, whether sessions end with their grants, and how many are open."""
    try:
        if pam_hook.way(config) == "none":
            return "do not end with their grants: sshd does not use PAM"
        if not pam_hook.is_installed(config):
            return "do not end with their grants: PAM does not ask"
    except effective.Refused:
        return "unknown: sshd does not answer"
    answer = daemon(config)
    if answer is None:
        return "none can begin by a certificate: the session daemon does not answer"
    return f"end with their grants; {answer['sessions']} open"


def findings(config: Config, bundle: Bundle | None) -> Iterator[Finding]:
    """Every check of the hook and the daemon. Raises ``effective.Refused`` if sshd does not answer."""
    if pam_hook.way(config) == "none":
        hint = "set `UsePAM yes` in sshd_config, then " + _INSTALL
        yield Finding("warn", f"{_UNWATCHED}: sshd does not use PAM (UsePAM no)", hint)
        return
    if not pam_hook.is_installed(config):
        yield Finding("warn", f"{_UNWATCHED}: PAM does not run our hook", _INSTALL)
        return
    problem = _hook(config, bundle)
    if problem:
        yield Finding("bad", f"{_UNWATCHED}: {problem}", _INSTALL)
    answer = daemon(config)
    if answer is None:
        text = "the session daemon does not answer, so that logins with our certificates are refused"
        yield Finding("bad", text, "systemctl restart ssh-jit-host-sessions, or run `ssh-jit-host sessions`")
        return
    if not problem:
        count, fence = answer["sessions"], answer["fence"]
        yield Finding("ok", f"sessions end with their grants: {count} open, held together by {fence}")
    unfenced = answer["sessions"] - answer["fenced"]
    if unfenced and answer["fence"] == "control groups":
        yield Finding("warn", f"sessions in no control group: {unfenced}", "ssh-jit-host doctor, once they are over")
    if answer["emergencies"]:
        yield Finding("warn", f"sessions opened by emergency certificates: {answer['emergencies']}")
    if answer["lost"]:
        yield Finding("warn", f"reports of sessions dropped, because the CA was out of reach: {answer['lost']}")
    elif answer["reports"]:
        yield Finding("ok", f"reports of sessions that wait for the CA: {answer['reports']}")


def _hook(config: Config, bundle: Bundle | None) -> str:
    """What is wrong with the hook; empty if nothing is."""
    stub = files.read(pam_hook.stub_path(config))
    if stub is None:
        return f"{pam_hook.stub_path(config)} is not there, so that no certificate opens a session"
    if bundle is not None and stub != pam_hook.stub(config, bundle):
        return f"{pam_hook.stub_path(config)} was changed, or is of another version"
    for login in config.accounts:
        service = effective.settings(config, login).value("PAMServiceName") or "sshd"
        problem = pam_hook.order(config, config.pam / service)
        if problem:
            return problem
    return ""
