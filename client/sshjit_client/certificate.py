"""A certificate that came from the server: whether it is what was asked for, and where it is kept.

Nothing of it reaches a file or ssh before every part of it was checked against the key that we hold, the host and
account that were asked for, and the CA keys of the verified bundle.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from sshjit import names, sshcert, sshkey
from sshjit.api.views import CertificateView, RouteView
from sshjit.bundle import Bundle
from sshjit.errors import Failed, Invalid
from sshjit_client import certificate_index, files, sshconfig
from sshjit_client.certificate_index import HEAD
from sshjit_client.connection_args import ConnectionArgs


@dataclass(frozen=True, slots=True)
class CheckedCertificate:
    """A checked certificate: ``line`` is our own spelling of it, ``route`` leads to the host that was typed."""

    line: str
    login: str
    valid_before: int
    route: RouteView


def check(view: CertificateView, public: str, host: str, login: str | None, believed: Bundle) -> CheckedCertificate:
    """Checks a certificate against what was asked: our key ``public``, ``host``, and ``login`` if one was named.

    Raises:
        Failed: ``bad_certificate`` with what does not fit.

    """
    try:
        certificate, signed, signature = sshcert.parse_line(view.text)
        route = _route(view, host)
        account = names.login_name(view.login)
        principal = names.principal(account, route.host_id)
    except Invalid as error:
        raise Failed("bad_certificate", f"the server sent a certificate that is not usable: {error}") from None
    problems = [
        problem
        for wrong, problem in (
            (certificate.kind != sshcert.USER, "it is not for a user"),
            (certificate.key.line != sshkey.parse_line(public).line, "it is for another key"),
            (principal not in certificate.principals, f"it is not for {principal}"),
            (login not in (None, account), f"it is for {account}, not {login}"),
            (not _by_our_ca(certificate.ca_blob, believed), "it is by a CA that the bundle does not name"),
            (certificate.valid_before != view.valid_before, "it says another time than the server"),
        )
        if wrong
    ]
    if problems:
        raise Failed("bad_certificate", f"the server sent a wrong certificate: {'; '.join(problems)}")
    return CheckedCertificate(sshcert.line(sshcert.seal(signed, signature)), account, certificate.valid_before, route)


def _by_our_ca(blob: bytes, believed: Bundle) -> bool:
    return any(sshkey.parse_line(line).blob == blob for line in believed.user_ca)


def _route(view: CertificateView, host: str) -> RouteView:
    """The route to ``host``, each part of it checked."""
    for route in view.routes:
        if host in (route.host, *route.aliases):
            for name in (route.host, *route.aliases):
                names.host_name(name)
            if names.host_id(route.host_id).partition("~")[0] != route.host:
                raise Invalid("bad_host", f"the host's id {route.host_id} does not fit its name")
            names.address(route.address)
            names.port(route.port)
            return route
    raise Invalid("bad_host", f"it does not lead to {host}")


def keep(
    checked: CheckedCertificate,
    args: ConnectionArgs,
    believed: Bundle,
    *,
    own: sshconfig.Own,
    kept: sshconfig.Files,
    skew: int,
) -> Path:
    """Writes certificate, known_hosts and configuration, and returns the configuration to run ssh with.

    ``own`` is what the person's own configuration says, ``skew`` the server's clock minus ours in seconds, so that
    the end is told by our clock.
    """
    folder = files.private_folder(kept.state / "open")
    forget(folder, time.time())
    name = certificate_index.name_for(args)
    certificate, hosts = folder / f"{name}-cert.pub", folder / f"{name}.known"
    host, route = args.host.lower(), checked.route
    marked = ",".join((route.host, *route.aliases))
    files.write(certificate, f"{checked.line}\n")
    files.write(hosts, "".join(f"@cert-authority {marked} {line}\n" for line in believed.host_ca))
    target = sshconfig.Target(
        typed=args.host,
        host=host,
        address=route.address,
        port=route.port,
        login=checked.login,
        key=kept.key,
        certificate=certificate,
        known_hosts=hosts,
        revoked=kept.revoked,
    )
    path = folder / f"{name}.conf"
    files.write(path, sshconfig.text(args, target, own, f"{HEAD}{checked.valid_before - skew}"))
    return path


def forget(folder: Path, before: float) -> None:
    """Removes the files of every certificate that ended before this time."""
    for path in folder.glob("*.conf"):
        with path.open("rb") as file:
            over = certificate_index.until(file.readline(80)) <= before
        if over:
            remove(path)


def remove(path: Path) -> None:
    """Removes the files of one certificate; ``path`` is its configuration, which goes first."""
    for suffix in (".conf", "-cert.pub", ".known"):
        path.with_name(path.name.removesuffix(".conf") + suffix).unlink(missing_ok=True)
