"""``status``: what is set up on this server, how fresh it is, and until when it lasts. What is wrong is ``doctor``'s.

Exit codes: 0 joined and nothing is wrong, 1 something is wrong, 3 not joined, or only by halves.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sshjit_host import doctor
from sshjit_host.config import Config
from sshjit_host.findings import Finding
from sshjit_host.formats.bundle import Bundle
from sshjit_host.front_end import renewal
from sshjit_host.joining import journal, units
from sshjit_host.joining.journal import Journal
from sshjit_host.openssh import abilities
from sshjit_host.openssh.dropin import DropIn
from sshjit_host.sessions import session_status
from sshjit_host.times import day, span

NOT_JOINED = 3


@dataclass(frozen=True)
class Status:
    """``facts`` by name, in the order in which they are shown; ``findings`` are those of ``doctor`` that are not ok."""

    facts: dict[str, Any]
    findings: tuple[Finding, ...]
    code: int


def read(path: Path, config: Config | None, now: float) -> Status:
    """The status of the host whose ``host.json`` is, or would be, at ``path``."""
    record = journal.read(path.parent / journal.NAME)
    if config is None or record.step not in ("", journal.JOINED):
        halves = record.step not in ("", journal.JOINED)
        text = f"cut off while {record.step}: `ssh-jit-host join` again, or `leave`" if halves else "no"
        return Status({"joined": text}, (), NOT_JOINED)
    examination = doctor.Examination(config, now)
    all_findings = (*examination.findings(), *units.findings())
    findings = tuple(finding for finding in all_findings if finding.level != "ok")
    facts = dict(_facts(config, record, examination.bundle, now))
    return Status(facts, findings, 1 if any(finding.level == "bad" for finding in findings) else 0)


def _facts(config: Config, record: Journal, bundle: Bundle | None, now: float) -> Iterator[tuple[str, Any]]:
    yield "joined", f"{config.name} (host id {config.host_id})"
    yield "installation", "unknown: no bundle" if bundle is None else f"{bundle.installation} at {config.url}"
    yield "set up", "by join" if record.step else "by hand"
    yield "accounts", list(config.logins)
    if config.jump_login:
        yield "bastion", f"people pass through by the account {config.jump_login}"
    if bundle is not None:
        stale = ", and is stale: revocations may be missing" if now > bundle.expires else ""
        yield "bundle", f"{bundle.sequence}, {span(now - bundle.issued)} old{stale}"
    every = f"by a timer, every {config.refresh_every} s"
    yield "refresh", every if config.refresh_every else "by the daemon, which waits for bundles"
    yield "other ways in", "closed for these accounts" if config.only_certificates else "as before"
    yield "beside another CA", "yes" if config.beside else "no"
    yield "host certificates", _certificates(config, bundle)
    if bundle is not None and bundle.post_quantum is not None:
        yield "post-quantum certificates", "taken" if abilities.has_post_quantum(config) else "not taken"
    yield "sessions", session_status.summary(config)
    if units.has_systemd():
        yield "units", {name: "running" if units.is_active(name) else "not running" for name in units.enabled()}


def _certificates(config: Config, bundle: Bundle | None) -> dict[str, str] | str:
    if not config.host_certificates:
        return "left out"
    held = [] if bundle is None else list(renewal.ours(DropIn(config), bundle))
    if not held:
        return "none"
    return {str(due.place): f"until {day(due.certificate.valid_before)}" for due in held}


def text(status: Status) -> str:
    """For people."""
    lines, width = [], max(map(len, status.facts)) + 1
    for name, value in status.facts.items():
        if isinstance(value, dict):
            lines.append(f"{name}:")
            longest = max(map(len, value), default=0)
            lines += [f"  {part:{longest}}  {word}" for part, word in value.items()]
        else:
            lines.append(f"{name + ':':{width}} {', '.join(value) if isinstance(value, list) else value}")
    if status.findings:
        lines += ["", doctor.text(list(status.findings))]
    return "\n".join(lines)


def as_json(status: Status) -> str:
    """For programs; the exit code is in there too."""
    findings = json.loads(doctor.as_json(list(status.findings)))
    facts = {name.replace(" ", "_"): value for name, value in status.facts.items()}
    return json.dumps({"code": status.code, **facts, "findings": findings}, indent=1)
