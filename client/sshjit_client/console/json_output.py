"""``--json``: what a command prints for programs. Escapes are JSON's own, so nothing in it can move a cursor."""

from __future__ import annotations

import json
from typing import Any

from sshjit import wire
from sshjit.api.views import RequestView
from sshjit_client.console.terminal import Terminal


def print_request(terminal: Terminal, request: RequestView, page: str) -> None:
    """Prints a request, with its address."""
    print_json(terminal, {"request": wire.encode(request), "page": page})


def print_json(terminal: Terminal, value: Any) -> None:
    """Prints ``value``, as ``wire.encode`` made it, in ASCII."""
    terminal.out(json.dumps(value, indent=2))
