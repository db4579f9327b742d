"""What a certificate of ours says: the profile.

From a decided grant and a key this makes the one ``Certificate`` that may be signed. The ceilings stand here, so that
no policy, caller or bug above can get around them: validity from the CA's clock and never past the certificate's, the
grant's or the login's end; one principal ``<login>@<host id>`` for each host; only what the grant allows as extensions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from sshjit import names
from sshjit.errors import Invalid, Refused
from sshjit.sshcert import HOST, USER, Certificate
from sshjit.sshkey import PublicKey

BACKDATE = 60
"""Seconds that ``valid_after`` lies before now: sshd has no tolerance for clocks that differ."""
HOST_LIFETIME = 7 * 24 * 3600
"""Seconds that a host certificate lives."""
PROBE_LIFETIME = 60
"""Seconds that a probe's certificate lives after now."""
PROBE_AGE = 600
"""Seconds since when a probe's certificate that ran out has been over: more than hosts' clocks may differ."""
PROBE_COMMAND = "true"
"""All that a probe's certificate runs."""
PROBE_NOWHERE = "probe.invalid"
"""The host that a probe's certificate for another host names: there is none of this name (RFC 6761, section 6.4)."""
NONCE_BYTES = 32
MAX_KEY_ID = 200
GRANT_EXTENSION = "grant@ssh-jit"
_PASSING_ONLY = "echo 'ssh-jit: this certificate only opens the way to {}' >&2; exit 1"
"""What a certificate for a bastion runs instead of whatever is asked for."""
_FORWARDING = {"agent": "permit-agent-forwarding", "port": "permit-port-forwarding", "x11": "permit-X11-forwarding"}
_NOT_IN_KEY_ID = re.compile(r"[^A-Za-z0-9@._/+:-]")


@dataclass(frozen=True, slots=True)
class UserTerms:
    """What was decided: everything that a user certificate says besides the key. Times in seconds since the epoch."""

    grant: str
    subject: str
    person: str
    """For people who read sshd's log: ``acme/alice@example.com``. Identity is ``subject``."""
    login: str
    host_ids: tuple[str, ...]
    command: str | None
    forwarding: tuple[str, ...]
    source: tuple[str, ...]
    """CIDRs; empty: from anywhere."""
    verify_required: bool
    lifetime: int
    grant_ends: int
    login_ends: int


@dataclass(frozen=True, slots=True)
class Issue:
    """Where and when a certificate is signed. ``ceiling``: seconds that no certificate outlives."""

    now: int
    serial: int
    nonce: bytes
    ca: PublicKey
    ceiling: int


def user_certificate(terms: UserTerms, key: PublicKey, issue: Issue) -> Certificate:
    """The certificate for ``key`` under ``terms``.

    Raises:
        Refused: ``grant_over``, ``login_over``, ``hardware_key_needed``.
        Invalid: a name that may not stand in a certificate.

    """
    if terms.grant_ends <= issue.now:
        raise Refused("grant_over", "the window of this grant is over", hint="ask again")
    if terms.login_ends <= issue.now:
        raise Refused("login_over", "the login is over", hint="ssh-jit login")
    if terms.verify_required and not key.hardware:
        raise Refused("hardware_key_needed", "this rule asks for a hardware key, and the login's key is not one")
    if terms.lifetime < 1:
        raise Invalid("bad_validity", "a certificate lives at least a second")
    return Certificate(
        key=key,
        kind=USER,
        serial=issue.serial,
        key_id=key_id(terms.grant, terms.subject, terms.person),
        principals=tuple(names.principal(terms.login, host) for host in terms.host_ids),
        valid_after=issue.now - BACKDATE,
        valid_before=min(issue.now + min(terms.lifetime, issue.ceiling), terms.grant_ends, terms.login_ends),
        critical=_critical(terms),
        extensions=_extensions(terms),
        nonce=issue.nonce,
        ca_blob=issue.ca.blob,
    )


def probe_certificate(
    probe: str, principal: str, key: PublicKey, issue: Issue, *, expired: bool = False
) -> Certificate:
    """A certificate by which the operator sees whether hosts enforce. It runs ``true`` and permits nothing.

    The extension that names the grant names the probe, so that a host ends its session in time. An ``expired`` one was
    over when it was signed.
    """
    ends = issue.now - PROBE_AGE if expired else issue.now + min(PROBE_LIFETIME, issue.ceiling)
    return Certificate(
        key=key,
        kind=USER,
        serial=issue.serial,
        key_id=key_id(probe, "operator", "probe"),
        principals=(principal,),
        valid_after=(ends if expired else issue.now) - BACKDATE,
        valid_before=ends,
        critical=(("force-command", PROBE_COMMAND),),
        extensions=((GRANT_EXTENSION, f"{names.identifier(probe)} {ends}"),),
        nonce=issue.nonce,
        ca_blob=issue.ca.blob,
    )


def probe_passage(probe: str, target: str, bastion: str, key: PublicKey, issue: Issue) -> Certificate:
    """A probe's certificate that passes through ``bastion`` to the one host ``target`` (host ids), and no more."""
    certificate = probe_certificate(probe, names.passage(target, bastion), key, issue)
    extensions = (*certificate.extensions, (_FORWARDING["port"], None))
    return replace(certificate, extensions=tuple(sorted(extensions)))


def bastion_certificate(terms: UserTerms, target: str, bastion: str, key: PublicKey, issue: Issue) -> Certificate:
    """The certificate that passes through ``bastion`` to the one host ``target`` of the grant (host ids), and no more.

    sshd goes by the first line of a principals file that a certificate fits, so each target has one of its own.

    Raises:
        Refused, Invalid: as ``user_certificate``.

    """
    passing = replace(terms, command=_PASSING_ONLY.format(names.host_id(target)), forwarding=("port",))
    certificate = user_certificate(passing, key, issue)
    return replace(certificate, principals=(names.passage(target, bastion),))


def host_certificate(
    name: str, aliases: tuple[str, ...], key: PublicKey, issue: Issue, *, host_id: str | None = None
) -> Certificate:
    """The host certificate for exactly the registered name and aliases: no wildcard can be written.

    The key id is ``host <host id>``: by it a host learns its own id, signed. ``None``: the name is the id.
    """
    return Certificate(
        key=key,
        kind=HOST,
        serial=issue.serial,
        key_id=f"host {names.host_id(name if host_id is None else host_id)}"[:MAX_KEY_ID],
        principals=tuple(names.host_alias(each) for each in (name, *aliases)),
        valid_after=issue.now - BACKDATE,
        valid_before=issue.now + HOST_LIFETIME,
        critical=(),
        extensions=(),
        nonce=issue.nonce,
        ca_blob=issue.ca.blob,
    )


def key_id(*parts: str) -> str:
    """The key id: the parts in printable ASCII with a blank between them, at most 200 bytes.

    sshd writes it into its log, so what could forge a line there becomes ``_``.
    """
    return " ".join(_NOT_IN_KEY_ID.sub("_", part) for part in parts)[:MAX_KEY_ID]


def _critical(terms: UserTerms) -> tuple[tuple[str, str | None], ...]:
    options: list[tuple[str, str | None]] = []
    if terms.command is not None:
        options.append(("force-command", names.command(terms.command)))
    if terms.source:
        options.append(("source-address", ",".join(map(names.network, terms.source))))
    if terms.verify_required:
        options.append(("verify-required", None))
    return tuple(options)


def _extensions(terms: UserTerms) -> tuple[tuple[str, str | None], ...]:
    unknown = set(terms.forwarding) - _FORWARDING.keys()
    if unknown:
        raise Invalid("bad_options", f"{names.show(min(unknown))} cannot be forwarded")
    options: list[tuple[str, str | None]] = [
        (GRANT_EXTENSION, f"{names.identifier(terms.grant)} {terms.grant_ends}"),
        *((_FORWARDING[kind], None) for kind in terms.forwarding),
    ]
    if terms.command is None:
        options.append(("permit-pty", None))
    return tuple(sorted(options))
