"""Which certificates a host is shown: that of a classical CA, that of a post-quantum CA, or both, and in which order.

A host that does not read post-quantum certificates counts one as a try that failed, so such a host is shown none, and
one that nobody knows is shown both. Which host is which is the server's word: it decides how many tries are lost, and
no more, for each certificate is checked by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sshjit import sshcert, sshkey
from sshjit.api.views import PostQuantumView, PostQuantumWord
from sshjit.bundle import Bundle
from sshjit.errors import Failed
from sshjit.sshcert import Certificate
from sshjit.sshwire import Reader


@dataclass(frozen=True, slots=True)
class Line:
    """A certificate, and its line, written again by us."""

    certificate: Certificate
    line: str

    @property
    def post_quantum(self) -> bool:
        """Whether a post-quantum CA signed it."""
        return is_post_quantum(self.certificate)


def is_post_quantum(certificate: Certificate) -> bool:
    """Whether a post-quantum CA signed this certificate."""
    return Reader(certificate.ca_blob).text() == sshkey.MLDSA44_ED25519


def read(text: str) -> Line:
    """A certificate as the server sends it. Raises ``Invalid``."""
    certificate, signed, signature = sshcert.parse_line(text)
    return Line(certificate, sshcert.line(sshcert.seal(signed, signature)))


def shown(
    text: str, beside: PostQuantumView | None, word: PostQuantumWord, require: Callable[[Certificate], None]
) -> tuple[Line, ...]:
    """The certificates to show to a host, in this order: one, or both.

    ``text`` and ``beside``: as in ``CertificateView``. ``word``: what the host takes. ``require``: raises if anything
    is wrong with one.

    Raises:
        Invalid: what is wrong with the form of one.
        Failed: ``bad_certificate``.

    """
    first = read(text)
    require(first.certificate)
    if beside is None:
        if first.post_quantum and word not in ("yes", "only"):
            why = "only a post-quantum certificate, for a host that is not known to take it"
            raise Failed("bad_certificate", f"the server sent {why}", hint="connect again, or sign in again")
        return (first,)
    second = read(beside.text)
    require(second.certificate)
    if first.post_quantum or not second.post_quantum or _content(first) != _content(second):
        raise Failed("bad_certificate", "the server sent two certificates that are not the same by two CAs")
    if word == "no":
        return (first,)
    return (second, first) if word == "unknown" else (second,)


def _content(line: Line) -> Certificate:
    """What both say: all but serial, nonce and CA."""
    return replace(line.certificate, serial=1, nonce=b"", ca_blob=b"")


def by_our_ca(certificate: Certificate, bundle: Bundle) -> bool:
    """Whether a CA key of the bundle signed it, by its name."""
    apart = bundle.post_quantum.user_ca if bundle.post_quantum else ()
    return any(
        sshkey.parse_line(line, post_quantum=True).blob == certificate.ca_blob for line in (*bundle.user_ca, *apart)
    )
