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
from sshjit_client.connecting import dialects
from sshjit_client.ssh import certificate_index, jumps, known_hosts, own_known_hosts, sharing, sshconfig
from sshjit_client.ssh.certificate_index import HEAD
from sshjit_client.ssh.connection_args import ConnectionArgs
from sshjit_client.storage import file_locks, files

_DIRECT = jumps.Way()
_HOST_KEY = sshcert.certificate_type(sshkey.MLDSA44_ED25519)
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
    second: str = ""
    """As in ``CheckedCertificate``."""

    def alone(self) -> CheckedBastion:
        """As in ``CheckedCertificate``."""
        return replace(self, line=self.second or self.line, second="")


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
    second: str = ""
    """The same by the other CA, for a host that may not take ``line``; empty: it is shown ``line`` alone."""

    def alone(self) -> CheckedCertificate:
        """The one certificate that every host takes which may be shown two: for programs that show one."""
        bastion = self.bastion.alone() if self.bastion else None
        return replace(self, line=self.second or self.line, second="", bastion=bastion)


def check(view: CertificateView, public: str, host: str, login: str | None, bundle: Bundle) -> CheckedCertificate:
    """Checks a certificate against the request: our key ``public``, ``host``, and ``login`` if one was named.

    Raises:
        Failed: ``bad_certificate``, with everything that does not fit.

    """
    try:
        route = _route(view, host)
        account = names.login_name(view.login)
        principal = names.principal(account, route.host_id)

        def require(certificate: sshcert.Certificate) -> None:
            own = (
                (principal not in certificate.principals, f"it is not for {principal}"),
                (login not in (None, account), f"it is for {account}, not {login}"),
            )
            end = (certificate.valid_before != view.valid_before, "its end differs from what the server says")
            _require("a wrong certificate", certificate, public, bundle, own, end)

        first, *rest = dialects.shown(view.text, view.post_quantum, route.post_quantum, require)
    except Invalid as error:
        raise Failed("bad_certificate", f"the server sent an unusable certificate: {error}") from None
    bastion = _bastion(view, public, route, bundle) if route.via else None
    extensions = dict(first.certificate.extensions)
    allows = frozenset(kind for kind, extension in jumps.EXTENSIONS.items() if extension in extensions)
    second = "".join(other.line for other in rest)
    return CheckedCertificate(first.line, account, first.certificate.valid_before, route, bastion, host, allows, second)


def _bastion(view: CertificateView, public: str, route: RouteView, bundle: Bundle) -> CheckedBastion:
    """The checked certificate for the bastion before a host.

    Which host that is, and that it leads to the target, is in the certificate: the front end cannot say it.
    """
    passing = next((each for each in view.bastions if each.target == route.host_id), None)
    if passing is None:
        raise Failed("bad_certificate", f"the server sent no certificate for {names.show(route.via)}, the bastion")
    try:
        host_id, login = names.host_id(passing.route.host_id), names.login_name(passing.login)
        name, address, port = _checked_route(passing.route)

        def require(certificate: sshcert.Certificate) -> None:
            own = ((certificate.principals != (names.passage(route.host_id, host_id),), "it is for another way"),)
            end = (certificate.valid_before < view.valid_before, "it ends before the other one")
            _require("a wrong certificate for the bastion", certificate, public, bundle, own, end)

        first, *rest = dialects.shown(passing.text, passing.post_quantum, passing.route.post_quantum, require)
    except Invalid as error:
        raise Failed("bad_certificate", f"the server sent an unusable certificate for the bastion: {error}") from None
    return CheckedBastion(first.line, login, name, address, port, "".join(other.line for other in rest))


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
        (certificate.key.line != sshkey.parse_line(public, post_quantum=True).line, "it is for another key"),
        *own,
        (not dialects.by_our_ca(certificate, bundle), "the bundle does not name its CA"),
        end,
    )
    problems = [problem for wrong, problem in checks if wrong]
    if problems:
        raise Failed("bad_certificate", f"the server sent {what}: {'; '.join(problems)}")


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
        second = _keep_second(certificate, checked.second, kept.key)
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
            second=second,
            known_hosts=hosts,
            host_key=_host_key(bundle, host, own, kept.agent),
            revoked=_revoked(kept.revoked, own),
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


def _host_key(bundle: Bundle, host: str, own: sshconfig.Own, agent: str) -> tuple[str, ...]:
    """What ssh is told of post-quantum host certificates, where the installation has a CA for them.

    By itself ssh takes no such CA's signature, and prefers the classical certificate of the same host. An order that is
    written replaces what ssh chooses by the keys that it knows: so only for a host that is known by its CA, and not
    where an agent signs for the host alone, which may not know such a key.
    """
    if bundle.post_quantum is None or not bundle.post_quantum.host_ca or known_hosts.plain(bundle, host) is not None:
        return ()
    prefers = _reads(own) and not agent and not own_known_hosts.has(own.host_key_alias or host, own.values)
    return ("CASignatureAlgorithms +ssh-*ed25519", *([f"HostKeyAlgorithms ^{_HOST_KEY}"] if prefers else []))


def _reads(own: sshconfig.Own) -> bool:
    """Whether this ssh reads post-quantum host certificates: it names them, unless the person leaves them out."""
    return _HOST_KEY in own.values.get("hostkeyalgorithms", "").split(",")


def _revoked(usual: Path, own: sshconfig.Own) -> tuple[Path, ...]:
    """The lists of revoked host keys: by the post-quantum one an older ssh would refuse every host."""
    apart = usual.with_name(f"{usual.name}{known_hosts.APART}")
    return (usual, apart) if _reads(own) and apart.exists() else (usual,)


def _keep_second(certificate: Path, line: str, key: Path) -> Path | None:
    """Writes the certificate that is shown after the first one, and what leads to it; none, if there is no such line.

    One that an earlier connection left, when nobody knew yet what the host takes, goes.
    """
    second = sshconfig.second(certificate)
    if not line:
        led = sshconfig.led(second)
        for path in (second, led, led.with_name(f"{led.name}.pub")):
            path.unlink(missing_ok=True)
        return None
    files.write(second, f"{line}\n", durable=False)
    sshconfig.lead(second, key)
    return second


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
    second = _keep_second(certificate, bastion.second, target.key)
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
        second=second,
        known_hosts=hosts,
        host_key=_host_key(bundle, bastion.host, own, target.agent),
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
    each: tuple[str, ...] = ("-cert.pub", ".known", sshconfig.LED, f"{sshconfig.LED}.pub")
    each += tuple(f"{sshconfig.SECOND}{end}" for end in each if end != ".known")
    for suffix in (".conf", *each, VIA, *(f"{VIA}{end}" for end in each)):
        path.with_name(path.name.removesuffix(".conf") + suffix).unlink(missing_ok=True)
