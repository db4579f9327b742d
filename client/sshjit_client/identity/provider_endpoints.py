"""Where a provider signs people in, while the CA does not know it yet.

After each start the CA asks the providers for their endpoints. The bundle that it signs before has none. That takes a
moment, so that whoever signs in waits for it here.
"""

from __future__ import annotations

import time
from contextlib import suppress

from sshjit.bundle import Provider
from sshjit.errors import SshJitError
from sshjit_client import trusted_bundle
from sshjit_client.storage.machine import Machine

PATIENCE = 45
"""Seconds that we wait. The CA asks again half a minute after a provider did not answer."""
PAUSE = 0.5
"""Seconds between two looks."""


def wait(machine: Machine, provider: Provider, patience: float = PATIENCE) -> Provider:
    """The provider with its endpoints; without them, if no bundle had them in time or waiting does not help."""
    if _is_known(provider):
        return provider
    machine.terminal.say(f"the CA has just started and has not reached {provider.title} yet; waiting for it")
    until = time.monotonic() + patience
    while not _is_known(provider) and (left := until - time.monotonic()) > 0:
        machine.terminal.progress(f"{int(left) + 1} s left · waiting until the CA has reached {provider.title}")
        time.sleep(PAUSE)
        provider = _look(machine, provider)
    machine.terminal.clear()
    return provider


def _is_known(provider: Provider) -> bool:
    """Whether nothing is to be waited for: the endpoints are there, or an administrator must mend something."""
    return bool(provider.authorization_endpoint and provider.token_endpoint) or bool(provider.problem)


def _look(machine: Machine, provider: Provider) -> Provider:
    """The provider in the newest bundle. A CA that is away at this moment is looked for again."""
    settings = machine.settings()
    with suppress(SshJitError):
        held = trusted_bundle.kept(machine, settings)
        if held is None or trusted_bundle.download(settings.url, held.stored.etag) is not None:
            newest = trusted_bundle.current(machine, settings, fresh=0).bundle
            return next((other for other in newest.providers if other.id == provider.id), provider)
    return provider
