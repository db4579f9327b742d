"""Certificates for the operator's probes: to be let in by, and to be refused by.

Nothing of value is ever signed: each runs ``true`` alone, for a key that lives in the operator's process, and what is
to be refused is over already, or names a host that there is not. The certificate of another CA is not made here: the
operator's process makes that CA, and forgets it.
"""

from __future__ import annotations

import hashlib

from sshjit import names, profile, sshcert
from sshjit.errors import Refused
from sshjit.events import ProbeIssued, ProbePurpose
from sshjit.profile import Issue
from sshjit.sshcert import Certificate
from sshjit.sshkey import PublicKey
from sshjit_ca.access import issuance
from sshjit_ca.context import Context
from sshjit_ca.state import Host

NOT_ALLOWED = "the CA signs no certificates for probes: ca.toml does not allow it"
NOWHERE = names.principal("probe", profile.PROBE_NOWHERE)
"""The principal of a certificate for another host: no host lists it."""


def require_allowed(context: Context) -> None:
    """That the operator's word for probes stands in ``ca.toml``, and that no host has the name of none.

    Raises:
        Refused: ``probe_off``, ``probe_name``.

    """
    if not context.config.probes:
        raise Refused("probe_off", NOT_ALLOWED, hint="[probe] enabled = true in ca.toml, then start the CA again")
    if profile.PROBE_NOWHERE in context.state.machines:
        why = f"a host is enrolled as {profile.PROBE_NOWHERE}, which must be the name of none"
        raise Refused("probe_name", why, hint=f"ssh-jit-ca host remove {profile.PROBE_NOWHERE} --reason TEXT")


def account(host: Host) -> str:
    """The account that a probe uses: the first that is not root's; empty, if the CA knows none."""
    return next((login for login in host.logins if login != "root"), "".join(host.logins[:1]))


def sign(context: Context, key: PublicKey, purpose: ProbePurpose, host: Host | None = None) -> str:
    """Signs and records one certificate; its line. ``host``: whose account it is for, ``None``: nobody's."""
    principal = NOWHERE if host is None else names.principal(account(host), host.id)
    probe, issue = context.new_id("probe"), _issue(context, host)
    certificate = profile.probe_certificate(probe, principal, key, issue, expired=purpose == "expired")
    return _sealed(context, probe, certificate, purpose, "" if host is None else host.id)


def sign_passage(context: Context, key: PublicKey, target: Host, bastion: Host) -> str:
    """Signs and records a certificate that passes through a bastion to this host; its line."""
    probe = context.new_id("probe")
    certificate = profile.probe_passage(probe, target.id, bastion.id, key, _issue(context, bastion))
    return _sealed(context, probe, certificate, "passes", bastion.id)


def _issue(context: Context, host: Host | None) -> Issue:
    """By the CA that this host trusts; ``None``: by the classical one."""
    post_quantum = host is not None and host.post_quantum_only
    ca, nonce = context.keys.active("user_ca", post_quantum=post_quantum).public, context.random(profile.NONCE_BYTES)
    return Issue(context.now, context.journal.next_serial(), nonce, ca, profile.PROBE_LIFETIME)


def _sealed(context: Context, probe: str, certificate: Certificate, purpose: ProbePurpose, host_id: str) -> str:
    """Signs and records; ``host_id``: of the host that the certificate is for, or empty."""
    classical = context.keys.active("user_ca")
    post_quantum = certificate.ca_blob != classical.public.blob
    signer = context.keys.active("user_ca", post_quantum=True) if post_quantum else classical
    blob = issuance.sign_and_read_back(certificate, signer)
    context.record(
        ProbeIssued(
            probe=probe,
            serial=certificate.serial,
            certificate=hashlib.sha256(blob).hexdigest(),
            purpose=purpose,
            valid_before=certificate.valid_before,
            principal=certificate.principals[0],
            host_id=host_id,
            key=certificate.key.fingerprint,
            post_quantum=post_quantum,
        )
    )
    return sshcert.line(blob)
