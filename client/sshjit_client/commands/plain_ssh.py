"""``ssh-jit config``, ``ensure``, ``path`` and ``export``: our certificates for plain ssh and for other programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from sshjit.errors import Failed, Invalid, SshJitError
from sshjit_client.api.full import FullApi
from sshjit_client.commands import resolve_request
from sshjit_client.console import exit_codes
from sshjit_client.console.exit_codes import ExitCode
from sshjit_client.console.times import at
from sshjit_client.option_parser import Act, Build, Options, Parser
from sshjit_client.plain_ssh import ensure as plain
from sshjit_client.plain_ssh import failure, hosts, own_settings, placement, putty, ssh_config
from sshjit_client.plain_ssh.certificates import Pair
from sshjit_client.plain_ssh.layout import Layout
from sshjit_client.plain_ssh.person_config import PersonConfig
from sshjit_client.ssh import sshconfig
from sshjit_client.storage import files
from sshjit_client.storage.machine import Machine

_SHOWN = 6
"""Names that the sentence after ``--write`` shows."""


def _config(parser: Parser) -> Act:
    parser.description = (
        "Lets plain ssh, scp, sftp, rsync, git, Ansible and others use your certificates. Without an option it prints"
        " what --write would write."
    )
    parser.usage = "ssh-jit config [--write | --inline | --remove | --check] [HOST…]"
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--write", action="store_true", help="write it, and include it in ~/.ssh/config as the first line")
    how.add_argument("--inline", action="store_true", help="print Host blocks alone, for programs without Include")
    how.add_argument("--remove", action="store_true", help="remove what --write wrote")
    how.add_argument("--check", action="store_true", help="say whether ssh applies it")
    parser.add_argument("host", nargs="*", metavar="HOST", help="only these names (default: all that you can reach)")
    return config


def config(machine: Machine, options: Options) -> int:
    """Writes, prints, removes or checks the configuration for plain ssh."""
    there, person = Layout.of(machine), PersonConfig.of(machine.environ)
    if options.remove:
        return _remove(machine, there, person)
    if options.check:
        return _check(machine, there, person)
    there.require_lasting(machine.environ)
    held = hosts.load(there.hosts) or hosts.PlainHosts((), created=person.text is None)
    reachable = _reachable(machine)
    gone = held.without(host.name for host in reachable)
    chosen = own_settings.applied(_chosen(reachable, options.host), person.theirs(there.included))
    if not options.write:
        text = ssh_config.inline(chosen, there) if options.inline else ssh_config.included(chosen, there, gone)
        machine.terminal.out(text.rstrip("\n"))
        return ExitCode.OK
    plain.write(there, hosts.PlainHosts(chosen, held.created, gone))
    person.add(there.included)
    for folder in machine.login_folders():
        sshconfig.read_copies(folder / "open")
    names = _listed([host.name for host in chosen])
    count = "1 name" if len(chosen) == 1 else f"{len(chosen)} names"
    machine.terminal.say(f"plain ssh reaches {count}: {names}" if chosen else "plain ssh reaches no host of yours yet")
    for text in _of_others(there, {host.name for host in chosen}):
        machine.terminal.say(text)
    if gone:
        machine.terminal.warn(f"the server gives you no more: {_listed(gone)}; plain ssh shows nothing of yours there")
        machine.terminal.hint(f"ssh-jit hosts --forget {gone[0]}, if it is no host any more")
    return _check(machine, there, PersonConfig.of(machine.environ))


def _of_others(there: Layout, chosen: set[str]) -> Iterator[str]:
    """A sentence for each other installation that is written for plain ssh and has some of the names as well."""
    for path in sorted(there.hosts.parent.glob(f"*{there.hosts.suffix}")):
        held = None if path == there.hosts else hosts.load(path)
        if held and (both := sorted(chosen & {host.name for host in held.hosts})):
            listed = _listed(both)
            of = f"is a host of {path.stem}" if len(both) == 1 else f"are hosts of {path.stem}"
            yield f"{listed} {of} too; plain ssh takes that of the line that comes first in ~/.ssh/config"


def _remove(machine: Machine, there: Layout, person: PersonConfig) -> int:
    held = hosts.load(there.hosts)
    person.remove(there.included, created=held is not None and held.created)
    for path in (there.included, there.hosts):
        path.unlink(missing_ok=True)
    machine.terminal.say(f"plain ssh does without ssh-jit again; {person.path} is as it was")
    return ExitCode.OK


def _listed(words: Sequence[str]) -> str:
    return " ".join(words[:_SHOWN]) + (" …" if len(words) > _SHOWN else "")


def _reachable(machine: Machine) -> tuple[hosts.PlainHost, ...]:
    """The hosts that the server gives."""
    session, _ = resolve_request.signed_in(machine)
    return hosts.reachable(lambda: FullApi(session.url, session.token))


def _chosen(reachable: tuple[hosts.PlainHost, ...], only: list[str]) -> tuple[hosts.PlainHost, ...]:
    """All of them, or those that were named. Raises ``Invalid``: ``unknown_host``."""
    if not only:
        return reachable
    known = {host.name: host for host in reachable}
    if unknown := [name for name in only if name not in known]:
        raise Invalid("unknown_host", f"you can't reach {unknown[0]}", hint=f"ssh-jit explain {unknown[0]}")
    return tuple(known[name] for name in dict.fromkeys(only))


def _check(machine: Machine, there: Layout, person: PersonConfig) -> int:
    """Says whether ssh applies what is written."""
    findings = placement.findings(there, person)
    for finding in findings:
        machine.terminal.say(finding)
    if not findings:
        machine.terminal.say(f"ssh applies {there.included}, by the first line of {person.path}")
    return ExitCode.REACH if findings else ExitCode.OK


def _ensure(parser: Parser) -> Act:
    parser.description = "Keeps a certificate for a host alive, without asking you anything; the written ssh"
    parser.description += " configuration runs this before each connection."
    parser.usage = "ssh-jit ensure HOST [ACCOUNT]"
    parser.add_argument("host", metavar="HOST")
    parser.add_argument("account", metavar="ACCOUNT", nargs="?", default="", help="default: who you usually are there")
    parser.add_argument("--quiet", action="store_true", help="say nothing unless something must be done")
    return ensure


def ensure(machine: Machine, options: Options) -> int:
    """One line in any case: other programs' output surrounds it."""
    try:
        pair = plain.ensure(machine, options.host, options.account)
    except SshJitError as error:
        machine.terminal.warn(failure.in_one_line(options.host, error))
        return exit_codes.of(error)
    except OSError as error:
        here = Failed("machine", f"{error.filename or 'this machine'}: {error.strerror or error}")
        machine.terminal.warn(failure.in_one_line(options.host, here))
        return ExitCode.REACH
    if not options.quiet:
        machine.terminal.say(f"{pair.account}@{pair.name} until {at(pair.until)}")
    return ExitCode.OK


def _path(parser: Parser) -> Act:
    parser.description = "Prints the files for a host, a line each: key, certificate, known_hosts; they are kept alive."
    parser.usage = "ssh-jit path [--json] [ACCOUNT@]HOST"
    parser.add_argument("host", metavar="[ACCOUNT@]HOST")
    parser.add_argument("--json", action="store_true", help="print JSON, with account and end of the certificate too")
    return path


def path(machine: Machine, options: Options) -> int:
    """The three files that other programs need."""
    pair = _pair(machine, options.host)
    if options.json:
        value = {
            "host": pair.name,
            "account": pair.account,
            "key": str(pair.key),
            "certificate": str(pair.certificate),
            "known_hosts": str(pair.known_hosts),
            "until": pair.until,
            "agent": pair.agent or None,
        }
        machine.terminal.out(json.dumps(value, indent=2))
    else:
        machine.terminal.out("\n".join(map(str, (pair.key, pair.certificate, pair.known_hosts))))
    return ExitCode.OK


def _pair(machine: Machine, typed: str) -> Pair:
    account, _, host = typed.rpartition("@")
    return plain.ensure(machine, host, account)


def _export(parser: Parser) -> Act:
    parser.description = "Writes key and certificate in another program's form. putty: a .ppk for plink, psftp, PuTTY"
    parser.description += " and WinSCP; pageant: one with the certificate in it."
    parser.usage = "ssh-jit export --format putty|pageant [--output FILE] [ACCOUNT@]HOST"
    parser.add_argument("host", metavar="[ACCOUNT@]HOST")
    parser.add_argument("--format", choices=("putty", "pageant"), required=True)
    parser.add_argument("--output", metavar="FILE", type=Path, help="default: beside the key, as NAME.ppk")
    return export


def export(machine: Machine, options: Options) -> int:
    """Prints the name of the file that it wrote: it holds a private key, so it is no output of ours."""
    pair = _pair(machine, options.host)
    text = putty.private_key(pair.key, pair.certificate if options.format == "pageant" else None)
    target = options.output or pair.key.with_name(f"{pair.key.name}.ppk")
    files.write(target.absolute(), text, durable=False)
    machine.terminal.out(str(target))
    return ExitCode.OK


BUILD: dict[str, Build] = {"config": _config, "ensure": _ensure, "path": _path, "export": _export}
"""Command -> what adds its options."""
