"""Which root of the bundle this host is pinned to: the one it joined with, or the newest that followed from it.

``host.json`` names the root of the joining line, and is not changed. When another root has followed, signed by the one
before, ``root.json`` in the host's home names it, and the older one is not accepted any more.
"""

from __future__ import annotations

import json

from sshjit_host.config import Config
from sshjit_host.errors import HostError
from sshjit_host.formats import strictjson
from sshjit_host.machine import files


def read(config: Config) -> str:
    """The pinned root, ``SHA256:…``."""
    path = config.home / "root.json"
    data = files.read(path)
    if data is None:
        return config.root
    try:
        fields = strictjson.loads(data.decode("ascii"))
        strictjson.only(fields, required=frozenset(("joined", "now")))
        joined, now = (strictjson.typed(fields, name, str) for name in ("joined", "now"))
    except ValueError as error:
        raise HostError(
            f"{path} cannot be used: {error}",
            hint=f"to go by the root of the joining line again, remove {path}",
        ) from None
    # A host that joined again uses the root of its new joining line, not what followed from the old one.
    return now if joined == config.root else config.root


def pin(config: Config, root: str) -> None:
    """Pins ``root`` from now on."""
    text = json.dumps({"joined": config.root, "now": root}, sort_keys=True)
    files.write(config.home / "root.json", f"{text}\n".encode("ascii"))
