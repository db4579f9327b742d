"""What a small server remembers and decides that speaks the API of ``docs/protocol.md`` and a provider's code flow.

``standin_http.py`` puts it on loopback. It decides by the host's name: ``web1`` is approved at once, ``db1`` waits for
a decision, ``secret1`` is denied. Everything cryptographic about it is real: it checks PKCE, the nonce, the key's
signature, and its certificates are made by ``ssh-keygen``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import secrets
import time
from typing import Any
from urllib.parse import urlencode

from sshjit import login, signed_actions, sshcert, sshkey, wire
from sshjit.api.ask import AskBody, AskReply
from sshjit.api.hosts import HostView
from sshjit.api.locks import LockView
from sshjit.api.session import LoginView
from sshjit.api.views import CertificateView, DecisionView, PersonView, RequestState, RequestView, RouteView, StepView
from sshjit.errors import Invalid, Refused
from sshjit_client import openssh
from sshjit_client.machine import HeldBundle
from tests.support.waiting import wait_until
from tests.unit.client import standin_acts
from tests.unit.client.installation import Installation

ALICE = PersonView("sub-alice0001", "acme", "Alice", "alice@example.com")
BOB = PersonView("sub-bob000001", "acme", "Bob", "bob@example.com")
LABELS = {"web1": "staging", "db1": "prod", "secret1": "prod"}
KNOWN = (("lock", "unlock", "review"), ("SRE",), (), None, None, False, False)
"""What the CA says of a sign-in beyond its times: permissions, groups, addresses, and so on."""


class Server:
    """The stand-in's memory. ``port`` is where every host of it listens."""

    def __init__(self, installation: Installation, port: int = 9) -> None:
        self.installation = installation
        self.port = port
        self.url = ""
        self.sequence = 7
        self.offer: HeldBundle | None = None
        """The bundle that is served, instead of one of the installation as it is."""
        self.down = False
        self.pending = 600
        self.signed = False
        """Whether approvals need a signature."""
        self.calls: list[str] = []
        self.requests: dict[str, RequestView] = {}
        self.locks: dict[str, LockView] = {}
        self.bob = BOB
        self.asked: list[dict[str, Any]] = []
        """The bodies of every ask."""
        self.codes: dict[str, dict[str, str]] = {}
        self.tokens: dict[str, str] = {}
        self.logins: dict[str, tuple[LoginView, str]] = {}
        self.issuer_sent: str | None = None
        self.alter: dict[str, Any] = {}
        """Fields of every certificate view that are replaced, to play a front end that lies."""

    # ------------------------------------------------------------------------------------------------ provider

    def authorize(self, query: dict[str, str]) -> str:
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        issuer = self.issuer_sent or self.url
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state'], 'iss': issuer})}"

    def token(self, form: dict[str, str]) -> dict[str, Any]:
        query = self.codes.pop(form["code"])
        challenge = login.b64url(hashlib.sha256(form["code_verifier"].encode()).digest())
        assert (challenge, form["redirect_uri"]) == (query["code_challenge"], query["redirect_uri"])
        token = secrets.token_urlsafe(40)
        self.tokens[token] = query["nonce"]
        return {"id_token": token, "token_type": "Bearer", "expires_in": 3599.5}

    # ------------------------------------------------------------------------------------------------ the API

    def login(self, body: dict[str, str]) -> dict[str, Any]:
        key = sshkey.parse_line(body["key"])
        nonce = self.tokens.pop(body["id_token"])
        if nonce != login.nonce(key.blob, login.unb64url(body["salt"])):
            raise Refused("bad_nonce", "the token is not for this key")
        digest = login.signed_text(body["id_token"])
        if not openssh.verify(key.line, login.NAMESPACE, digest, body["signature"]):
            raise Refused("signature_refused", "the signature does not fit")
        now = int(time.time())
        view = LoginView("login-alice001", "native", ALICE, ("sre",), now, now + 3600, key.fingerprint, *KNOWN)
        token = secrets.token_urlsafe(16)
        self.logins[token] = (view, key.line)
        return {"token": token, "login": wire.encode(view)}

    def ask(self, body: dict[str, Any], key: str) -> AskReply:
        self.asked.append(body)
        wire.decode(AskBody, body)
        labelled = [h for h, env in LABELS.items() if ["env", env] in body["labels"]]
        hosts = tuple(dict.fromkeys([*body["hosts"], *labelled]))
        host = "db1" if "db1" in hosts else hosts[0]
        if not set(hosts) <= set(LABELS):
            raise Invalid("unknown_host", f"there is no host {host!r}", hint="ssh-jit hosts")
        if host == "secret1":
            raise Refused("no_rule", "no rule allows this", hint='rule "secret" would need the role "dba"')
        account = body["login"] or "deploy"
        alike = [
            r
            for r in self.requests.values()
            if (r.hosts, r.login, r.action, r.extends) == (hosts, account, body["action"], None)
            and r.state in (RequestState.PENDING, RequestState.APPROVED)
        ]
        request = alike[0] if alike else self._new(hosts, account, body)
        self.requests[request.id] = request
        granted = request.state is RequestState.APPROVED and body["certificate"]
        notes = () if body["login"] else (f"you log in as {account}",)
        return AskReply(request, self.certificate(request.id, key) if granted else None, bool(alike), notes)

    def _new(self, hosts: tuple[str, ...], account: str, body: dict[str, Any]) -> RequestView:
        now, waits = int(time.time()), "db1" in hosts and not body["break_glass"]
        return RequestView(
            id=f"req-{secrets.token_hex(8)}",
            digest=hashlib.sha256(json.dumps(body).encode()).hexdigest(),
            state=RequestState.PENDING if waits else RequestState.APPROVED,
            how=None if waits else "break_glass" if body["break_glass"] else "automatic",
            requester=ALICE,
            hosts=hosts,
            host_ids=hosts,
            login=account,
            action=body["action"],
            command="/opt/app/bin/migrate" if body["action"] == "migrate" else body["command"],
            duration=body["duration"] or 3600,
            reason=body["reason"],
            rule="prod-database" if waits else "staging",
            policy="0" * 64,
            asked=now,
            channel="native",
            address="127.0.0.1",
            pending_until=now + self.pending,
            approved=None if waits else now,
            use_by=None if waits else now + 900,
            ends=None if waits else now + 3600,
            certificate=300,
            certificates=0,
            steps=(StepView("sre-lead", 1, signed=self.signed, missing=1, candidates=("Bob",)),) if waits else (),
            decisions=(),
            closing="",
            start=body["start"],
            break_glass=body["break_glass"],
            review_by=now + 86400 if body["break_glass"] else None,
            review=None,
            comments=(),
            extends=None,
            extend_by=None,
        )

    def check_signature(self, request: str, body: dict[str, Any], key: str) -> bool:
        """Whether the answer is signed, over what this server knows of the request."""
        given = body["consent"]
        if given is None:
            return False
        text = signed_actions.approval_text(
            self.requests[request], "approve", body["comment"], given["challenge"], "lab", duration=body["duration"]
        )
        if not openssh.verify(key, signed_actions.APPROVE_NAMESPACE, text, given["signature"]):
            raise Refused("signature_refused", "the signature does not fit")
        return True

    def decide(self, request: str, verdict: str, body: dict[str, Any], *, signed: bool = False) -> RequestView:
        found = self.requests[request]
        if body["digest"] != found.digest:
            raise Invalid("digest_differs", "this is not the request that you saw")
        if found.state is not RequestState.PENDING:
            raise Invalid("wrong_state", f"the request is {found.state.value} already")
        now = int(time.time())
        yes = verdict == "approve"
        said = DecisionView(
            BOB,
            "approve" if yes else "deny",
            body["comment"],
            now,
            "native",
            signed=signed,
            duration=body.get("duration"),
        )
        state = RequestState.APPROVED if yes else RequestState.DENIED
        self.requests[request] = dataclasses.replace(
            found,
            state=state,
            how="reviewed" if yes else None,
            approved=now if yes else None,
            ends=now + min(found.duration, body.get("duration") or found.duration) if yes else None,
            steps=tuple(dataclasses.replace(step, missing=0) for step in found.steps) if yes else found.steps,
            decisions=(said,),
        )
        return self.requests[request]

    def close(self, request: str, how: str) -> RequestView:
        state = RequestState.CANCELLED if how == "cancel" else RequestState.ENDED
        self.requests[request] = dataclasses.replace(self.requests[request], state=state)
        return self.requests[request]

    def certificate(self, request: str, key: str) -> CertificateView:
        found = self.requests[request]
        if found.state is not RequestState.APPROVED:
            raise Refused("grant_over", "the window of this grant is over", hint="ask again")
        serial = 5 + found.certificates
        self.requests[request] = dataclasses.replace(found, certificates=found.certificates + 1)
        principals = tuple(f"{found.login}@{i}" for i in found.host_ids)
        options = ("-O", f"force-command={found.command}") if found.command else ()
        text = self.installation.certify(
            key, ",".join(principals), key_id=f"{request} sub-alice0001", serial=serial, options=options
        )
        read = sshcert.parse_line(text)[0]
        view = CertificateView(
            text=text,
            serial=serial,
            key_id=read.key_id,
            principals=principals,
            valid_after=read.valid_after,
            valid_before=read.valid_before,
            request=request,
            login=found.login,
            action=found.action,
            grant_ends=found.ends or 0,
            routes=tuple(RouteView(h, h, (f"{h}.lab",), "127.0.0.1", self.port) for h in found.hosts),
        )
        return dataclasses.replace(view, **self.alter)

    def call(self, method: str, path: str, body: dict[str, Any], token: str) -> Any:  # noqa: C901, PLR0911, PLR0912  # a table
        """One call of the API."""
        if path == "login":
            return self.login(body)
        if token not in self.logins:
            raise Refused("bad_token", "sign in again")
        view, key = self.logins[token]
        match path.split("/"):
            case ["whoami"]:
                return wire.encode(view)
            case ["logout"]:
                return self.logins.pop(token) and None
            case ["hosts"]:
                hosts = [
                    HostView(h, h, (f"{h}.lab",), "127.0.0.1", self.port, (("env", e),)) for h, e in LABELS.items()
                ]
                return {"hosts": wire.encode(hosts)}
            case ["requests"] if method == "POST":
                return wire.encode(self.ask(body, key))
            case ["requests"]:
                return wire.encode(standin_acts.listed(self, body))
            case ["requests", request]:
                return wire.encode(standin_acts.shown(self, request))
            case ["requests", request, "certificate"]:
                return wire.encode(self.certificate(request, key))
            case ["requests", request, "approve" | "deny" as verdict]:
                signed = self.check_signature(request, body, key)
                return wire.encode(self.decide(request, verdict, body, signed=signed))
            case ["challenge"]:
                return {"challenge": "c" * 32, "expires": int(time.time()) + 180}
            case ["requests", request, "cancel" | "end" as how]:
                return wire.encode(self.close(request, how))
            case words:
                return standin_acts.call(self, words, body, view, key)


def wait_for(server: Server, call: str, times: int = 1) -> None:
    """Waits until so many calls that begin like this have arrived."""
    wait_until(lambda: sum(c.startswith(call) for c in server.calls) >= times, lambda: server.calls)
