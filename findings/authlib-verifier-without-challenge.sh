#!/bin/sh
# Guess: `create_authorization_url(…, code_verifier=…)` of Authlib sends the S256 challenge of the verifier (PKCE).
# Truth: Only a session made with code_challenge_method="S256" does; else the verifier is dropped without a word, and PKCE is not used.
# Date:  2026-11-30, Authlib 1.9.9
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip -q install authlib==1.9.9 requests==2.34.2
python/bin/python - <<'P'
import authlib
from urllib.parse import parse_qs, urlsplit
from authlib.integrations.requests_client import OAuth2Session

print("Authlib", authlib.__version__)
sent = []
for settings in ({}, {"code_challenge_method": "S256"}):
    session = OAuth2Session("client", scope="openid", redirect_uri="http://127.0.0.1/callback", **settings)
    address, _ = session.create_authorization_url("https://login.example/authorize", code_verifier="v" * 43)
    sent.append(sorted(name for name in parse_qs(urlsplit(address).query) if name.startswith("code_challenge")))
    print(settings, "->", sent[-1] or "no challenge")
if sent != [[], ["code_challenge", "code_challenge_method"]]:
    raise SystemExit("it changed")
P
