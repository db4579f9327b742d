"""How ssh knows a host: the lines of the known_hosts file that each certificate has, by the bundle alone.

A host shows certificates by the installation's host CA, or, if the bundle says so, exactly the plain keys that joining
proved. Whichever it is, the lines name what the person typed and nothing else.
"""

from __future__ import annotations

from pathlib import Path

from sshjit.bundle import Bundle, PlainHost
from sshjit_client.storage import files, one_line

SUFFIX = ".known"
APART = "_post_quantum"
"""What the name of the list of revoked post-quantum host keys has more than that of the other list."""


def plain(bundle: Bundle, host: str) -> PlainHost | None:
    """The host of this name (or alias, in lower case), if the bundle says that it shows no host certificates."""
    return next((known for known in bundle.host_keys if host in known.names), None)


def host_cas(bundle: Bundle) -> tuple[str, ...]:
    """The keys of CAs that certify hosts. An ssh that does not know the post-quantum ones passes over their lines.

    Each host that has a certificate by those has one by the others too.
    """
    return (*bundle.host_ca, *(bundle.post_quantum.host_ca if bundle.post_quantum else ()))


def text(bundle: Bundle, host: str, port: int = 22, *, plain_ssh: bool = False) -> str:
    """The whole file. Its first line is a comment, so that a host of which no key counts any more is not forgotten.

    With another ``port`` each line is there once more for ``[host]:port``, as most programs besides ssh look for it.
    One name a line: Net::SSH passes over lines of a CA with several. ``plain_ssh``: it is for other programs as well as
    ssh, some of which refuse a whole file by a key of a type that they do not know.

    Raises:
        Failed: ``odd_line``: a name or key has a line end in it, and would say more than it is.

    """
    shown = plain(bundle, host)
    mark, keys = (
        ("@cert-authority ", bundle.host_ca if plain_ssh else host_cas(bundle)) if shown is None else ("", shown.keys)
    )
    patterns, head = ([host], f"# {host}") if port == 22 else ([host, f"[{host}]:{port}"], f"# {host} {port}")
    known = one_line.require(head, *(f"{mark}{name} {key}" for name in patterns for key in keys))
    return "".join(f"{line}\n" for line in known)


def update(folder: Path, bundle: Bundle, *, plain_ssh: bool = False) -> None:
    """Makes every such file in the folder say what a newer bundle says. A host's keys may have gone, or others come."""
    for path in folder.glob(f"*{SUFFIX}"):
        try:
            held = path.read_text("ascii", "replace")
        except OSError:
            continue  # removed meanwhile, with its certificate
        words = held.partition("\n")[0].split()[1:3]  # "# HOST [PORT]", or an older program's "@cert-authority HOST …"
        port = int(words[1]) if len(words) == 2 and words[1].isdecimal() else 22
        if words and (written := text(bundle, words[0], port, plain_ssh=plain_ssh)) != held:
            files.write(path, written, durable=False)
