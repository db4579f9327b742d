"""Hosts that show no host certificates, as people meet them: connecting, and being told how a host is known."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sshjit import ca_protocol as m
from sshjit.api.hosts import HostsReply, HostView
from sshjit.bundle import Bundle, PlainHost
from sshjit_client import host_certificates
from sshjit_client.ssh import known_hosts
from tests.support.client_server import HOSTS, ClientServer
from tests.support.signatures import join
from tests.unit.client.conftest import Laptop
from tests.unit.client.installation_keys import InstallationKeys
from tests.unit.client.ssh_server import ssh_server

DAY = 24 * 3600


@pytest.fixture
def plain(server: ClientServer, laptop: Laptop, tmp_path: Path) -> Iterator[Path]:
    """web2, which joins without certificates after the laptop got its bundle; gives its private key."""
    assert laptop.run("login").returncode == 0
    folder = tmp_path / "web2"
    folder.mkdir()
    ca = server.front.ca
    with ssh_server(folder, [], ["deploy@web2"], None, ca.context.keys.public("user_ca").line) as port:
        message = m.AddHost("web2", ("web2.lab",), "127.0.0.1", port, tuple(HOSTS["web2"].items()), ())
        invitation = server.say(message, m.HostReply, "admin").invitation
        assert invitation is not None
        key = folder / "ssh_host_key"
        server.say(join(ca, "web2", invitation.token, (key,), host_certificates=False), m.HostReply)
        with server.front.authority.lock:
            ca.later(1)  # the front end asks for a newer bundle twice a second
        yield key


def test_one_that_joined_just_now_is_known_at_once(laptop: Laptop, server: ClientServer, plain: Path) -> None:
    """The bundle of the laptop is fresh, and does not name it yet."""
    for name in ("web2", "web2.lab"):
        done = laptop.run(name, "whoami")
        assert (done.stdout, done.returncode) == ("deploy: whoami\n", 0), done.stderr
    known = (laptop.state / "open" / "web2+shell.known").read_text()
    public = " ".join(plain.with_suffix(".pub").read_text().split()[:2])
    assert known == f"# web2\nweb2 {public}\n"
    server.calls.clear()
    assert laptop.run("web2", "again").returncode == 0
    assert server.calls == []


@pytest.mark.usefixtures("plain")
def test_a_front_end_that_calls_a_host_plain_makes_nobody_believe_it(laptop: Laptop, server: ClientServer) -> None:
    """That is a reason to fetch the bundle, which says how it is."""

    def lie(_: str, value: dict[str, Any]) -> dict[str, Any]:
        for route in (value.get("certificate") or {}).get("routes", ()):
            route["host_certificates"] = False
        return value

    server.alter = lie
    assert laptop.run("web1", "whoami").stdout == "deploy: whoami\n"
    known = (laptop.state / "open" / "web1+shell.known").read_text().splitlines()
    assert [line.split()[:2] for line in known[1:]] == [["@cert-authority", "web1"]]


@pytest.mark.usefixtures("plain")
def test_hosts_and_status_say_how_a_host_is_known(laptop: Laptop, server: ClientServer) -> None:
    laptop.run("web2", "true")
    assert "web2 shows no host certificates; ssh knows it by 1 plain key" in laptop.run("status", "web2").stdout
    lines = {line.split()[0]: line for line in laptop.run("hosts", "--details").stdout.splitlines()}
    assert "plain keys" in lines["web2"]
    assert "plain keys" not in lines["web1"]


def host(name: str, *aliases: str) -> HostView:
    return HostView(name, name, aliases, "192.0.2.7", 22, ())


@pytest.fixture
def bundle(installation: InstallationKeys) -> Bundle:
    """A bundle in which shop1 is a host without certificates."""
    return installation.bundle(bundle=2, host_keys=(PlainHost("shop1", ("shop1", "shop1.lab"), ("k1", "k2")),))


@pytest.mark.parametrize(
    ("name", "left", "said", "shown"),
    [
        ("web1.lab", 7 * DAY, "the host certificates of web1.lab last until", "until "),
        ("web1", 2 * DAY, "were not renewed in time; `ssh-jit-host refresh`", "until "),
        ("web1", -60, "the host certificates of web1 ended", "until "),
        ("web1", None, "web1 lacks a certificate for one of its host keys", "not all keys"),
        ("shop1.lab", None, "shop1.lab shows no host certificates; ssh knows it by 2 plain keys", "plain keys"),
        ("web3", None, "", "-"),
    ],
)
def test_until_when_host_certificates_last(bundle: Bundle, name: str, left: int | None, said: str, shown: str) -> None:
    now = int(time.time())
    until = (("web1", 0 if left is None else now + left),)
    reply = HostsReply((host("web1", "web1.lab"), host("shop1", "shop1.lab"), host("web3")), until)
    sentence = host_certificates.sentence(name, reply, bundle, now)
    assert said in sentence
    assert bool(sentence) == bool(said)
    assert host_certificates.column(name.removesuffix(".lab"), reply, bundle).startswith(shown)


@pytest.mark.parametrize("line", ["@cert-authority shop1 {}\n", "# shop1\n", "# shop1\nshop1 old\n"])
def test_a_newer_bundle_is_in_every_file_of_a_certificate_that_is_alive(
    bundle: Bundle, tmp_path: Path, line: str
) -> None:
    """Also in those of an older program, which had no first line of ours."""
    kept = {name: tmp_path / f"{name}.known" for name in ("alive", "other", "empty")}
    kept["alive"].write_text(line.format(bundle.host_ca[0]))
    kept["other"].write_text("# web1\nweb1 old\n")
    kept["empty"].write_text("")
    known_hosts.update(tmp_path, bundle)
    assert kept["alive"].read_text() == "# shop1\nshop1 k1\nshop1 k2\n"
    assert kept["other"].read_text() == f"# web1\n@cert-authority web1 {bundle.host_ca[0]}\n"
    assert kept["empty"].read_text() == ""


def test_t87_a_laptop_of_format_1_is_told_of_no_plain_key(server: ClientServer, plain: Path) -> None:
    """And so it refuses such a host: it knows it by certificates alone."""
    text = server.say(m.ReadBundle(None, 1), m.BundleReply).bundle
    assert text is not None
    assert "host_keys" not in json.loads(text)
    later = server.say(m.ReadBundle(None, 2), m.BundleReply).bundle
    assert later is not None
    blob = plain.with_suffix(".pub").read_text().split()[1]
    assert base64.b64decode(blob)
    assert blob in later
