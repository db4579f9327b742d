"""Where a job or a machine gets its token: from the system that runs it, made for the key that signs in.

No token and no secret is ever an argument of a command, and what a job's surroundings say is sent nowhere but to the
issuer itself and to the server. This module does not look into the token: the CA checks it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sshjit import names
from sshjit.bundle import Bundle, Workloads
from sshjit.errors import Failed, Invalid, Refused
from sshjit.limits import MAX_ID_TOKEN
from sshjit_client.network import http_client

SETTING = "SSH_JIT_WORKLOAD"
"""The environment variable that makes every sign-in one of a workload; its value is the issuer's id, or ``1``."""
TOKEN = "SSH_JIT_ID_TOKEN"  # noqa: S105 - the name of a variable
"""The environment variable that may hold a token (GitLab's ``id_tokens``)."""
_GITHUB = "https://token.actions.githubusercontent.com"
_GITHUB_URL, _GITHUB_BEARER = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
POD = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""What Kubernetes puts into a pod: its own token, namespace, and the certificate authority of the API server."""
_POD_TOKEN_SECONDS = 600
"""How long a token of Kubernetes lives: the shortest that it makes."""
_WAYS = f"--token-file FILE (- for standard input), or the variable {TOKEN}; GitHub Actions and Kubernetes need neither"


def wanted(environ: Mapping[str, str]) -> tuple[bool, str | None]:
    """Whether sign-ins here are a workload's, by the setting, and the id of the issuer if that names one."""
    value = environ.get(SETTING, "")
    return value not in ("", "0"), None if value in ("", "0", "1") else value


def choose(bundle: Bundle, name: str | None, environ: Mapping[str, str]) -> Workloads:
    """The issuer to sign in with: the named one, the only one, or the one that runs this job.

    Raises:
        Invalid: ``no_workloads``, ``which_workloads``.

    """
    known = {issuer.id: issuer for issuer in bundle.workloads}
    if name in known:
        return known[name]
    if not known:
        text = f"{bundle.installation} has no issuer of workloads"
        raise Invalid("no_workloads", text, hint="the administrator adds [workloads.NAME] to the CA's providers.toml")
    running = _issuer_here(environ)
    here = [issuer for issuer in known.values() if len(known) == 1 or issuer.issuer == running]
    if name is None and len(here) == 1:
        return here[0]
    problem = f"there is no issuer of workloads {name!r}" if name else "there are several issuers of workloads"
    raise Invalid("which_workloads", problem, hint=f"--provider {' | '.join(sorted(known))}")


def _issuer_here(environ: Mapping[str, str]) -> str:
    if (
        environ.get("GITHUB_ACTIONS") == "true"
        and environ.get("GITHUB_SERVER_URL", "https://github.com") == "https://github.com"
    ):
        return _GITHUB
    return environ.get("CI_SERVER_URL", "")


def token(environ: Mapping[str, str], audience: str, file: str | None, pod: Path = POD) -> str:
    """A token for ``audience``: from the file or the variable that holds one, or else asked of who runs this job.

    Raises:
        Failed: ``no_token``, ``unreachable``; ``bad_token``, where what is there is none.
        Refused: ``token_denied``.

    """
    if file is not None:
        return _checked(_read(file), "standard input" if file == "-" else file)
    if environ.get(TOKEN):
        return _checked(environ[TOKEN], f"the variable {TOKEN}")
    if environ.get(_GITHUB_URL) and environ.get(_GITHUB_BEARER):
        return _of_github(environ, audience)
    if environ.get("GITHUB_ACTIONS") == "true":
        hint = "write into the job: permissions: { id-token: write, contents: read }"
        raise Failed("no_token", "GitHub Actions gives this job no tokens", hint=hint)
    if environ.get("KUBERNETES_SERVICE_HOST") and (pod / "token").exists():
        return _of_kubernetes(environ, audience, pod)
    raise Failed("no_token", "there is no token to sign in with: nothing that we know runs this job", hint=_WAYS)


def _read(file: str) -> str:
    try:
        if file == "-":
            return sys.stdin.read(2 * MAX_ID_TOKEN)
        with Path(file).open(encoding="ascii", errors="replace") as opened:
            return opened.read(2 * MAX_ID_TOKEN)
    except OSError as error:
        raise Failed("no_token", f"the token cannot be read: {file}: {error.strerror}", hint=_WAYS) from None


def _checked(text: str, place: str) -> str:
    """A token by its form, without what editors and shells put after it."""
    value = text.strip()
    if not value:
        raise Failed("no_token", f"there is no token in {place}", hint=_WAYS)
    if value.count(".") != 2 or not names.printable_ascii(value, MAX_ID_TOKEN) or " " in value:
        raise Failed("bad_token", f"what is in {place} is no token: a token is three parts with dots between them")
    return value


def _of_github(environ: Mapping[str, str], audience: str) -> str:
    """GitHub's reference: "OpenID Connect", methods for requesting the OIDC token."""
    url = _url(environ[_GITHUB_URL], _GITHUB_URL)
    asked = f"{url}{'&' if '?' in url else '?'}audience={quote(audience, safe='')}"
    answer = http_client.exchange("GET", asked, headers=_bearer(environ[_GITHUB_BEARER]))
    return _given(answer, "GitHub Actions", "value", "permissions: { id-token: write } belongs into the job")


def _of_kubernetes(environ: Mapping[str, str], audience: str, pod: Path) -> str:
    """The TokenRequest API (``authentication.k8s.io/v1``), asked as the pod's own service account."""
    own, namespace = _read(str(pod / "token")).strip(), _read(str(pod / "namespace")).strip()
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT_HTTPS", "443")
    account = _account(own)
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}/serviceaccounts/{quote(account, safe='')}/token"
    url = _url(f"https://{f'[{host}]' if ':' in host else host}:{port}{path}", "KUBERNETES_SERVICE_HOST")
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": [audience], "expirationSeconds": _POD_TOKEN_SECONDS},
    }
    headers = {**_bearer(own), "Content-Type": "application/json", "Accept": "application/json"}
    roots = str(pod / "ca.crt")
    answer = http_client.exchange("POST", url, body=json.dumps(body).encode(), headers=headers, roots=roots)
    hint = f'a Role must let the service account {account} "create" "serviceaccounts/token" of itself'
    return _given(answer, "Kubernetes", "status.token", hint)


def _account(own: str) -> str:
    """The pod's service account, as its own token names it: who else would know. It decides only whom we ask about."""
    from sshjit.login import unb64url  # noqa: PLC0415

    try:
        subject = json.loads(unb64url(own.split(".")[1]))["sub"]
        kind, _, account = subject.removeprefix("system:").partition(":")
    except (Invalid, ValueError, LookupError, TypeError, AttributeError):
        kind, account = "", ""
    if kind != "serviceaccount" or ":" not in account:
        raise Failed("bad_token", "the pod's own token names no service account", hint=_WAYS)
    return str(account.partition(":")[2])


def _bearer(secret: str) -> dict[str, str]:
    if names.bearer(secret) is None:
        raise Failed("bad_token", "the secret that this job asks for its token with cannot be sent in a header")
    return {"Authorization": f"Bearer {secret}"}


def _url(text: str, source: str) -> str:
    try:
        return names.url(text, plain_http=True)
    except Invalid as error:
        raise Failed("no_token", f"{source} is no address that we go to: {error.message}", hint=_WAYS) from None


def _given(answer: http_client.Answer, who: str, path: str, hint: str) -> str:
    if answer.status not in (200, 201):
        raise Refused("token_denied", f"{who} gave this job no token: HTTP {answer.status}", hint=hint)
    try:
        value: Any = json.loads(answer.body)
        for part in path.split("."):
            value = value[part]
    except (ValueError, RecursionError, LookupError, TypeError):
        value = None
    if not isinstance(value, str):
        raise Failed("bad_answer", f"{who} answered without a token")
    return _checked(value, f"the answer of {who}")
