"""A certificate from the server: checking that it is what we requested, and keeping it.

Nothing of it reaches a file or ssh before every part is checked: against our key, the requested host and account, and
the CA keys of the verified bundle.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from sshjit import names, sshcert, sshkey
from sshjit.api.views import CertificateView, RouteView
from sshjit.bundle import Bundle
from sshjit.errors import Failed, Invalid
from sshjit_client.ssh import certificate_index, jumps, known_hosts, sharing, sshconfig
from sshjit_client.ssh.certificate_index import HEAD
from sshjit_client.ssh.connection_args import ConnectionArgs
from sshjit_client.storage import file_locks, files

_DIRECT = jumps.Way()
VIA = "~via"
"""What the names of a bastion's files end with; no certificate's own name has ``~``."""


@dataclass(frozen=True, slots=True)
class CheckedBastion:
    """A checked certificate that passes through to the typed host alone. ``host``: the bastion's name."""

    line: str
    login: str
    host: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class CheckedCertificate:
    """A checked certificate. ``line``: the certificate, written again by us. ``route``: how to reach ``host``."""

    line: str
    login: str
    valid_before: int
    route: RouteView
    bastion: CheckedBastion | None = None
    host: str = ""
    """The name that was asked for."""
    allows: frozenset[str] = frozenset()
    """What may be forwarded by it: the values of ``connection_args.FORWARDING``."""


def check(view: CertificateView, public: str, host: str, login: str | None, bundle: Bundle) -> CheckedCertificate:
    """Checks a certificate against the request: our key ``public``, ``host``, and ``login`` if one was named.

    Raises:
        Failed: ``bad_certificate``, with everything that does not fit.

    """
    try:
        certificate, signed, signature = sshcert.parse_line(view.text)
        route = _route(view, host)
        account = names.login_name(view.login)
        principal = names.principal(account, route.host_id)
    except Invalid as error:
        raise Failed("bad_certificate", f"the server sent an unusable certificate: {error}") from None
    own = (
        (principal not in certificate.principals, f"it is not for {principal}"),
        (login not in (None, account), f"it is for {account}, not {login}"),
    )
    end = (certificate.valid_before != view.valid_before, "its end differs from what the server says")
    _require("a wrong certificate", certificate, public, bundle, own, end)
    line = sshcert.line(sshcert.seal(signed, signature))
    bastion = _bastion(view, public, route, bundle) if route.via else None
    allows = frozenset(
        kind for kind, extension in jumps.EXTENSIONS.items() if extension in dict(certificate.extensions)
    )
    return CheckedCertificate(line, account, certificate.valid_before, route, bastion, host, allows)


def _bastion(view: CertificateView, public: str, route: RouteView, bundle: Bundle) -> CheckedBastion:
    """The checked certificate for the bastion before a host.

    Which host that is, and that it leads to the target, is in the certificate: the front end cannot say it.
    """
    passing = next((each for each in view.bastions if each.target == route.host_id), None)
    if passing is None:
        raise Failed("bad_certificate", f"the server sent no certificate for {names.show(route.via)}, the bastion")
    try:
        certificate, signed, signature = sshcert.parse_line(passing.text)
        host_id, login = names.host_id(passing.route.host_id), names.login_name(passing.login)
        name, address, port = _checked_route(passing.route)
    except Invalid as error:
        raise Failed("bad_certificate", f"the server sent an unusable certificate for the bastion: {error}") from None
    own = ((certificate.principals != (names.passage(route.host_id, host_id),), "it is for another way"),)
    end = (certificate.valid_before < view.valid_before, "it ends before the other one")
    _require("a wrong certificate for the bastion", certificate, public, bundle, own, end)
    return CheckedBastion(sshcert.line(sshcert.seal(signed, signature)), login, name, address, port)


_Check = tuple[bool, str]
"""Whether something is wrong, and what."""


def _require(  # noqa: PLR0917 - the parts of one check
    what: str, certificate: sshcert.Certificate, public: str, bundle: Bundle, own: tuple[_Check, ...], end: _Check
) -> None:
    """That it is a user certificate for this key by our CA, and that nothing of ``own`` and ``end`` is wrong.

    Raises:
        Failed: ``bad_certificate``, with everything that does not fit; ``what`` the server sent then.

    """
    checks = (
        (certificate.kind != sshcert.USER, "it is not a user certificate"),
        (certificate.key.line != sshkey.parse_line(public).line, "it is for another key"),
        *own,
        (not _by_our_ca(certificate.ca_blob, bundle), "the bundle does not name its CA"),
        end,
    )
    problems = [problem for wrong, problem in checks if wrong]
    if problems:
        raise Failed("bad_certificate", f"the server sent {what}: {'; '.join(problems)}")


def _by_our_ca(blob: bytes, bundle: Bundle) -> bool:
    return any(sshkey.parse_line(line).blob == blob for line in bundle.user_ca)


def _route(view: CertificateView, host: str) -> RouteView:
    """The checked route to ``host``. Raises ``Invalid``."""
    for route in view.routes:
        if host in (route.host, *route.aliases):
            _checked_route(route)
            return route
    raise Invalid("bad_host", f"it has no route to {host}")


def _checked_route(route: RouteView) -> tuple[str, str, int]:
    """Name, address and port of a route. Raises ``Invalid``."""
    for name in (route.host, *route.aliases):
        names.host_alias(name)
    if names.host_id(route.host_id).partition("~")[0] != route.host:
        raise Invalid("bad_host", f"the host's id {route.host_id} does not match its name")
    return route.host, names.address(route.address), names.port(route.port)


def keep(
    checked: CheckedCertificate,
    args: ConnectionArgs,
    bundle: Bundle,
    *,
    own: sshconfig.Own,
    kept: sshconfig.Files,
    until: int,
    rule: str = "",
    reason: str = "",
    way: jumps.Way = _DIRECT,
) -> Path:
    """Writes certificate, known_hosts and configuration; returns the path of the configuration to run ssh with.

    ``own``: what the person's own configuration says. ``until``: the end by this machine's clock, of the certificate or
    of the way to the host. ``rule`` and ``reason``: those of the request. ``way``: by what the person's own
    ``ProxyJump`` names; its hosts are looked at again each time.

    Raises:
        Failed: ``certificate_over``: a host that is shown one that is over counts it against this address.

    """
    if until <= time.time():
        raise Failed("certificate_over", "the server sent a certificate that is over", hint="connect again")
    folder = files.private_folder(kept.state / "open")
    forget(folder, time.time())
    socket = sharing.socket(kept.state, checked.line)
    left = max(until - int(time.time()), 1)
    with file_locks.alone(folder):  # who sweeps must not take the half of what is new
        name = certificate_index.name_for(args)
        certificate, hosts = folder / f"{name}-cert.pub", folder / f"{name}{known_hosts.SUFFIX}"
        host, route = checked.host, checked.route
        files.write(certificate, f"{checked.line}\n", durable=False)
        key, accepted = sshconfig.lead(certificate, kept.key)
        # What was typed alone: the host's other names come unsigned, and could name whatever else the CA's line is for.
        files.write(hosts, known_hosts.text(bundle, own.host_key_alias or host), durable=False)
        first = [*sharing.lines(socket, own.values, left), *_address(args, own, checked)]
        first += [f"ProxyCommand {way.command}"] if way.command else []
        target = sshconfig.Target(
            typed=args.host,
            host=host,
            address=route.address,
            port=route.port,
            login=checked.login,
            key=key,
            accepted=accepted,
            certificate=certificate,
            known_hosts=hosts,
            revoked=kept.revoked,
            first=tuple(first),
            agent=kept.agent,
        )
        if checked.bastion is not None:
            hop = replace(target, key=kept.key)
            target = replace(target, proxy=_keep_bastion(checked.bastion, hop, args, bundle, own))
        path = folder / f"{name}.conf"
        in_agent = f"{certificate_index.IN}{kept.agent}" if kept.agent else ""
        head = [f"{HEAD}{until}{in_agent}", certificate_index.typed_line(args, reason)]
        head += [certificate_index.allowed_line(checked.allows, rule), *([f"{sharing.HEAD}{socket}"] if socket else [])]
        head += [f"{certificate_index.THROUGH}{hop}" for hop in way.hops]
        # Somebody may have decided for hours since ssh was asked: what the person has changed meanwhile counts as new.
        files.write(path, sshconfig.text(args, target, own, *head), durable=False, when=own.asked)
    if socket and sharing.wanted(own.values) != "no":
        sharing.stop_later(socket, left)
    return path


def _address(args: ConnectionArgs, own: sshconfig.Own, checked: CheckedCertificate) -> list[str]:
    """Where to connect to, if the person typed another word for the host than its name.

    Their ``HostName`` may be a name of it, which DNS need not know. An address of theirs counts, and not the server's.
    """
    typed, hostname = names.lowered(args.host), names.lowered(own.values.get("hostname", ""))
    if hostname != typed and hostname in (checked.route.host, *checked.route.aliases):
        return [f"HostName {checked.route.address}"]
    return [f"HostName {names.address(hostname)}"] if checked.host != typed else []


def _keep_bastion(
    bastion: CheckedBastion, target: sshconfig.Target, args: ConnectionArgs, bundle: Bundle, own: sshconfig.Own
) -> str:
    """Writes what a connection through the bastion needs; returns the value of ``ProxyCommand``."""
    base = target.certificate.name.removesuffix("-cert.pub") + VIA
    certificate, hosts, path = (target.certificate.with_name(base + end) for end in ("-cert.pub", ".known", ""))
    files.write(certificate, f"{bastion.line}\n", durable=False)
    key, accepted = sshconfig.lead(certificate, target.key)
    files.write(hosts, known_hosts.text(bundle, bastion.host), durable=False)
    hop = replace(
        target,
        typed=bastion.host,
        host=bastion.host,
        address=bastion.address,
        port=bastion.port,
        login=bastion.login,
        key=key,
        accepted=accepted,
        certificate=certificate,
        known_hosts=hosts,
        first=(),
    )
    plain = ConnectionArgs()
    plain.config = args.config
    files.write(path, sshconfig.text(plain, hop, own, "# the bastion before it"), durable=False)
    return jumps.bastion(bastion.host, bastion.login, path)


def forget(folder: Path, before: float) -> None:
    """Removes the files of every certificate that ended before this time."""
    over = [path for path in folder.glob("*.conf") if _ended(path, before)]
    for path in over:
        socket = sharing.of(path)
        # Another process may have written a new one meanwhile, whose shared connection goes on.
        if _ended(path, before):
            sharing.end_at(socket, sessions=False)
    if over:
        with file_locks.alone(folder):
            for path in over:
                if _ended(path, before):
                    _remove(path)


def _ended(path: Path, before: float) -> bool:
    """Whether a written configuration is there, and its certificate ended before this time."""
    try:
        with path.open("rb") as file:
            return certificate_index.until(file.readline(certificate_index.LONGEST_LINE)) <= before
    except FileNotFoundError:  # another process removed it
        return False


def remove_of(folder: Path, requests: Collection[str]) -> list[sshcert.Certificate]:
    """Removes the certificates of these requests, which are over; and those of which nobody can say whose they are.

    Ends the connections that were shared by them. Returns the former.
    """
    with file_locks.alone(folder):  # who writes one is not seen in the middle of it
        over = [(path, held, sharing.of(path)) for path in folder.glob("*.conf") if _is_of(held := _of(path), requests)]
    for _, _, socket in over:
        sharing.end_at(socket)
    with file_locks.alone(folder):
        for path, held, _ in over:
            if _of(path) == held:  # else a connection wrote that of a new grant meanwhile
                _remove(path)
    return [held for _, held, _ in over if held]


def _of(config: Path) -> sshcert.Certificate | None:
    """The certificate beside a written configuration; ``None`` if it is gone, or damaged."""
    return read(config.with_name(f"{config.name.removesuffix('.conf')}-cert.pub"))


def _is_of(held: sshcert.Certificate | None, requests: Collection[str]) -> bool:
    return held is None or _request(held) in requests


def read(path: Path) -> sshcert.Certificate | None:
    """The certificate in a file; ``None`` if it is gone, or damaged."""
    try:
        return sshcert.parse_line(path.read_text("ascii"))[0]
    except (OSError, ValueError, Invalid):
        return None


def request_of(certificate: Path) -> str | None:
    """The request that a kept certificate is of, by its key id; ``None`` where nobody can say."""
    held = read(certificate)
    return _request(held) if held else None


def _request(held: sshcert.Certificate) -> str:
    return held.key_id.partition(" ")[0]


def _remove(path: Path) -> None:
    """Removes the files of one certificate, its configuration ``path`` first."""
    each = ("-cert.pub", ".known", sshconfig.LED, f"{sshconfig.LED}.pub")
    for suffix in (".conf", *each, VIA, *(f"{VIA}{end}" for end in each)):
        path.with_name(path.name.removesuffix(".conf") + suffix).unlink(missing_ok=True)
