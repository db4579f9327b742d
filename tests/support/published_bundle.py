"""What hosts are told: the newest bundle, and what ``ssh-keygen -Q`` says of a certificate under its list."""

from __future__ import annotations

import base64
import subprocess

from sshjit import bundle
from sshjit import ca_protocol as m
from tests.support.installation import Installation


def reply(ca: Installation, version: int = 1) -> m.BundleReply:
    """The newest bundle and its signature, as they are carried to a reader of this version."""
    return ca.say(m.ReadBundle(None, version), m.BundleReply)


def newest(ca: Installation, version: int = 1) -> bundle.Bundle:
    """The newest bundle, for a reader of this version."""
    text = reply(ca, version).bundle
    assert text is not None
    return bundle.read(text, plain_http=True)


def revoked(ca: Installation, certificate: m.CertificateView | str) -> bool:
    """Whether ``ssh-keygen -Q`` finds the certificate (or the line of one) in the newest bundle's list."""
    line = certificate if isinstance(certificate, str) else certificate.text
    (ca.home / "krl").write_bytes(base64.b64decode(newest(ca).krl))
    (ca.home / "x-cert.pub").write_text(f"{line}\n")
    done = subprocess.run(
        ["ssh-keygen", "-Q", "-f", ca.home / "krl", ca.home / "x-cert.pub"], capture_output=True, text=True, check=False
    )
    assert ("REVOKED" in done.stdout) == (done.returncode != 0), done
    return done.returncode != 0
