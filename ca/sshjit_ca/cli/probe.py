"""``ssh-jit-ca host probe``: whether hosts enforce what the CA decides."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sshjit import ca_protocol as m
from sshjit.errors import Invalid
from sshjit_ca.access.probe_findings import SENTENCES
from sshjit_ca.cli import show
from sshjit_ca.config import Config
from sshjit_ca.operations import admin_client
from sshjit_ca.operations.probe_judgement import Verdict

if TYPE_CHECKING:
    from sshjit_ca.operations.host_probe import Outcome

BAD = 5
"""The exit code where a host does not enforce."""
UNREACHABLE = 6
"""The exit code where every host that answered enforces, and some did not answer."""
_TEXT = f"""Connects to enrolled hosts as a stranger would, and says whether they enforce: host certificate, who gets
in, who is refused, key exchange, ways of signing in. It takes [probe] enabled = true in ca.toml. Exit codes: 0 all
enforce, {BAD} one does not, {UNREACHABLE} some did not answer."""


def add_options(parser: Any) -> None:
    """Adds what ``host probe`` takes."""
    parser.description = _TEXT
    parser.add_argument("names", nargs="*", metavar="NAME", help="a host, by name or alias")
    parser.add_argument("--all", action="store_true", help="every enrolled host")


def probe(conf: Config, options: argparse.Namespace) -> int:
    """Probes the hosts, prints how each was found, and returns the exit code."""
    from sshjit_ca.operations.host_probe import HostProbe  # noqa: PLC0415 - the other commands start faster without it

    if bool(options.names) == options.all:
        raise Invalid("bad_usage", "name the hosts to probe, or give --all")
    names = options.names
    if options.all:
        listed = admin_client.call(conf.admin_socket, m.ReadHosts(None), m.HostsReply)
        names = [host.name for host in listed.hosts]
    outcome = HostProbe(conf.admin_socket, _say).run(names)
    print(json.dumps(asdict(outcome)) if options.json else text(outcome))
    return exit_code(outcome)


def exit_code(outcome: Outcome) -> int:
    """What a timer goes by."""
    verdicts = {host.verdict for host in outcome.hosts}
    return BAD if "bad" in verdicts else UNREACHABLE if "unreachable" in verdicts else 0


def text(outcome: Outcome) -> str:
    """The hosts as a table, and below it what is wrong, a sentence each."""
    rows = [_row(host) for host in outcome.hosts]
    lines = [show.table(("HOST", "ACCOUNT", "PROBED", "POST-QUANTUM", "SIGNING IN"), rows)] if rows else []
    for host in outcome.hosts:
        detail = f": {host.detail}" if host.detail else ""
        lines += [f"{host.name}: {SENTENCES[problem]}{detail}" for problem in host.problems]
    lines += [f"{name}: locked, so it was left alone" for name in outcome.locked]
    return "\n".join(lines) or "no hosts are enrolled"


def _row(host: Verdict) -> tuple[str, ...]:
    verdict = "BAD" if host.verdict == "bad" else host.verdict
    exchange = host.post_quantum[0] if host.post_quantum else "no" if host.key_exchanges else "-"
    return host.name, host.login or "-", verdict, exchange, ", ".join(host.methods) or "-"


def _say(sentence: str) -> None:
    print(f"ssh-jit-ca: {sentence}", file=sys.stderr)
