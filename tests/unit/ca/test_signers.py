"""Private keys in files, in agents and on tokens: OpenSSH judges what they sign."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from sshjit import profile, sshcert, sshkey
from sshjit.errors import Failed, Invalid
from sshjit.profile import Issue
from sshjit.sshwire import Reader
from sshjit_ca.keys import Signer, files, references, sshsig, tokens
from sshjit_ca.keys.key_store import KeyStore
from sshjit_ca.keys.locations import KeyLocations
from sshjit_ca.keys.tokens import TokenKey
from tests.support import devices
from tests.support.devices import KINDS, Token, ssh_key
from tests.support.installation import make_key

SIGNATURE = {
    "ed25519": "ssh-ed25519",
    "ecdsa-p256": "ecdsa-sha2-nistp256",
    "ecdsa-p384": "ecdsa-sha2-nistp384",
    "ecdsa-p521": "ecdsa-sha2-nistp521",
    "rsa-3072": "rsa-sha2-512",
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[devices.Agent]:
    """An agent with a key of every kind."""
    folder = tmp_path_factory.mktemp("agent")
    with devices.agent(folder / "socket") as found:
        for kind in KINDS:
            found.run(ssh_key(folder / kind, kind))
        yield found


def fingerprint(path: Path) -> str:
    return sshkey.parse_line(path.with_suffix(".pub").read_text()).fingerprint


def judged(signer: Signer, kind: str, folder: Path) -> None:
    """A user certificate, a host certificate and an SSHSIG by the key, as OpenSSH reads them."""
    assert Reader(signer.sign(b"x")).text() == SIGNATURE[kind]
    subject = sshkey.parse_line(make_key(folder / "subject").with_suffix(".pub").read_text())
    issue = Issue(int(time.time()), 7, b"n" * 32, signer.public, 900)
    signed = sshcert.encode(profile.host_certificate("web1", (), subject, issue))
    (folder / "subject-cert.pub").write_text(sshcert.line(sshcert.seal(signed, signer.sign(signed))))
    shown = subprocess.run(["ssh-keygen", "-L", "-f", folder / "subject-cert.pub"], capture_output=True, check=True)
    assert f"{signer.public.fingerprint} (using {SIGNATURE[kind]})" in shown.stdout.decode()
    (folder / "signers").write_text(f"it {signer.public.line}\n")
    (folder / "sig").write_text(sshsig.sign(signer, "bundle@ssh-jit", b"text"))
    command = ["ssh-keygen", "-Y", "verify", "-f", "signers", "-I", "it", "-n", "bundle@ssh-jit", "-s", "sig"]
    for text, good in ((b"text", True), (b"texT", False)):
        done = subprocess.run(command, cwd=folder, input=text, capture_output=True, check=False)
        assert (done.returncode == 0) is good, done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_keys_of_files_sign_what_openssh_accepts(kind: str, tmp_path: Path) -> None:
    judged(KeyStore(KeyLocations()).open(references.of_file(ssh_key(tmp_path / "a key?", kind))), kind, tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_keys_of_an_agent_sign_what_openssh_accepts(kind: str, running: devices.Agent, tmp_path: Path) -> None:
    key_store = KeyStore(KeyLocations(agent=running.socket))
    judged(key_store.open(f"agent:{fingerprint(running.socket.with_name(kind))}"), kind, tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_keys_on_a_token_sign_what_openssh_accepts(kind: str, token: Token, tmp_path: Path) -> None:
    judged(KeyStore(KeyLocations()).open(token.reference(kind)), kind, tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_keys_that_the_ca_makes_are_openssh_keys(kind: str, tmp_path: Path) -> None:
    files.make(tmp_path / "key", kind)  # type: ignore[arg-type]  # the test's names are those of KeyKind
    read = subprocess.run(["ssh-keygen", "-y", "-f", tmp_path / "key"], capture_output=True, check=True)
    assert read.stdout.decode().split() == (tmp_path / "key.pub").read_text().split()
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_an_encrypted_file_opens_by_a_passphrase_file_or_a_credential(tmp_path: Path) -> None:
    key, secret = tmp_path / "key", tmp_path / "secret"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "open sesame", "-f", key], check=True)
    secret.write_text("open sesame\n")
    secret.chmod(0o600)
    for reference, places in (
        (f"file:{key}?passphrase={secret}", KeyLocations()),
        (f"file:{key}?passphrase=secret", KeyLocations.of({"CREDENTIALS_DIRECTORY": str(tmp_path)})),
    ):
        assert KeyStore(places).open(reference).public.fingerprint == fingerprint(key)


def test_what_is_wrong_with_an_encrypted_file_is_said(tmp_path: Path) -> None:
    key, secret = tmp_path / "key", tmp_path / "secret"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "open sesame", "-f", key], check=True)
    plain = make_key(tmp_path / "plain")
    secret.write_text("open barley")
    secret.chmod(0o600)
    wrong = [
        (f"file:{key}", "bad_passphrase", "is encrypted"),
        (f"file:{plain}?passphrase={secret}", "bad_passphrase", "is not encrypted"),
        (f"file:{key}?passphrase={secret}", "bad_passphrase", "does not decrypt"),
        (f"file:{key}?passphrase={tmp_path}/none", "no_secret", "No such file"),
        (f"file:{key}?passphrase=secret", "no_secret", "systemd gave this process no credentials"),
    ]
    for reference, code, said in wrong:
        with pytest.raises(Failed, match=said) as failed:
            KeyStore(KeyLocations()).open(reference)
        assert failed.value.code == code
    secret.chmod(0o644)
    with pytest.raises(Failed) as failed:
        KeyStore(KeyLocations()).open(f"file:{key}?passphrase={secret}")
    assert failed.value.code == "secret_exposed"


def test_a_short_rsa_key_and_a_dsa_like_one_are_not_used(tmp_path: Path) -> None:
    short = make_key(tmp_path / "short", "rsa", 2048)
    with pytest.raises(Failed, match="2048 bits") as failed:
        files.load(short)
    assert failed.value.code == "bad_key_file"


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "/etc/key",
        "file:key",
        "file:/key?pass=x",
        "file:/key?passphrase=../x",
        "file:/key?passphrase=a/b",
        "file:/ke y",
        "agent:",
        "agent:MD5:00:11",
        f"agent:SHA256:{'A' * 42}",
        f"agent:SHA256:{'A' * 43}?socket=here",
        "pkcs11:token=t?module-path=/m",
        "pkcs11:object=o?module-path=/m",
        "pkcs11:token=t;object=o",
        "pkcs11:token=t;object=o?module-path=m",
        "pkcs11:token=t;object=o?module-path=/m&pin-value=1234",
        "pkcs11:token=t;object=o;type=public?module-path=/m",
        "pkcs11:token=t;token=u;object=o?module-path=/m",
        "pkcs11:token=t;object=o;library-version=3?module-path=/m",
        "file:/" + "a" * 1000,
    ],
)
def test_references_that_are_refused(reference: str) -> None:
    with pytest.raises(Invalid) as bad:
        references.parse(reference)
    assert bad.value.code == "bad_reference"


def test_a_pkcs11_uri_is_percent_decoded() -> None:
    found = references.parse("pkcs11:token=my%20token;id=%00%ff?module-path=/m.so&pin-source=file:/run/pin")
    assert found == references.Token(Path("/m.so"), "my token", None, None, None, None, b"\x00\xff", "/run/pin")


def test_a_uri_is_taken_as_p11tool_prints_it() -> None:
    printed = (
        "pkcs11:model=SW%20%20%20TPM%00%00%00%00%00%00%00%00;manufacturer=IBM;serial=0000000000000000;token=ca"
        ";id=%33%34%65%34;object=user_ca;type=private"
    )
    found = references.parse(f"{printed}?module-path=/m.so")
    assert found == references.Token(
        Path("/m.so"), "ca", "0000000000000000", "IBM", "SW   TPM", "user_ca", b"34e4", None
    )


def on_token(token: Token, label: str) -> TokenKey:
    reference = references.parse(token.reference(label))
    assert isinstance(reference, references.Token)
    return TokenKey(reference, KeyLocations())


def test_every_word_of_a_uri_must_fit_the_token(token: Token) -> None:
    import pkcs11

    device = pkcs11.lib(str(devices.MODULE)).get_token(token_label="ssh-jit")
    words = {"manufacturer": device.manufacturer_id, "model": device.model, "serial": device.serial.decode()}
    plain = token.reference("ed25519")
    full = "".join(f"{name}={quote(text)};" for name, text in words.items())
    assert KeyStore(KeyLocations()).open(plain.replace("pkcs11:", f"pkcs11:{full}type=private;")).sign(b"x")
    for name in words:
        with pytest.raises(Failed, match="NoSuchToken"):
            KeyStore(KeyLocations()).open(plain.replace("pkcs11:", f"pkcs11:{name}=another;"))


def test_keys_of_one_library_outlive_that_another_initialised_it_again(token: Token) -> None:
    """Numbers of sessions and keys are given out anew then, and an old one may be another key's."""
    token.add("ed25519", "twin")
    second, first = (on_token(token, label) for label in ("twin", "ed25519"))
    for each in (first, second):
        each.sign(b"x")
    first._initialise()
    for each in (first, second, first):
        assert each.sign(b"x"), "which is checked"
    token.remove("twin")


def test_a_pin_that_is_wrong_is_not_tried_twice(token: Token, monkeypatch: pytest.MonkeyPatch) -> None:
    import pkcs11

    key, begun = on_token(token, "ed25519"), list[TokenKey]()
    monkeypatch.setattr(TokenKey, "_initialise", begun.append)
    pkcs11.lib(str(devices.MODULE)).reinitialize()  # so that nobody is logged in
    right = token.pin.read_text()
    token.pin.write_text("11111")
    with pytest.raises(Failed, match="PinIncorrect"):
        key.sign(b"x")
    token.pin.write_text(right)
    assert not begun
    assert key.sign(b"x")


def test_t12_an_rsa_key_that_signs_with_sha1_is_not_believed(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    from sshjit.sshwire import string, text
    from sshjit_ca.keys import signatures

    path = make_key(tmp_path / "rsa", "rsa", 3072)
    private = serialization.load_ssh_private_key(path.read_bytes(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    public = files.load(path).public
    for kind, digest in (("ssh-rsa", hashes.SHA1()), ("rsa-sha2-256", hashes.SHA256())):  # noqa: S303 - that is the point
        blob = text(kind) + string(private.sign(b"x", padding.PKCS1v15(), digest))
        with pytest.raises(Failed):
            signatures.ours(public, b"x", blob, "it")


def test_what_is_wrong_with_a_token_is_said(token: Token, tmp_path: Path) -> None:
    library = tmp_path / "lib.so"
    library.write_bytes(b"")
    library.chmod(0o666)
    good = token.reference("ed25519")
    wrong = [
        (good.replace("object=ed25519", "object=none"), "NoSuchKey"),
        (good.replace("token=ssh-jit", "token=none"), "NoSuchToken"),
        (good.replace(str(devices.MODULE), "/nowhere.so"), "No such file"),
        (good.replace(str(devices.MODULE), str(library)), "is writable by other users"),
    ]
    for reference, said in wrong:
        with pytest.raises(Failed, match=said) as failed:
            KeyStore(KeyLocations()).open(reference)
        assert failed.value.code == "not_signing"


def test_a_wrong_pin_is_said_in_a_process_of_its_own(token: Token, tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("11111")
    (tmp_path / "pin").chmod(0o600)
    program = (
        "import sys; from sshjit_ca.keys.key_store import KeyStore; from sshjit_ca.keys.locations import KeyLocations\n"
        "try: KeyStore(KeyLocations()).open(sys.argv[1])\n"
        "except Exception as error: print(error.code, error.message)"
    )
    reference = token.reference("ed25519").replace(str(token.pin), str(tmp_path / "pin"))
    done = subprocess.run(
        [sys.executable, "-c", program, reference],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("not_signing the token 'ssh-jit' does not sign: PinIncorrect")


def test_a_session_that_died_is_opened_anew(token: Token) -> None:
    signer = tokens.TokenKey(parsed(token.reference("ed25519")), KeyLocations())
    signer.sign(b"x")
    signer._session.close()  # as the device does when it loses power
    signer.sign(b"x")


def test_a_token_that_hangs_costs_its_time_and_no_more() -> None:
    waiting = threading.Event()
    with pytest.raises(TimeoutError):
        tokens.within(0.1, lambda: waiting.wait(5))
    waiting.set()


def parsed(reference: str) -> references.Token:
    found = references.parse(reference)
    assert isinstance(found, references.Token)
    return found


def test_a_reference_must_lead_to_the_key_that_the_log_knows(tmp_path: Path) -> None:
    one, other = make_key(tmp_path / "one"), make_key(tmp_path / "other")
    with pytest.raises(Failed, match="the log knows") as failed:
        KeyStore(KeyLocations()).signer(fingerprint(one), references.of_file(other))
    assert failed.value.code == "other_key"
