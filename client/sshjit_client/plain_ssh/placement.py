"""Whether ssh applies what was written: what ``ssh-jit config --check`` says."""

from __future__ import annotations

from sshjit.errors import SshJitError
from sshjit_client.plain_ssh import hosts, ssh_config
from sshjit_client.plain_ssh.layout import Layout
from sshjit_client.plain_ssh.person_config import PersonConfig
from sshjit_client.ssh import openssh

_AGAIN = "ssh-jit config --write writes it again"


def findings(there: Layout, person: PersonConfig) -> list[str]:
    """What keeps ssh from it, a sentence each; nothing if it applies."""
    problems, included = [], there.included
    for number, section in person.misplaced(included):
        where = f"under {section!r}: there ssh runs its commands and applies nothing" if section else "once more"
        problems.append(f"line {number} of {person.path} includes {included} {where}; remove that line")
    written = hosts.load(there.hosts)
    if written is None:
        return [*problems, "nothing is written for plain ssh: ssh-jit config --write"]
    if not person.has(included):
        problems.append(f"{person.path} does not include {included} in its first line: {_AGAIN}")
    if not included.exists() or included.read_text("utf-8", "surrogateescape") != ssh_config.included(
        written.hosts, there
    ):
        problems.append(f"{included} was changed, or written by another ssh-jit: {_AGAIN}")
    if not problems and written.hosts:
        problems += _asked(written.hosts[0].name, there, person)
    return problems


def _asked(name: str, there: Layout, person: PersonConfig) -> list[str]:
    """What ssh says itself."""
    try:
        applied = openssh.RunningQuery(["--", name], None).answer().get("identityfile")
    except SshJitError as error:
        return [f"ssh refuses its configuration: {error}"]
    if applied == str(there.identity(name) if there.in_agent else there.key(name)):
        return []
    return [f"ssh does not read {person.path}: is $HOME another folder than your home in the user database?"]
