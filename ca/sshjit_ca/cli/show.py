"""What ``ssh-jit-ca`` prints for people."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sshjit import ca_protocol as m
from sshjit import durations, terminal_text, wire
from sshjit.checkpoint import Checkpoint
from sshjit_ca.log.verification import Verdict
from sshjit_ca.machine.reserve import MIB
from sshjit_ca.operations.finding import Finding


def fields(pairs: Sequence[tuple[str, str]]) -> str:
    """Names and values in two columns."""
    width = max(len(name) for name, _ in pairs)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in pairs)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows under their heads, as wide as they must be; on a terminal no wider than that."""
    columns = shutil.get_terminal_size((0, 0)).columns if sys.stdout is not None and sys.stdout.isatty() else 0
    return terminal_text.fitted([head, *rows], columns)


def as_json(reply: Any) -> str:
    """A reply for programs."""
    return json.dumps(wire.encode(reply))


def say(options: argparse.Namespace, reply: Any, show: Callable[[Any], str]) -> None:
    """Prints a reply for people, or with ``--json`` for programs."""
    print(as_json(reply) if options.json else show(reply))


def certified_until(end: int) -> str:
    """Until when a host's certificates last; they are kept for an hour after."""
    return instant(end) if end else "no more"


def instant(time: int) -> str:
    """Date and time, UTC."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S")


def status(reply: m.StatusReply) -> str:
    """The operator's view of the CA."""
    return fields(
        [
            ("installation", reply.installation),
            ("signing", "yes" if reply.ready else "NO"),
            *(("problem", problem) for problem in reply.problems),
            ("up", durations.show(max(1, reply.time - reply.started))),
            ("policy", f"{reply.policy[:16]} ({reply.policy_rules} rules)"),
            ("log", f"{reply.size} entries, head {reply.head[:16]}, the last one {instant(reply.last_entry)}"),
            ("epoch", f"{reply.epoch} ({reply.database})"),
            ("clock", f"{instant(reply.time)}, {reply.clock_drift / 1000:+.3f} s against the boot clock"),
            ("disk", f"{reply.disk_free // MIB} MiB free, {'a' if reply.disk_reserved else 'NO'} disk reserve"),
            ("state", reply.state_digest[:16]),
            (
                "access",
                f"{reply.live_grants} open, {reply.pending} waiting, {reply.live_certificates} valid certificates",
            ),
            ("signed in", str(reply.live_logins)),
            ("hosts", str(reply.hosts)),
            *(("host", f"{name}: NOT RENEWED, certified: {certified_until(end)}") for name, end in reply.hosts_ending),
            *(("changed", changed_file(name)) for name in reply.changed_files),
            *((f"key {each.purpose}", _standing(each)) for each in reply.keys),
            *((f"provider {each.id}", _provider(each)) for each in reply.providers),
            *(("witness", _witness(each, reply.size)) for each in reply.witnesses),
            *(("checkpoints", _place(place, reply.size)) for place in reply.places),
        ]
    )


def changed_file(name: str) -> str:
    """That a file was not read again."""
    return f"{name} has changed since the CA started, and counts from the next start on: systemctl restart ssh-jit-ca"


def _standing(key: m.KeyStanding) -> str:
    """A key on a line; what is wrong comes first, and what to do last."""
    about = f"{key.fingerprint}{'' if key.state == 'active' else ', pending'}, in {key.device}"
    hint = f" (hint: {key.hint})" if key.hint else ""
    return f"CANNOT SIGN: {key.problem}{hint}; {about}" if key.problem else f"signs; {about}"


def _provider(view: m.ProviderView) -> str:
    age = "" if view.age is None else f", keys fetched {durations.show(view.age)} ago" if view.age else ", keys fresh"
    return f"{view.problem}{age}"


def _witness(view: m.WitnessView, size: int) -> str:
    if view.problem:
        return f"{view.problem}; signed so far: {count(view.size, 'entry', 'entries')}"
    behind = f", {size - view.size} behind" if size > view.size else ""
    return f"{view.name}: signed {count(view.size, 'entry', 'entries')}{behind}, {instant(view.time)}"


def _place(view: m.PlaceView, size: int) -> str:
    if view.problem:
        return view.problem
    if not view.size:
        return f"{view.name}: nothing sent yet"
    behind = f", {size - view.size} behind" if size > view.size else ""
    return f"{view.name}: has the head of {count(view.size, 'entry', 'entries')}{behind}, {instant(view.time)}"


def findings(results: Sequence[Finding]) -> str:
    """What the doctor found: everything that is well on one line each, and what to do about the rest."""
    lines = []
    for finding in results:
        mark = {"ok": "ok", "warning": "warn", "bad": "BAD"}[finding.level]
        lines.append(f"{mark:<5} {finding.area:<9} {finding.message}")
        if finding.level != "ok" and finding.hint:
            lines.append(f"{'':<16}hint: {finding.hint}")
    return "\n".join(lines)


def revoked(reply: m.RevokeReply) -> str:
    """What was revoked."""
    what = "".join(f"{request.id}: " for request in reply.requests)
    return f"{what}revoked, with {count(reply.certificates, 'certificate')} that was still valid\n{_FROM_THEN}"


_FROM_THEN = "hosts refuse them after their next refresh"


def count(number: int, what: str, several: str = "") -> str:
    """``1 certificate``, ``2 certificates``; ``several`` where that is not an ``s`` more."""
    return f"{number} {what if number == 1 else several or f'{what}s'}"


def locked(reply: m.LockReply) -> str:
    """What a lock revoked, and how it ends."""
    gone = ", ".join(
        (count(reply.requests, "grant"), count(reply.logins, "sign-in"), count(reply.certificates, "valid certificate"))
    )
    unlock = f"ssh-jit-ca unlock {reply.lock.id} --reason …"
    return f"{reply.lock.title} is locked by {reply.lock.id}\nrevoked: {gone}; {_FROM_THEN}\nto unlock: {unlock}"


def locks(reply: m.LocksReply) -> str:
    """The locks as a table."""
    rows = [(each.id, each.title, instant(each.since), each.by, each.reason) for each in reply.locks]
    return table(("LOCK", "WHAT", "SINCE (UTC)", "BY", "WHY"), rows) if rows else "nothing is locked"


def hardware_keys(reply: m.HardwareKeysReply) -> str:
    """Registered hardware keys as a table."""
    rows = [
        (each.fingerprint, each.type, f"{each.person.name} ({each.person.provider})", instant(each.since))
        for each in reply.keys
    ]
    return table(("FINGERPRINT", "TYPE", "PERSON", "SINCE (UTC)"), rows) if rows else "no hardware key is registered"


def host_added(reply: m.HostReply) -> str:
    """The new host, and what it must know."""
    return fields(
        [
            *_host(reply.host),
            ("host certificates", str(len(reply.certificates)) if reply.certificates else "none until it has joined"),
            *([("not certified", f"keys of the type {', '.join(reply.left_out)}")] if reply.left_out else []),
            ("bundle root to pin", reply.bundle_root),
            *_invitation(reply.invitation),
            *(("warning", text) for text in reply.warnings),
        ]
    )


def host_labelled(reply: m.HostReply) -> str:
    """The host as it is now."""
    return fields(_host(reply.host))


def _host(host: m.HostView) -> list[tuple[str, str]]:
    aliases = [f"{alias} (its address, too)" if alias == host.address else alias for alias in host.aliases]
    return [
        ("host", host.name),
        ("id", host.id),
        ("address", f"{host.address} port {host.port}"),
        *([("aliases", ", ".join(aliases))] if aliases else []),
        *([("via", f"the bastion {host.via}")] if host.via else []),
        *([("bastion", f"people pass through by the account {host.jump_login}")] if host.jump_login else []),
        ("labels", _labels(host)),
    ]


def _invitation(made: m.Invitation | None) -> list[tuple[str, str]]:
    if made is None:
        return []
    return [("one-time token to join", made.token), ("valid until", f"{instant(made.expires)} UTC")]


def hosts(reply: m.HostsReply) -> str:
    """The hosts as a table; ids and bastions where any is to be told."""
    until = {name: certified_until(end) for name, end in reply.certified}
    logins = {name: ",".join(accounts) for name, accounts in reply.logins}
    probed = {view.name: _probed(view) for view in reply.probed}
    columns = {
        "HOST": [host.name for host in reply.hosts],
        "ID": [host.id for host in reply.hosts],
        "ADDRESS": [f"{host.address}:{host.port}" for host in reply.hosts],
        "VIA": [host.via or "-" for host in reply.hosts],
        "LABELS": [_labels(host) for host in reply.hosts],
        "ACCOUNTS": [logins.get(host.name, "-") for host in reply.hosts],
        "CERTIFIED UNTIL": [until.get(host.name, "-") for host in reply.hosts],
        "POST-QUANTUM": [str(host.post_quantum) for host in reply.hosts],
        "PROBED": [probed.get(host.name, "never") for host in reply.hosts],
    }
    if columns["ID"] == columns["HOST"]:
        del columns["ID"]
    if not any(host.via for host in reply.hosts):
        del columns["VIA"]
    if {*columns["POST-QUANTUM"]} <= {"no"}:
        del columns["POST-QUANTUM"]
    rows = list(zip(*columns.values(), strict=True))
    return table(tuple(columns), rows) if rows else "no hosts are enrolled"


def _probed(view: m.ProbedView) -> str:
    """How a host was found last, and when."""
    verdict = "BAD" if view.verdict == "bad" else view.verdict
    return f"{': '.join([verdict, *([', '.join(view.problems)] if view.problems else [])])} ({instant(view.time)})"


def entries(found: Sequence[m.EntryView]) -> str:
    """Entries as a table, the oldest first; ``found`` has the newest first."""
    rows = [(str(entry.index), instant(entry.time), entry.kind, entry.summary) for entry in reversed(found)]
    return table(("ENTRY", "TIME (UTC)", "KIND", "WHAT"), rows) if rows else "no such entries"


def entry(found: m.EntryView) -> str:
    """One entry on a line of its own."""
    return f"{found.index}  {instant(found.time)}  {found.kind:<16} {found.summary}"


def forgotten(reply: m.ForgetReply, *, dry_run: bool) -> str:
    """What was forgotten, or would be."""
    verb = "would be" if dry_run else "are"
    kept = f"; {reply.kept} of the same age are still needed" if reply.kept else ""
    return f"{reply.erased} details {verb} erased{kept}; {reply.people} people {verb} forgotten"


def verdict(result: Verdict, seconds: float) -> str:
    """Whether the log is whole, or where not."""
    if result.newer and not result.problems:
        head = result.head.hex()[:16]
        return f"no entry was changed or cut of {result.size} (head {head}), but not all of them can be read here"
    if not result.problems:
        erased = f", {result.erased} details erased" if result.erased else ""
        whole = f"the log is whole: {result.size} entries{erased}, head {result.head.hex()[:16]}, {seconds:.1f} s"
        return "\n".join([whole, *_uncertain(result)])
    return "\n".join(["THE LOG IS NOT WHOLE", *(f"  {problem}" for problem in result.problems)])


def held_against(points: Mapping[str, Checkpoint], remembered: Path | None) -> str:
    """What a log was compared with. ``remembered``: where the CA keeps its newest checkpoint, if it is its own log."""
    own = "held against the checkpoint in the database"
    lines = [", ".join([own, *(f"{name} ({point.size} entries)" for name, point in points.items())])]
    if remembered is not None and str(remembered) not in points:
        lines.append(f"{remembered} holds no checkpoint: an older copy of the whole log would look just the same;")
        lines.append("compare it with a checkpoint from elsewhere: --against FILE (hosts hold one in their bundle)")
    elif not points:
        lines.append("an earlier copy of the log would look just the same: --against FILE")
    return "\n".join(lines)


def _uncertain(result: Verdict) -> list[str]:
    """What a log that is whole leaves open."""
    if not result.unlisted:
        return []
    return [
        f"{result.unlisted} details were erased by release 0.1.0, which recorded how many, and not which:",
        "that no more were erased is checked, that it was these is not checkable",
    ]


def _labels(host: m.HostView) -> str:
    return " ".join(f"{key}={value}" for key, value in host.labels) or "-"
