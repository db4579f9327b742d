"""``ssh-jit login``: a new key, a sign-in at the provider bound to that key, and a session at the CA.

The browser comes back to a port of this machine. If it can't, because it runs elsewhere, the person pastes the address
of the page that failed to load. One ssh-jit at a time signs in; the others wait for it and use what it gets. Old keys
and certificates are removed only after the new sign-in succeeded (``storage/logins.py``).
"""

from __future__ import annotations

import os
import secrets
import select
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sshjit import login, names, sshkey, workloads
from sshjit.api.sign_in import LoggedIn, LoginBody, WorkloadBody
from sshjit.bundle import Bundle, Provider
from sshjit.errors import Failed, Invalid, Refused
from sshjit_client import trusted_bundle
from sshjit_client.api.basic import BasicApi
from sshjit_client.console.terminal import Terminal
from sshjit_client.identity import browser, installation, provider_endpoints, sign_out, workload
from sshjit_client.identity.browser import Loopback
from sshjit_client.identity.oidc import Attempt
from sshjit_client.network import http_client
from sshjit_client.ssh import openssh
from sshjit_client.storage import logins, paths
from sshjit_client.storage import settings as settings_of
from sshjit_client.storage.machine import Machine, Session

TIMEOUT = 300
"""Seconds that a person has to sign in."""
LONGEST = provider_endpoints.PATIENCE + TIMEOUT + openssh.SIGNING + 6 * http_client.DEADLINE
"""Seconds that a sign-in takes at most. Its exchanges: the bundle twice, and once more for a provider; the tokens, the
sign-in at the server, and its hosts. Who waits for another one's sign-in waits so long."""
_REFUSED = "agent refused operation"
_CONSTRAINED = "a key that was added for some hosts only (ssh-add -h) signs nothing else; add it without, or use a file"
ED25519, POST_QUANTUM = "ed25519", "mldsa44-ed25519"
"""Kinds of keys, as ``ssh-keygen -t`` calls them."""
SHOW_ADDRESS_AFTER = 4
"""Seconds after which the terminal shows the address, as the browser may not have opened."""


@dataclass(frozen=True, slots=True)
class SignInOptions:
    """The options of ``login``."""

    provider: str | None = None
    key: Path | None = None
    browser: bool = True
    fresh: bool = False
    """Whether the person must sign in at the provider now, even if they did before."""
    workload: bool = False
    """Whether nobody signs in, but this job or machine does, by a token."""
    token_file: str | None = None
    """Where the workload's token is; ``-``: on standard input. ``None``: it is asked for."""
    new_key: str = ED25519
    """The kind of key that is made where ``key`` names none."""

    @property
    def plain(self) -> bool:
        """Whether another one's sign-in is as good, since nothing was asked for that it may not have."""
        chosen = self.provider if self.workload else None
        return self == SignInOptions(chosen, browser=self.browser, workload=self.workload)


def once(machine: Machine, options: SignInOptions, other_than: Session | None) -> Session:
    """Signs in, unless another ssh-jit of this person does or has meanwhile: then its sign-in is used.

    ``other_than``: the sign-in that was there before, if any; it does not count. Options that the other one may not
    have had (all but ``browser``) mean a sign-in of our own, after it.

    Raises:
        Failed: ``agent_refused``, and others, with exit code 7 or 8.

    """
    name = machine.settings().name

    def newer() -> Session | None:
        session = machine.session(time.time()) if options.plain else None
        return None if session is None or (other_than and session.token == other_than.token) else session

    say = machine.terminal.say
    with logins.alone(machine.environ, name, say, lambda: newer() is not None, LONGEST) as needed:
        session = None if needed else newer()
        return session or _sign_in(machine, options)


def _sign_in(machine: Machine, options: SignInOptions) -> Session:
    """Signs in and keeps the session in a folder of its own."""
    settings = machine.settings()
    bundle = trusted_bundle.current(machine, settings, fresh=0).bundle
    how = _workload(machine, bundle, options) if options.workload else _person(machine, bundle, options)
    with logins.new(machine.environ, settings.name, machine.terminal.say) as folder:
        if lost := paths.lost_runtime(machine.environ):
            what = "is open to others" if Path(lost).exists() else "is gone"
            machine.terminal.say(f"$XDG_RUNTIME_DIR ({lost}) {what}; this sign-in is kept in {folder.parents[2]}")
        key = options.key or folder / logins.KEY
        if options.key is None:
            openssh.make_key(key, options.new_key)
        public = openssh.public_key(key)
        _require_reader(machine, public)
        done = how(BasicApi(settings.url), key, public)
        if names.bearer(done.token) is None:
            raise Failed("bad_answer", "the server answered the sign-in with a token that cannot be sent back")
        made = Session(settings.url, done.token, done.login, str(key.absolute()), public.line)
        session = logins.publish(machine.environ, folder, made)
    if len(settings_of.listed(machine.environ)) > 1:
        installation.learn(machine, session)
    sign_out.replaced(machine)
    return session


def _require_reader(machine: Machine, public: sshkey.PublicKey) -> None:
    """That the ssh which we run can show a certificate for this key.

    Raises:
        Failed: ``no_such_key``.

    """
    if public.post_quantum and public.type not in openssh.reads(machine.environ):
        text = "this machine's ssh knows no post-quantum keys, so it could show no certificate for yours"
        raise Failed("no_such_key", text, hint="OpenSSH 10.6 and newer do; else sign in with an Ed25519 key")


SignIn = Callable[[BasicApi, Path, sshkey.PublicKey], LoggedIn]
"""Signs in at a server, with a key."""


def _person(machine: Machine, bundle: Bundle, options: SignInOptions) -> SignIn:
    """How a person signs in."""
    provider = provider_endpoints.wait(machine, choose(bundle, options.provider or machine.settings().provider))
    return lambda api, key, public: api.login(_prove(machine, provider, key, public, options))


def _workload(machine: Machine, bundle: Bundle, options: SignInOptions) -> SignIn:
    """How a job or a machine signs in: with a token for the key, which the key signs."""
    issuer = workload.choose(bundle, options.provider, machine.environ)

    def sign_in(api: BasicApi, key: Path, public: sshkey.PublicKey) -> LoggedIn:
        audience = issuer.audience or workloads.audience_of(public.blob)
        token = workload.token(machine.environ, audience, options.token_file)
        reads = openssh.reads(machine.environ)
        return api.login_workload(WorkloadBody(issuer.id, token, public.line, _signed(key, token), reads))

    return sign_in


def choose(bundle: Bundle, provider_id: str | None) -> Provider:
    """The provider to sign in with: the named one, or the only one.

    Raises:
        Invalid: ``which_provider``.

    """
    known = {provider.id: provider for provider in bundle.providers}
    if provider_id in known:
        return known[provider_id]
    if provider_id is None and len(known) == 1:
        return next(iter(known.values()))
    problem = f"there is no provider {provider_id!r}" if provider_id else "there are several providers to sign in with"
    hint = f"--provider {' | '.join(sorted(known)) or '(none yet)'}"
    raise Invalid("which_provider", problem, hint=hint if provider_id else f"ssh-jit login {hint}")


def _prove(
    machine: Machine, provider: Provider, key: Path, public: sshkey.PublicKey, options: SignInOptions
) -> LoginBody:
    """Runs the flow and signs the token with the key."""
    with closing(Loopback(provider.redirect_ports)) as loopback:
        attempt = Attempt.begin(provider, loopback.redirect, public.blob, secrets.token_bytes(80), fresh=options.fresh)
        loopback.serve(attempt.code)
        _open(machine, attempt, loopback, use_browser=options.browser)
        code = loopback.result()
    tokens = attempt.redeem(code)
    if public.hardware:
        machine.terminal.say("touch the security key to sign")
    signature = _signed(key, tokens.id_token)
    salt = login.b64url(attempt.salt)
    return LoginBody(
        provider.id,
        tokens.id_token,
        public.line,
        salt,
        signature,
        tokens.access_token,
        fresh=options.fresh,
        reads=openssh.reads(machine.environ),
    )


def _signed(key: Path, token: str) -> str:
    """The token, signed by the key."""
    try:
        return openssh.sign_login(key, token)
    except Failed as error:
        if _REFUSED not in error.message:
            raise
        text = f"the agent does not sign with this key, so no sign-in can be bound to it: {error.message}"
        raise Failed("agent_refused", text, hint=_CONSTRAINED) from None


def _open(machine: Machine, attempt: Attempt, loopback: Loopback, *, use_browser: bool) -> None:
    """Sends the person to the provider and waits for the answer."""
    address, terminal = attempt.address(), machine.terminal
    words = browser.open_command(machine.environ, address) if use_browser else None
    process = browser.start(words) if words else None
    if process is not None:
        terminal.say(f"signing in with {attempt.provider.title} in your browser")
    elif not terminal.typing and not terminal.live:
        raise Refused("login_needed", "there is no browser to sign in with", hint="run ssh-jit login on a terminal")
    else:
        _instruct(terminal, f"sign in with {attempt.provider.title} in any browser:", address)
        terminal.say(_redirect_hint(loopback))
    _wait(machine, loopback, process, attempt)


def _instruct(terminal: Terminal, what: str, address: str) -> None:
    terminal.say(what)
    terminal.plain(f"\n  {address}\n\n")
    if terminal.typing:
        terminal.say("if that browser is on another machine, the last page fails to load: paste its address here")


def _wait(machine: Machine, loopback: Loopback, process: subprocess.Popen[bytes] | None, attempt: Attempt) -> None:
    started = time.monotonic()
    shown = process is None
    inputs = [loopback.ready, *([sys.stdin.fileno()] if machine.terminal.typing else [])]
    while time.monotonic() < started + TIMEOUT:
        readable, _, _ = select.select(inputs, [], [], 0.5)
        if loopback.ready in readable:
            return
        if readable:
            pasted = os.read(sys.stdin.fileno(), 16 * 1024)
            if not pasted:
                inputs = [loopback.ready]
            elif pasted.strip() and not paste(loopback, pasted.decode("utf-8", "replace")):
                machine.terminal.say("that is not the address of the last page; paste the whole address")
        failed = process is not None and bool(process.poll())
        if failed and not machine.terminal.live:
            attempt.look()
            raise Failed("login_failed", "the browser failed", hint="ssh-jit login --no-browser")
        if machine.terminal.live and not shown and (failed or time.monotonic() > started + SHOW_ADDRESS_AFTER):
            _instruct(machine.terminal, "if the browser did not open, open this address:", attempt.address())
            machine.terminal.say(_redirect_hint(loopback))
            shown = True
    raise Refused("login_failed", f"nobody signed in within {TIMEOUT // 60} minutes", hint=_redirect_hint(loopback))


def _redirect_hint(loopback: Loopback) -> str:
    """Providers that compare redirect addresses letter by letter say so on their page, and nothing here."""
    return f"if the provider's page showed an error: it must allow {loopback.redirect}"


def paste(loopback: Loopback, text: str) -> bool:
    """Takes the address of the page that failed to load, if it is ours. Returns whether it was accepted."""
    text = text.strip()
    if not text.startswith(f"{loopback.redirect}?"):
        return False
    return loopback.offer(urlsplit(text).query)
