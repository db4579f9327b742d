"""The CA's own keys, SSH signatures and hosts: ssh-keygen is the judge."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit import sshkey
from sshjit.errors import Failed, Invalid, Refused, SshJitError
from sshjit_ca import config, keys
from sshjit_ca.keys import files, sshsig
from sshjit_ca.storage.store import Store
from tests.support.installation import Installation, make_key, ssh_sign

KINDS = [("ed25519", None), ("ecdsa", 256), ("ecdsa", 384), ("ecdsa", 521), ("rsa", 3072)]


@pytest.mark.parametrize(("kind", "bits"), KINDS)
def test_signatures_of_every_key_type_are_verified_and_changed_ones_are_not(
    tmp_path: Path, kind: str, bits: int | None
) -> None:
    path = make_key(tmp_path / "key", kind, bits)
    key = sshkey.parse_line(path.with_suffix(".pub").read_text())
    signature = ssh_sign(path, "login@ssh-jit", b"message")
    sshsig.verify(signature, key, "login@ssh-jit", b"message")
    for namespace, message in (("login@ssh-jit", b"messagE"), ("file", b"message"), ("", b"")):
        with pytest.raises(Refused):
            sshsig.verify(signature, key, namespace, message)
    other = sshkey.parse_line(make_key(tmp_path / "other").with_suffix(".pub").read_text())
    with pytest.raises(Refused):
        sshsig.verify(signature, other, "login@ssh-jit", b"message")


def test_every_flipped_bit_of_a_signature_is_refused(tmp_path: Path) -> None:
    path = make_key(tmp_path / "key")
    key = sshkey.parse_line(path.with_suffix(".pub").read_text())
    lines = ssh_sign(path, "login@ssh-jit", b"message").splitlines()
    body = "".join(lines[1:-1])
    for at in range(0, len(body) - 2, 3):
        changed = body[:at] + ("A" if body[at] != "A" else "B") + body[at + 1 :]
        with pytest.raises(SshJitError):
            sshsig.verify("\n".join((lines[0], changed, lines[-1])), key, "login@ssh-jit", b"message")


@pytest.mark.parametrize(("begin", "end", "other"), [(0, 6, b"SSHSIH"), (6, 10, bytes(4)), (6, 10, b"\0\0\0\2")])
def test_a_signature_of_another_format_or_version_is_none(tmp_path: Path, begin: int, end: int, other: bytes) -> None:
    path = make_key(tmp_path / "key")
    key = sshkey.parse_line(path.with_suffix(".pub").read_text())
    first, *body, last = ssh_sign(path, "login@ssh-jit", b"message").splitlines()
    blob = base64.b64decode("".join(body))
    assert blob[:10] == b"SSHSIG\0\0\0\1"
    changed = base64.b64encode(blob[:begin] + other + blob[end:]).decode()
    with pytest.raises(Invalid) as refused:
        sshsig.verify(f"{first}\n{changed}\n{last}", key, "login@ssh-jit", b"message")
    assert refused.value.code == "bad_signature"


def test_ssh_keygen_verifies_what_the_ca_signs(ca: Installation) -> None:
    signer = ca.context.keys.active("bundle")
    (ca.home / "signers").write_text(f"who {signer.public.line}\n")
    (ca.home / "sig").write_text(sshsig.sign(signer, "bundle@ssh-jit", b"text"))
    command = ["ssh-keygen", "-Y", "verify", "-f", "signers", "-I", "who", "-n", "bundle@ssh-jit", "-s", "sig"]
    assert subprocess.run(command, input=b"text", cwd=ca.home, check=False, capture_output=True).returncode == 0
    assert subprocess.run(command, input=b"texT", cwd=ca.home, check=False, capture_output=True).returncode != 0


def test_keys_are_readable_by_the_ca_alone_and_never_replaced(ca: Installation) -> None:
    for purpose in keys.PURPOSES:
        path = ca.config.key_file(purpose)
        assert path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(FileExistsError):
            files.make(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_can_read_is_not_used(ca: Installation, mode: int) -> None:
    ca.config.key_file("user_ca").chmod(mode)
    with pytest.raises(Failed) as exposed:
        files.load(ca.config.key_file("user_ca"))
    assert exposed.value.code == "key_exposed"
    assert "chmod 600" in exposed.value.hint


def test_links_strangers_and_other_kinds_of_keys_are_not_used(ca: Installation) -> None:
    path = ca.config.key_file("log")
    raw = path.read_bytes()
    path.unlink()
    path.symlink_to(ca.config.key_file("bundle"))
    with pytest.raises(Failed):
        files.load(path)
    path.unlink()
    for content in (b"", b"not a key", raw[:100], make_key(ca.home / "rsa", "rsa", 2048).read_bytes()):
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(Failed) as bad:
            files.load(path)
        assert bad.value.code == "bad_key_file"


def test_one_key_does_not_serve_two_purposes(ca: Installation) -> None:
    shutil.copy(ca.config.key_file("user_ca"), ca.config.key_file("host_ca"))
    ca.stop()
    for name in ("ca.db", "checkpoint"):
        (ca.home / "ca" / name).unlink()
    store = Store(ca.config.database)
    store.migrate()
    store.close()
    with pytest.raises(Failed) as same:
        ca.start()
    assert same.value.code == "same_key"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version = 1", "version = 2", "version = 1"),
        ("installation", "instalation", "did you mean 'installation'"),
        ('web_users = ["nobody"]', "web_users = 7", "web_users"),
        ('web_users = ["nobody"]', 'web_users = ["nobody-of-that-name"]', "no Unix user"),
        ('home = "/', 'home = "', "absolute path"),
        ("unsafe_development = true", 'certificate_max = "2d"', "certificate_max"),
        ("unsafe_development = true", 'login_max_age = "soon"', "login_max_age"),
        ("unsafe_development = true", 'key_settle = "60d"', "key_settle"),
        ("unsafe_development = true", 'agent_socket = "agent"', "agent_socket"),
    ],
)
def test_configuration_errors_name_the_key(ca: Installation, old: str, new: str, said: str) -> None:
    path = ca.home / "ca.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(Invalid) as bad:
        config.load(path)
    assert said in f"{bad.value.message} {bad.value.hint}"


def test_a_configuration_that_others_can_write_is_refused(ca: Installation) -> None:
    path = ca.home / "policy.toml"
    for mode in (0o602, 0o620, 0o666):
        path.chmod(mode)
        with pytest.raises(Invalid) as writable:
            config.read_trusted(path)
        assert writable.value.code == "config_writable"
    path.chmod(0o644)
    assert config.read_trusted(path) == path.read_text()
    if os.getuid() == 0:
        path.chmod(0o600)
        os.chown(path, 65534, 65534)
        with pytest.raises(Invalid):
            config.read_trusted(path)


def test_a_provider_over_plain_http_is_for_development_only(ca: Installation) -> None:
    path = ca.home / "ca.toml"
    path.write_text(path.read_text().replace("unsafe_development = true", ""))
    ca.stop()
    ca.config = config.load(path)
    with pytest.raises(Invalid) as unsafe:
        ca.start()
    assert unsafe.value.code == "unsafe_http"


def host(
    name: str, *, aliases: tuple[str, ...] = (), labels: tuple[tuple[str, str], ...] = (("env", "staging"),)
) -> m.AddHost:
    return m.AddHost(name, aliases, "127.0.0.1", 22, labels, ())


@pytest.mark.parametrize(
    "message",
    [
        host("web1"),
        host("web2", aliases=("web1",)),
        host("web2", aliases=("a", "a")),
        host("we_b2"),
        host("web*"),
        host("web?"),
        host("web2,db1"),
        host("web2\n"),
        host(""),
        host("web2", labels=()),
        host("web2", labels=(("env", "other"),)),
        host("web2", labels=(("env", "prod"), ("env", "staging"))),
        host("web2", labels=(("env", "prod"), ("colour", "red"))),
        host("web2", labels=(("env", "prod"), ("role", "a b"))),
    ],
    ids=str,
)
def test_t51_t53_t54_hosts_that_are_not_enrolled(ca: Installation, message: m.AddHost) -> None:
    before = ca.kinds()
    with pytest.raises(Invalid):
        ca.say(message, m.HostReply, "admin")
    assert ca.kinds() == before


def test_a_host_certificate_names_exactly_the_host_and_its_aliases(ca: Installation) -> None:
    line = make_key(ca.home / "host").with_suffix(".pub").read_text()
    message = m.AddHost("web2", ("web2.example.com", "192.0.2.9"), "192.0.2.9", 22, (("env", "staging"),), (line,))
    reply = ca.say(message, m.HostReply, "admin")
    (ca.home / "host-cert.pub").write_text(reply.certificates[0])
    done = subprocess.run(
        ["ssh-keygen", "-L", "-f", ca.home / "host-cert.pub"], capture_output=True, text=True, check=True
    )
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert "Type: ssh-ed25519-cert-v01@openssh.com host certificate" in lines
    assert lines[lines.index("Principals:") + 1 : lines.index("Critical Options: (none)")] == [
        "web2",
        "web2.example.com",
        "192.0.2.9",
    ]
    assert ca.context.keys.public("host_ca").fingerprint in done.stdout
    assert reply.bundle_root == ca.context.keys.public("bundle").fingerprint
