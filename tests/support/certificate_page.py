"""Writes ``docs/certificates.md`` from the table. Run as ``python -m tests.support.certificate_page``."""

from __future__ import annotations

from pathlib import Path

from tests.support import certificate_cases as table
from tests.support.certificate_cases import Case
from tests.support.certificate_refusals import REFUSALS

PLACE = Path(__file__).resolve().parents[2] / "docs" / "certificates.md"
_TOPICS = (
    ("The person's key", table.KEYS),
    ("The CA's key", table.CAS),
    ("Times", table.TIMES),
    ("Principals", table.NAMES),
    ("Options", table.OPTIONS),
    ("Hardware keys", table.HARDWARE),
    ("Revocation", table.REVOCATION),
    ("Forgeries and mix-ups", table.FORGERIES),
)
_HEAD = """\
# Certificates at a real sshd

Every line of this page is a test: `tests/integration/test_certificates_at_sshd.py` offers the certificate to a real
OpenSSH server, and holds the server's answer and its log against what stands here. The server trusts five CA keys and
one that is being retired, for the principal `deploy@web1`. Certificates are made by our own encoder and profile; what
our CA would never sign is called *forged*, or made by `ssh-keygen`. *accepts … denied* means that the person gets in
and the service that was asked for is refused. T1, T2 … are the traps that other systems fell into.

This page is written by `python -m tests.support.certificate_page`.
"""


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    for title, cases in _TOPICS:
        rows = "".join(f"| {case.offered} | {_verdict(case)} | {case.why} |\n" for case in cases)
        parts.append(f"\n## {title}\n\n| what is offered | sshd | why |\n|---|---|---|\n{rows}")
    rows = "".join(f"| {each.asked} | `{each.code}` | {each.why} |\n" for each in REFUSALS)
    parts.append(f"\n## What our CA does not sign\n\n| what is asked | refused as | why |\n|---|---|---|\n{rows}")
    return "".join(parts)


def _verdict(case: Case) -> str:
    return f"{case.sshd}, denied" if case.output == "denied" else case.sshd


if __name__ == "__main__":
    PLACE.write_text(page())
