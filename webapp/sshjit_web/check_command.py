"""The command ``ssh-jit-web check``: prints what ``sshjit/provider_check.py`` finds, one line each."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import requests

from sshjit import provider_check, workloads
from sshjit.provider_check import Answer, Fetch, Finding, NoAnswerError, Question
from sshjit.providers import Provider
from sshjit_web import config, provider_transport
from sshjit_web.escape_controls import escape_controls


def run(path: Path) -> int:
    """Checks every provider; exit code 1 if something is bad.

    Raises:
        SshJitError: the configuration is wrong.

    """
    settings = config.load(path)
    file = Path(settings.providers)
    known = config.load_providers(file)
    hidden = config.client_secrets(known, file.parent)
    bad = False
    for name, provider in known.items():
        redirect = f"{settings.origin}/auth/{name}/callback"
        for finding in check(provider, redirect, hidden[name], settings.tls_roots):
            bad = bad or finding.level == "bad"
            _print(name, finding)
    for name, issuer in config.load_workloads(file).items():
        if issuer.unbound:
            _print(name, Finding("warning", f"it is {workloads.UNBOUND}", "docs/providers.md says what to do instead"))
    return 1 if bad else 0


def _print(name: str, finding: Finding) -> None:
    hint = f"\n{'':8} hint: {finding.hint}" if finding.hint else ""
    for line in f"{finding.level:8} {name}: {finding.text}{hint}".split("\n"):
        sys.stdout.write(f"{escape_controls(line)}\n")


def check(provider: Provider, redirect: str, secret: str, roots: str | None) -> Iterator[Finding]:
    """What is wrong with one provider, and what is right, over the front end's own HTTP."""
    with provider_transport.prepare(requests.Session(), roots) as session:
        yield from provider_check.check(provider, _fetch(session), web_redirect=redirect, secret=secret)


def _fetch(session: requests.Session) -> Fetch:
    def fetch(question: Question) -> Answer:
        method = "GET" if question.form is None else "POST"
        headers = dict(question.headers)
        try:
            answer = session.request(method, question.url, data=question.form, headers=headers, allow_redirects=False)
        except requests.exceptions.SSLError:
            hint = "name its certificate authority with the setting `tls_roots`"
            raise NoAnswerError("its TLS certificate is not trusted", hint) from None
        except (requests.RequestException, OSError, ValueError) as error:
            raise NoAnswerError(type(error).__name__) from None
        return Answer(answer.status_code, answer.headers.get("Location", ""), answer.content)

    return fetch
