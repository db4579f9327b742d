"""The JSON API: every row of ``docs/protocol.md``, section 2, and nothing more. Views parse, ask the CA, hand on."""

from __future__ import annotations

from sshjit_web.api import account, hosts, locks, passkeys, requests
from sshjit_web.api.hosts import host_blueprint
from sshjit_web.api.json_io import blueprint

__all__ = ["account", "blueprint", "host_blueprint", "hosts", "locks", "passkeys", "requests"]
