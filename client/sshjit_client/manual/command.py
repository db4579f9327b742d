"""``ssh-jit completion bash | zsh | fish | hosts``."""

from __future__ import annotations

from sshjit.errors import Invalid
from sshjit_client.console.exit_codes import ExitCode
from sshjit_client.console.helptext import COMPLETION
from sshjit_client.manual import completion as scripts
from sshjit_client.storage import host_names
from sshjit_client.storage.machine import Machine


def completion(machine: Machine, words: list[str]) -> int:
    """Prints a script for a shell, or the names of hosts that this machine has heard of."""
    if words in (["-h"], ["--help"]):
        machine.terminal.out(COMPLETION)
    elif words == ["hosts"]:
        for name in host_names.of_all(machine):
            machine.terminal.out(name)
    elif len(words) == 1 and words[0] in scripts.SHELLS:
        machine.terminal.plain_out(scripts.script(words[0]))
    else:
        raise Invalid("usage", "name a shell: bash, zsh or fish", hint="ssh-jit completion --help")
    return ExitCode.OK
