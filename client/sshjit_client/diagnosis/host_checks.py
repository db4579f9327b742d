"""One host: whether it is known, what is open there, and whether ssh's configuration lets the certificate work."""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from sshjit import sshcert, sshkey
from sshjit.api.hosts import HostsReply, HostView
from sshjit.api.views import RequestState, RequestView
from sshjit.bundle import Bundle
from sshjit.sshcert import Certificate
from sshjit_client import host_certificates
from sshjit_client.connecting import dialects
from sshjit_client.console.times import at
from sshjit_client.diagnosis.finding import Finding
from sshjit_client.requests import request_text
from sshjit_client.ssh import jumps, openssh, sshconfig


def known(typed: str, reply: HostsReply) -> tuple[HostView | None, Finding]:
    """The enrolled host of this name or alias."""
    for host in reply.hosts:
        if typed in (host.name, *host.aliases):
            via = f" via {host.via}" if host.via else ""
            return host, Finding("ok", "host", f"{host.name} ({host.id}) at {host.address} port {host.port}{via}")
    import difflib  # noqa: PLC0415  # only where it is not known

    names = [name for host in reply.hosts for name in (host.name, *host.aliases)]
    near = difflib.get_close_matches(typed, names, 1)
    hint = f"did you mean {near[0]}?" if near else "ssh-jit hosts lists them"
    return None, Finding("bad", "host", f"there is no host {typed} in this installation", hint)


def window(typed: str, host: HostView, requests: Sequence[RequestView], now: int) -> Finding:
    """What is open there, or how the newest request for it stands."""
    there = [request for request in requests if host.name in request.hosts and request.extends is None]
    usable = [request for request in there if request.state is RequestState.APPROVED and not request.blocked]
    begun = [request for request in usable if request.start is None or request.start <= now]
    if begun:
        listed = "; ".join(f"{request.login}: {request_text.state_text(request, now)}" for request in begun)
        return Finding("ok", "window", listed)
    if usable:
        return Finding("bad", "window", f"it is not open yet: {request_text.state_text(usable[0], now)}", "wait for it")
    if not there:
        return Finding("bad", "window", f"no access to {host.name} was requested", f"ssh-jit {typed}")
    newest = there[0]
    why = newest.blocked or newest.closing
    text = f"{request_text.short(newest.id)} is {request_text.state_text(newest, now)}{f': {why}' if why else ''}"
    return Finding(
        "bad", "window", text, f"ssh-jit show {request_text.short(newest.id)}, or ssh-jit {typed} to ask again"
    )


def certificate(kept: Certificate, until: int, host: HostView, bundle: Bundle, skew: int) -> Iterator[Finding]:
    """The kept certificate: its time, its principal and its CA, as sshd looks at them."""
    now = int(time.time()) + skew
    end = at(kept.valid_before - skew)
    if not kept.valid_after <= now < kept.valid_before:
        yield Finding("note", "certificate", f"it ended {end}; the next connection gets another one")
    else:
        here = "" if at(until) == end else f", by this clock until {at(until)}"
        yield Finding("ok", "certificate", f"serial {kept.serial}, until {end}{here}")
    fitting = [principal for principal in kept.principals if principal.partition("@")[2] == host.id]
    if fitting:
        accounts = ", ".join(principal.partition("@")[0] for principal in fitting)
        text = f"{' '.join(fitting)}: sshd wants exactly this in the principals file of the account {accounts}"
        yield Finding("ok", "principal", text, "")
    else:
        text = f"it is for {' '.join(kept.principals)}, and {host.name} wants …@{host.id}"
        yield Finding("bad", "principal", text, "ssh-jit logout, and connect again")
    if dialects.by_our_ca(kept, bundle):
        yield Finding("ok", "CA key", "it is signed by a key that hosts of this installation trust")
    else:
        text = "the CA key that signed it is not in the bundle any more"
        yield Finding("bad", "CA key", text, "ssh-jit logout, and connect again")
    yield _forwarding(kept)


_FORWARDED = {"port": "ports", "agent": "the agent", "x11": "X11"}


def _forwarding(kept: Certificate) -> Finding:
    """What may be forwarded by the certificate. It is the rule's choice and no fault, but some programs need it."""
    extensions = dict(kept.extensions)
    allowed = [word for kind, word in _FORWARDED.items() if jumps.EXTENSIONS[kind] in extensions]
    text = f"the rule allows {' and '.join(allowed) if allowed else 'none'}"
    if jumps.FORWARDING not in extensions:
        text += '; VS Code Remote, ssh -L and jumps through this host need forwarding = ["port"] in it'
    return Finding("ok", "forwarding", text)


def host_key(typed: str, reply: HostsReply, bundle: Bundle, now: int) -> Finding:
    """Until when the host can show who it is."""
    text = host_certificates.sentence(typed, reply, bundle, now)
    if not text:
        return Finding("note", "host key", "the server does not say until when its host certificates last")
    ended = "ended" in text
    lacking = "lacks" in text or "were not renewed" in text
    return Finding("bad" if ended else "note" if lacking else "ok", "host key", text)


def options(host: str, config: Path, kept: Certificate, bundle: Bundle) -> Iterator[Finding]:
    """Whether the person's own ssh configuration forbids what a connection by a certificate needs."""
    theirs = [
        line
        for line in config.read_text("utf-8", "surrogateescape").splitlines()
        if not line.lstrip().startswith(f"{sshconfig.ACCEPTED} ")  # ours would hide what theirs leaves out
    ]
    settings = openssh.RunningQuery([host], "\n".join([*theirs, ""])).answer()
    ca = next((sshkey.parse_line(line).type for line in bundle.user_ca), "")
    wanted = (
        ("PubkeyAcceptedAlgorithms", _certificate_type(kept.key.type), "the certificate of the sign-in's key"),
        ("HostKeyAlgorithms", "*-cert*", "host certificates"),
        ("CASignatureAlgorithms", _signature(ca), "the CA's signatures"),
    )
    problems = False
    for option, algorithm, what in wanted:
        listed = settings.get(option.lower(), "").split(",")
        if listed != [""] and not any(fnmatch.fnmatchcase(one, algorithm) for one in listed):
            problems = True
            yield Finding("bad", "options", f"your {option} leaves out {what} ({algorithm})", _add(option, algorithm))
    alias = settings.get("hostkeyalias", "")
    if alias and alias != host.lower():
        problems = True
        text = f"your HostKeyAlias {alias} makes ssh look for another host's key"
        yield Finding("bad", "options", text, f"remove it for {host} in your ssh configuration")
    if not problems:
        yield Finding("ok", "options", "your ssh configuration lets certificates of this kind work")


def _add(option: str, algorithm: str) -> str:
    wanted = "ssh-ed25519-cert-v01@openssh.com" if "*" in algorithm else algorithm
    return f"add it in your ssh configuration: {option} +{wanted}"


def _certificate_type(kind: str) -> str:
    """``ssh-ed25519-cert-v01@openssh.com`` of ``ssh-ed25519``; RSA signs with SHA-2 only."""
    if kind == "ssh-rsa":
        return "rsa-sha2-*-cert-v01@openssh.com"
    return sshcert.certificate_type(kind)


def _signature(kind: str) -> str:
    return "rsa-sha2-*" if kind == "ssh-rsa" else kind
