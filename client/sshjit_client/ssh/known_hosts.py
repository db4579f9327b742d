"""How ssh knows a host: the lines of the known_hosts file that each certificate has, by the bundle alone.

A host shows certificates by the installation's host CA, or, if the bundle says so, exactly the plain keys that joining
proved. Whichever it is, the lines name what the person typed and nothing else.
"""

from __future__ import annotations

from pathlib import Path

from sshjit.bundle import Bundle, PlainHost
from sshjit_client.storage import files

SUFFIX = ".known"


def plain(bundle: Bundle, host: str) -> PlainHost | None:
    """The host of this name (or alias, in lower case), if the bundle says that it shows no host certificates."""
    return next((known for known in bundle.host_keys if host in known.names), None)


def text(bundle: Bundle, host: str) -> str:
    """The whole file. Its first line is a comment, so that a host of which no key counts any more is not forgotten."""
    shown = plain(bundle, host)
    if shown is None:
        lines = [f"@cert-authority {host} {line}" for line in bundle.host_ca]
    else:
        lines = [f"{host} {line}" for line in shown.keys]
    return "".join(f"{line}\n" for line in (f"# {host}", *lines))


def update(folder: Path, bundle: Bundle) -> None:
    """Makes every such file in the folder say what a newer bundle says. A host's keys may have gone, or others come."""
    for path in folder.glob(f"*{SUFFIX}"):
        try:
            held = path.read_text("ascii", "replace")
        except OSError:
            continue  # removed meanwhile, with its certificate
        words = held.split(maxsplit=2)[1:2]  # "# HOST", or an older program's "@cert-authority HOST …"
        if words and (written := text(bundle, words[0])) != held:
            files.write(path, written, durable=False)
