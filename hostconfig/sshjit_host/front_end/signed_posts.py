"""What this host tells the CA, signed by one of its keys: its state, its sessions, that it leaves.

The CA knows the keys that have joined. Where it says that it does not know one, or a key cannot sign, the next is
tried. Whatever else is wrong with a message is so with every key, and a front end that is away costs time each time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sshjit_host.config import Config
from sshjit_host.errors import HostError
from sshjit_host.formats.bundle import Bundle
from sshjit_host.front_end import fetch, renewal
from sshjit_host.openssh import host_keys
from sshjit_host.openssh.dropin import DropIn
from sshjit_host.openssh.host_keys import HostKey
from sshjit_host.openssh.keygen import sign

UNKNOWN = "unknown_host_key"
"""The CA's word for a key that has not joined under this name."""


@dataclass(frozen=True)
class Kind:
    """A kind of message: its place below ``/api/v1/host``, and what is signed in which namespace.

    ``text`` makes the signed bytes of the installation's name and the message without its signature.
    """

    place: str
    namespace: str
    text: Callable[[str, dict[str, Any]], bytes]


def send(config: Config, bundle: Bundle, kind: Kind, fields: dict[str, Any]) -> str:
    """Send ``fields`` with ``host_key`` and its ``signature``; the text of the answer.

    Raises ``HostError``: what the CA refused, that the front end cannot be reached, or why no key can sign.
    """
    problem = HostError("this host has no key that can sign", hint="ssh-jit-host doctor")
    for key in _keys(config, bundle):
        message = {**fields, "host_key": key.line}
        try:
            text = kind.text(bundle.installation, message)
            message["signature"] = sign(config.ssh_keygen, key.path, text, kind.namespace)
        except HostError as error:
            problem = error
            continue
        try:
            return fetch.post(config.url, kind.place, message)
        except fetch.Refusal as error:
            if error.code != UNKNOWN:
                raise
            problem = error
    raise problem


def _keys(config: Config, bundle: Bundle) -> list[HostKey]:
    """The host's keys, those first that have a certificate of ours: the CA knows them."""
    dropin = DropIn(config)
    certified = {due.path for due in renewal.ours(dropin, bundle)}
    return sorted(host_keys.read(config, dropin).offered, key=lambda key: key.path not in certified)
