"""What a bundle says of post-quantum CA keys, apart from all else: for those whose OpenSSH reads them.

Whether a host goes by it is decided there, by asking its sshd; what is believed besides, in ``sshjit/bundle.py``.
"""

from __future__ import annotations

import base64
import dataclasses
from dataclasses import dataclass
from typing import Any

from sshjit import krl, names, sshkey
from sshjit.errors import Invalid


@dataclass(frozen=True, slots=True)
class PostQuantum:
    """What is about post-quantum CA keys, apart from all else: who does not know it goes by the rest.

    OpenSSH before 10.4 trusts nobody below a line of such a key, and refuses everybody by a list with such a section.
    """

    user_ca: tuple[str, ...]
    host_ca: tuple[str, ...]
    retired: tuple[str, ...]
    """Keys of the past that the list here refuses whole."""
    krl: str
    """A whole OpenSSH KRL, base64: its sections come after those of the bundle's own list, where they can be read."""
    only: tuple[str, ...]
    """Ids of the hosts that trust the ``user_ca`` here alone, by the operator's word."""
    root: str
    """The key of a second signature over the bundle, as an OpenSSH line; empty: there is none."""

    def known(self) -> tuple[PostQuantum, list[str]]:
        """The same without keys and sections of types that are not known here, and what those are, for people."""
        parts: dict[str, Any] = {}
        left_out = []
        for name in ("user_ca", "host_ca", "retired"):
            parts[name], unknown = sshkey.known_lines(getattr(self, name), post_quantum=True)
            left_out += [f"keys of the type {kind} in post_quantum.{name}" for kind in unknown]
        if self.root:
            known, unknown = sshkey.known_lines((self.root,), post_quantum=True)
            parts["root"] = "".join(known)
            left_out += [f"a key of the type {kind} in post_quantum.root" for kind in unknown]
        raw, sections = krl.known(krl.decode(self.krl), post_quantum=True)
        left_out += [f"{section} in the post-quantum revocation list" for section in sections]
        if sections:
            parts["krl"] = base64.b64encode(raw).decode("ascii")
        return dataclasses.replace(self, **parts), left_out

    def check(self) -> None:
        """Keys that are post-quantum alone, so that nothing classical comes in where nobody looks for it."""
        every = (self.user_ca, self.host_ca, self.retired)
        for line in (*(line for lines in every for line in lines), *filter(None, (self.root,))):
            key = sshkey.parse_line(line, post_quantum=True)
            if key.line != line or not key.post_quantum:
                raise Invalid("bad_bundle", "the bundle holds a post-quantum CA key that is not a plain one")
        if any(len(set(each)) != len(each) for each in (*every, self.only)):
            raise Invalid("bad_bundle", "the bundle names a post-quantum CA key, or a host of such, twice")
        self.refused()
        for host in self.only:
            names.host_id(host)

    def ca_blobs(self) -> frozenset[bytes]:
        """The keys of CAs that it names."""
        lines = (*self.user_ca, *self.host_ca, *self.retired)
        return frozenset(sshkey.parse_line(line, post_quantum=True).blob for line in lines)

    def refused(self) -> frozenset[bytes]:
        """The keys that its list refuses whole. Raises ``Invalid``: ``bad_krl``."""
        return krl.read(krl.decode(self.krl), post_quantum=True)
