"""The JSON API: every row of ``docs/protocol.md``, section 2, and nothing more. Views parse, ask the CA, hand on."""

from __future__ import annotations

from sshjit_web.api import account, hosts, json_io, locks, passkeys, requests
from sshjit_web.api.calls import calls
from sshjit_web.api.json_io import blueprint, host_blueprint

json_io.serve(host_blueprint, blueprint)

__all__ = ["account", "blueprint", "calls", "host_blueprint", "hosts", "locks", "passkeys", "requests"]
