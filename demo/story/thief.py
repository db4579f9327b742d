"""Somebody who has stolen the front end, and tries to get into a host with a key of their own, in alice's name.

Runs as the front end's user, in the front end's place, with everything that the front end can reach: database,
session key, client secret, and the CA's socket. ``python -m demo.story.thief --config web.toml --host PORT LOGIN``
prints what it tries and what it is told. Exit code 0: nothing worked; 3: something did.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sqlite3
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import asyncssh

from demo.story.stolen import Loot, Server, Trap
from sshjit import login
from sshjit.api.ask import AskReply
from sshjit.ca_protocol.logins import LoginNative, LoginReply, LoginWeb
from sshjit.ca_protocol.requests import Ask, CertificateReply, SignUser
from sshjit.ca_protocol.table import Message
from sshjit.errors import SshJitError
from sshjit_web import config
from sshjit_web.ca_client import CaClient

R = TypeVar("R")


class Worked(Exception):  # the opposite of what has to happen
    """The thief got something that it should not have got."""


class Thief:
    """One thief, with a key of its own in ``folder``."""

    def __init__(self, settings: config.WebConfig, folder: Path) -> None:
        self.ca = CaClient(*map(Path, settings.ca_socket))
        self.key = folder / "thief"
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "thief", "-f", str(self.key)]
        subprocess.run(make, check=True)
        self.line = self.key.with_name("thief.pub").read_text().strip()
        self.salt = secrets.token_bytes(16)

    def native(self, provider: str, id_token: str) -> LoginNative:
        """A native sign-in with somebody's token and the thief's own key and signature."""
        sign = ["ssh-keygen", "-Y", "sign", "-q", "-n", login.NAMESPACE, "-f", str(self.key)]
        made = subprocess.run(sign, input=login.signed_text(id_token), capture_output=True, check=True)
        salt = login.b64url(self.salt)
        return LoginNative(provider, id_token, self.line, salt, made.stdout.decode(), "127.0.0.1")

    def nonce(self) -> str:
        """The nonce that binds a token to the thief's key, as ``ssh-jit login`` would make it."""
        return login.nonce(asyncssh.import_public_key(self.line).public_data, self.salt)

    def must_fail(self, what: str, message: Message, reply: type[R]) -> None:
        """Sends a message that the CA must refuse, and prints why it did."""
        print(f"- {what}")
        try:
            self.ca.call(message, reply)
        except SshJitError as error:
            if error.family == "failed":
                raise
            print(f"  {error.family}: {error}", flush=True)
        else:
            raise Worked(what)


def look_around(settings: config.WebConfig, keys: Path | None) -> None:
    """Prints what the front end's folder holds, and, if another user has the CA's keys, that they are out of reach."""
    with sqlite3.connect(settings.database.removeprefix("sqlite:///")) as database:
        rows = database.execute("SELECT kind, count(*) FROM sessions GROUP BY kind ORDER BY kind").fetchall()
    print(
        f"- its database holds {', '.join(f'{count} {kind} sessions' for kind, count in rows)}: hashes of tokens only"
    )
    if keys is None:
        return
    try:
        key_files = [path.name for path in keys.iterdir()]
    except OSError as error:
        print(f"- the CA's keys are out of its reach: {error.strerror}", flush=True)
    else:
        raise Worked(f"the front end's user can list {keys}: {key_files}")


def wait_for_alice(thief: Thief, settings: config.WebConfig) -> tuple[Loot, str, str]:
    """Serves in the front end's place until alice was there. Returns the loot and both nonces of the thief."""
    path = Path(settings.providers)
    provider = config.load_providers(path)["acme"]
    secret = config.client_secrets({"acme": provider}, path.parent)["acme"]
    bound, plain = thief.nonce(), secrets.token_urlsafe(16)

    def seen(message: LoginNative) -> None:
        stolen = thief.native(message.provider, message.id_token)
        what = "her native sign-in, as it passes by, with the thief's key and signature instead of hers"
        thief.must_fail(what, replace(stolen, salt=message.salt), LoginReply)

    redirect = f"{settings.origin}/auth/acme/callback"
    with Server(settings.port, Trap(thief.ca, provider, secret, redirect, [bound, plain], seen)) as server:
        print("- the thief's own program answers at the front end's address now", flush=True)
        return server.serve_until_caught(), bound, plain


def use(thief: Thief, loot: Loot, bound: str, plain: str, native_login: str) -> str:
    """Tries every use of the loot against the CA. Returns a certificate that was made for alice's key."""
    what = "alice's ID token of the web client, whose nonce the thief made from its own key"
    thief.must_fail(what, thief.native("acme", loot.tokens[bound]), LoginReply)
    web = thief.ca.call(LoginWeb("acme", loot.tokens[plain], plain, "127.0.0.1"), LoginReply).login
    ask = Ask(web.id, ("web1",), None, "shell", None, None, "", certificate=False, address="127.0.0.1")
    request = thief.ca.call(ask, AskReply).request
    print("- asking for web1 in her name works, and the log will say that it came from a web page")
    thief.must_fail("a certificate for that grant, by her web login", SignUser(web.id, request.id), CertificateReply)
    made = thief.ca.call(SignUser(native_login, request.id), CertificateReply).certificate
    print("- a certificate for that grant, by her native login: it is for the key on alice's laptop, and for no other")
    return made.text


class Borrowed(asyncssh.SSHKeyPair):
    """A certificate together with a private key that is not its own."""

    def __init__(self, certificate: asyncssh.SSHCertificate, own: asyncssh.SSHKey) -> None:
        key = certificate.key
        super().__init__(
            key.algorithm, key.algorithm, key.sig_algorithms, key.sig_algorithms, key.public_data, None, certificate
        )
        self._own = own

    def sign(self, data: bytes) -> bytes:
        """Signs with the thief's key what the certificate's key should have signed."""
        signature: bytes = self._own.sign(data, self.sig_algorithm)
        return signature


async def connect(thief: Thief, certificate: str, port: int, account: str) -> None:
    """Goes to the host itself with alice's certificate and the thief's key."""
    pair = Borrowed(asyncssh.import_certificate(certificate), asyncssh.read_private_key(thief.key))
    print(f"- that certificate at web1's sshd, signed for by the thief's key as {account}")
    try:
        async with asyncssh.connect(
            "127.0.0.1", port, username=account, client_keys=[pair], known_hosts=None, config=None, agent_path=None
        ):
            raise Worked("the host let the thief in")
    except asyncssh.PermissionDenied as error:
        print(f"  sshd: {error.reason}", flush=True)


def main() -> int:
    """Tries everything, in order."""
    parser = argparse.ArgumentParser(prog="thief", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the front end's web.toml")
    parser.add_argument("--keys", type=Path, help="where the CA keeps its keys, if it has a user of its own")
    parser.add_argument("--host", nargs=2, required=True, metavar=("PORT", "LOGIN"))
    arguments = parser.parse_args()
    settings = config.load(arguments.config)
    try:
        with tempfile.TemporaryDirectory(dir=Path(settings.session_key_file).parent) as folder:
            thief = Thief(settings, Path(folder))
            look_around(settings, arguments.keys)
            loot, bound, plain = wait_for_alice(thief, settings)
            certificate = use(thief, loot, bound, plain, loot.native_login)
            asyncio.run(connect(thief, certificate, int(arguments.host[0]), arguments.host[1]))
    except Worked as error:
        print(f"IT WORKED: {error}")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
