"""Forwarding that a certificate does not allow: the host refuses it in silence, so it is said before ssh starts."""

from __future__ import annotations

from collections.abc import Mapping

from sshjit.errors import Refused
from sshjit_client.console.terminal import Terminal
from sshjit_client.ssh.connection_args import ConnectionArgs

_NAMES = {"agent": "forwarding of an agent", "port": "port forwarding", "x11": "forwarding of X11"}
_OPTIONS = {
    "forwardagent": "agent",
    "forwardx11": "x11",
    "localforward": "port",
    "remoteforward": "port",
    "dynamicforward": "port",
}
"""Keywords of ssh_config -> what a rule has to allow for them."""
_OFF = ("no", "false", "none", "")


def asked(args: ConnectionArgs, values: Mapping[str, str]) -> dict[str, str]:
    """What a connection is to forward -> the option that says so, by the command line and ``ssh -G``."""
    configured = {
        kind: keyword for keyword, kind in reversed(_OPTIONS.items()) if values.get(keyword, "no") not in _OFF
    }
    return configured | args.forwards


def tell(terminal: Terminal, wanted: Mapping[str, str], allows: frozenset[str], rule: str, host: str) -> None:
    """Says what will not be forwarded to ``host``, by which rule, and what to write there.

    Raises:
        Refused: ``no_forwarding``, where the connection is for nothing else.

    """
    for kind, option in wanted.items():
        if kind in allows:
            continue
        text = f"the rule {rule} allows no {_NAMES[kind]} on {host}: your {option} does nothing there"
        hint = f'for it the rule needs forwarding = ["{kind}"]'
        if option in ("-W", "-w"):
            raise Refused("no_forwarding", text, hint=hint)
        terminal.say(text)
        terminal.hint(hint)
