"""The command ``ssh-jit-web check``: prints what ``provider_check`` finds, one line each."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from sshjit_web import config, provider_check
from sshjit_web.escape_controls import escape_controls
from sshjit_web.oidc import RelyingParty


def run(path: Path) -> int:
    """Checks every provider; exit code 1 if something is bad.

    Raises:
        SshJitError: the configuration is wrong.

    """
    settings = config.load(path)
    file = Path(settings.providers)
    known = config.load_providers(file)
    hidden = config.client_secrets(known, file.parent)
    bad = False
    for name, provider in known.items():
        party = RelyingParty(
            name,
            provider,
            client_secret=hidden[name],
            origin=settings.origin,
            key=b"check",
            clock=time.time,
            tls_roots=settings.tls_roots,
        )
        for finding in provider_check.check(party, provider, hidden[name], settings.tls_roots):
            bad = bad or finding.level == "bad"
            hint = f"\n{'':8} hint: {finding.hint}" if finding.hint else ""
            for line in f"{finding.level:8} {name}: {finding.text}{hint}".split("\n"):
                sys.stdout.write(f"{escape_controls(line)}\n")
    return 1 if bad else 0
