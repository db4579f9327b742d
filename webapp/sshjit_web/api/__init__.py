"""The JSON API of the command line: every row of ``docs/protocol.md``, section 2, and nothing more.

Views parse, call the authority and hand its answer on. What a host says for itself is ``host_api.py``'s.
"""

from __future__ import annotations

from sshjit_web.api import account, acting, deciding, hosts, requests
from sshjit_web.api.speech import blueprint

__all__ = ["account", "acting", "blueprint", "deciding", "hosts", "requests"]
