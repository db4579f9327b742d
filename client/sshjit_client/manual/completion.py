"""Completion for bash, zsh and fish: commands, options, and the names of hosts that this machine has heard of.

Names come from ``ssh-jit completion hosts``, which reads a local file and asks no server.
"""

from __future__ import annotations

from collections.abc import Callable

from sshjit_client.manual import command_table

_BASH = r"""# bash completion for ssh-jit; written by `ssh-jit completion bash`
_ssh_jit() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} command="" i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${{COMP_WORDS[i]}} in
            -*) ;;
            *) command=${{COMP_WORDS[i]}}; break ;;
        esac
    done
    local words="" user=""
    case $command in
        "") words="{commands}"
            [[ $word == -* ]] && words="{own}" ;;
{cases}
    esac
    case $command in
        ""|{hosts})
            if [[ $word != -* ]]; then
                [[ $word == *@* ]] && user=${{word%%@*}}@ && words=""
                local name
                for name in $(ssh-jit completion hosts 2>/dev/null); do words+=" $user$name"; done
            fi ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _ssh_jit ssh-jit
"""
_ZSH = r"""#compdef ssh-jit
# zsh completion for ssh-jit; written by `ssh-jit completion zsh`
_ssh_jit() {{
    local command="" word words_for user=""
    for word in ${{words[2,CURRENT-1]}}; do
        [[ $word == -* ]] || {{ command=$word; break }}
    done
    local -a candidates
    case $command in
        "") candidates=({commands})
            [[ $PREFIX == -* ]] && candidates=({own}) ;;
{cases}
    esac
    case $command in
        ""|{hosts})
            if [[ $PREFIX != -* ]]; then
                [[ $PREFIX == *@* ]] && user=${{PREFIX%%@*}}@ && candidates=()
                candidates+=("$user"${{^${{(f)"$(ssh-jit completion hosts 2>/dev/null)"}}}})
            fi ;;
    esac
    compadd -a candidates || _default
}}
if [[ ${{funcstack[1]}} == _ssh-jit ]]; then
    _ssh_jit "$@"  # found in $fpath
else
    compdef _ssh_jit ssh-jit  # sourced
fi
"""
_FISH = r"""# fish completion for ssh-jit; written by `ssh-jit completion fish`
function __ssh_jit_hosts
    set -l user (string match -r '^[^@]*@' -- (commandline -ct))
    ssh-jit completion hosts 2>/dev/null | string replace -r '^' -- "$user"
end
set -l commands {commands}
complete -c ssh-jit -n "not __fish_seen_subcommand_from $commands" -f -a "$commands"
complete -c ssh-jit -n "not __fish_seen_subcommand_from $commands" -f -a "(__ssh_jit_hosts)"
complete -c ssh-jit -n "__fish_seen_subcommand_from {fish_hosts}" -f -a "(__ssh_jit_hosts)"
{lines}
"""


def script(shell: str) -> str:
    """The completion script of ``bash``, ``zsh`` or ``fish``."""
    return _SHELLS[shell]()


def _bash() -> str:
    cases = "\n".join(
        f'        {c.name}) words="{" ".join(c.options)}" ;;' for c in command_table.commands() if c.options
    )
    return _BASH.format(**_parts(), cases=cases)


def _zsh() -> str:
    cases = "\n".join(
        f"        {c.name}) candidates=({' '.join(c.options)}) ;;" for c in command_table.commands() if c.options
    )
    return _ZSH.format(**_parts(), cases=cases)


def _fish() -> str:
    own = [
        f'complete -c ssh-jit -n "not __fish_seen_subcommand_from $commands" -l {o[2:]}'
        for o in command_table.own_options()
    ]
    more = [
        f'complete -c ssh-jit -n "__fish_seen_subcommand_from {command.name}" -l {option[2:]}'
        for command in command_table.commands()
        for option in command.options
    ]
    parts = _parts()
    hosts = parts["hosts"].replace("|", " ")
    return _FISH.format(commands=parts["commands"], fish_hosts=hosts, lines="\n".join([*own, *more]))


def _parts() -> dict[str, str]:
    return {
        "commands": " ".join(command.name for command in command_table.commands()),
        "own": " ".join(command_table.own_options()),
        "hosts": "|".join(sorted(command_table.HOSTS)),
    }


_SHELLS: dict[str, Callable[[], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
SHELLS = tuple(_SHELLS)
"""The shells that there is completion for."""
