"""The command line's way through the front end to a certificate, judged by ``ssh-keygen``; and a thief's way."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from sshjit import login as binding
from sshjit import sshkey
from tests.support.processes import Processes, Visitor, build
from tests.support.waiting import PATIENCE

CALLBACK = "http://127.0.0.1:9/callback"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with build(tmp_path_factory.mktemp("running")) as made:
        yield made


PLAIN: dict[str, Any] = {"labels": [], "start": None, "break_glass": False}
"""The fields of an ordinary ask that begins now."""


def call(running: Processes, path: str, body: Any = None, token: str = "") -> tuple[int, Any]:
    """A POST to the API; status and answer."""
    data = b"" if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(f"{running.url}{path}", data, headers)  # noqa: S310 -- our own loopback address
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 -- the same
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def make_key(folder: Path, name: str) -> Path:
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def proof(key: Path, id_token: str, salt: bytes, provider: str) -> dict[str, str]:
    """The body of ``POST /api/v1/login``: the token, signed by the key with ssh-keygen."""
    digest = key.with_suffix(".digest")
    digest.write_bytes(binding.signed_text(id_token))
    signature = key.with_suffix(".digest.sig")
    signature.unlink(missing_ok=True)
    sign = ["ssh-keygen", "-Y", "sign", "-q", "-n", binding.NAMESPACE, "-f", str(key), str(digest)]
    subprocess.run(sign, check=True)
    return {
        "provider": provider,
        "id_token": id_token,
        "key": key.with_suffix(".pub").read_text().strip(),
        "salt": binding.b64url(salt),
        "signature": signature.read_text(),
    }


def native_token(running: Processes, person: str, provider: str, nonce: str) -> str:
    """The ID token of a native sign-in with PKCE, as ``ssh-jit login`` gets it."""
    visitor, verifier = Visitor(person), "v" * 43
    challenge = binding.b64url(hashlib.sha256(verifier.encode()).digest())
    issuer = running.ports.issuer(provider)
    ask = {
        "response_type": "code",
        "client_id": "ssh-jit-cli",
        "redirect_uri": CALLBACK,
        "scope": "openid email profile groups",
        "state": "s",
        "nonce": nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    visitor.sign_in(running, provider)
    _, location = visitor.step(f"{issuer}/authorize?{urlencode(ask)}")
    code = dict(parse_qsl(urlsplit(location).query))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "client_id": "ssh-jit-cli"}
    data = urlencode({**form, "code_verifier": verifier}).encode()
    with urllib.request.urlopen(f"{issuer}/token", data, timeout=PATIENCE) as answer:  # noqa: S310 -- our own provider
        token: str = json.loads(answer.read())["id_token"]
    return token


def sign_in(running: Processes, folder: Path, person: str, provider: str) -> str:
    """A native login; returns the opaque token."""
    key, salt = make_key(folder, f"{person}-{provider}"), os.urandom(16)
    blob = sshkey.parse_line(key.with_suffix(".pub").read_text().strip()).blob
    token = native_token(running, person, provider, binding.nonce(blob, salt))
    status, answer = call(running, "/api/v1/login", proof(key, token, salt, provider))
    assert status == 201, answer
    assert answer["login"]["person"]["name"] == person.capitalize()
    return str(answer["token"])


def test_from_sign_in_to_a_certificate(running: Processes, tmp_path: Path) -> None:
    token = sign_in(running, tmp_path, "alice", "acme")
    ask = {"hosts": ["web1"], "login": "deploy", "action": "shell", "command": None, "duration": None, **PLAIN}
    status, reply = call(running, "/api/v1/requests", {**ask, "reason": "look", "certificate": True}, token)
    assert status == 201, reply
    status, drawn = call(running, f"/api/v1/requests/{reply['request']['id']}/certificate", None, token)
    assert status == 201
    for number, certificate in enumerate((reply["certificate"], drawn)):
        path = tmp_path / f"{number}-cert.pub"
        path.write_text(certificate["text"] + "\n")
        shown = subprocess.run(["ssh-keygen", "-L", "-f", str(path)], capture_output=True, text=True, check=True).stdout
        assert "deploy@web1" in shown
        assert f"Serial: {certificate['serial']}" in shown
    assert call(running, "/api/v1/logout", None, token) == (204, None)
    status, answer = call(running, f"/api/v1/requests/{reply['request']['id']}/certificate", None, token)
    assert (status, answer["error"]["code"]) == (401, "login_needed")


def test_a_denied_ask_says_which_rule(running: Processes, tmp_path: Path) -> None:
    token = sign_in(running, tmp_path, "carol", "acme")
    ask = {"hosts": ["web1"], "login": "deploy", "action": "shell", "command": None, "duration": None, **PLAIN}
    status, answer = call(running, "/api/v1/requests", {**ask, "reason": "look", "certificate": True}, token)
    assert (status, answer["error"]["family"]) == (403, "refused")
    assert "staging" in answer["error"]["hint"]


def test_t48_a_token_of_the_pages_binds_no_key(running: Processes, tmp_path: Path) -> None:
    """A stolen front end runs its own flow with a nonce made from its own key; the audience gives it away."""
    key, salt = make_key(tmp_path, "thief"), os.urandom(16)
    blob = sshkey.parse_line(key.with_suffix(".pub").read_text().strip()).blob
    victim, issuer = Visitor("alice"), running.ports.issuer("acme")
    victim.sign_in(running, "acme")
    ask = {"response_type": "code", "client_id": "ssh-jit-web", "redirect_uri": f"{running.url}/auth/acme/callback"}
    ask |= {"scope": "openid email profile groups", "state": "s", "nonce": binding.nonce(blob, salt)}
    _, location = victim.step(f"{issuer}/authorize?{urlencode(ask)}")
    code = dict(parse_qsl(urlsplit(location).query))["code"]
    secret = (running.paths.web / "acme.secret").read_text().strip()
    basic = base64.b64encode(f"ssh-jit-web:{secret}".encode()).decode()
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": ask["redirect_uri"]}
    request = urllib.request.Request(f"{issuer}/token", urlencode(form).encode(), {"Authorization": f"Basic {basic}"})  # noqa: S310 -- our own provider
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 -- the same
        token = json.loads(answer.read())["id_token"]
    status, said = call(running, "/api/v1/login", proof(key, token, salt, "acme"))
    assert (status, said["error"]["code"]) == (403, "wrong_audience")
    assert "another client" in said["error"]["message"]
