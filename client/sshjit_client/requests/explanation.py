"""What ``ssh-jit explain`` prints: the answer that a server would give to a request, and what every rule says."""

from __future__ import annotations

import json

from sshjit import wire
from sshjit.api.explain import ExplainBody, ExplainReply
from sshjit.explanation_text import reply_lines
from sshjit_client.console.exit_codes import ExitCode
from sshjit_client.console.styles import terminal_styles
from sshjit_client.console.times import at
from sshjit_client.storage.machine import Machine


def print_explanation(machine: Machine, body: ExplainBody, reply: ExplainReply, *, as_json: bool) -> int:
    """Prints it. The exit code is 0, whatever it says."""
    if as_json:
        machine.terminal.out(json.dumps(wire.encode(reply), indent=2))
    else:
        lines = reply_lines(body, reply, terminal_styles(machine.environ), time_text=at)
        machine.terminal.out("\n".join(lines))
    return ExitCode.OK
