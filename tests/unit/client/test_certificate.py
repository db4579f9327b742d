"""Which certificates are kept."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import shlex
import time
from pathlib import Path
from typing import Any

import pytest

from sshjit import sshcert
from sshjit.api.views import BastionView, CertificateView, RouteView
from sshjit.errors import Failed
from sshjit_client.connecting import certificate
from sshjit_client.ssh import certificate_index, connection_args, openssh, sshconfig
from sshjit_client.storage import file_locks, files
from tests.unit.client.installation_keys import InstallationKeys, make_key

ROUTE = RouteView("web1", "web1", ("web1.lab", "192.0.2.7"), "192.0.2.7", 22)


@pytest.fixture
def public(tmp_path: Path) -> str:
    return make_key(tmp_path / "mine").line


def view(installation: InstallationKeys, public: str, **changes: object) -> CertificateView:
    text = installation.certify(public, "deploy@web1")
    return _view(text, **changes)


def _view(text: str, /, **changes: object) -> CertificateView:
    read = sshcert.parse_line(text)[0]
    plain = CertificateView(
        text=text,
        serial=read.serial,
        key_id=read.key_id,
        principals=read.principals,
        valid_after=read.valid_after,
        valid_before=read.valid_before,
        request="req-00000001",
        login="deploy",
        action="shell",
        grant_ends=read.valid_before,
        routes=(ROUTE,),
    )
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def test_a_fitting_certificate_is_taken_by_name_or_alias(installation: InstallationKeys, public: str) -> None:
    found = view(installation, public)
    for host in ("web1", "web1.lab", "192.0.2.7"):
        taken = certificate.check(found, public, host, None, installation.bundle())
        assert taken.line == " ".join(found.text.split()[:2])


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"login": "root"}, "not for root@web1"),
        ({"login": "root\nHost *"}, "not an account name"),
        ({"valid_before": 2**40}, "its end differs"),
        ({"routes": ()}, "no route to web1"),
        ({"routes": (dataclasses.replace(ROUTE, host="web1", host_id="db1"),)}, "does not match its name"),
        ({"routes": (dataclasses.replace(ROUTE, host_id="web1~2"),)}, "not for deploy@web1~2"),
        ({"routes": (dataclasses.replace(ROUTE, aliases=("*",)),)}, "not a host name"),
        ({"routes": (dataclasses.replace(ROUTE, aliases=("a b",)),)}, "not a host name"),
        ({"routes": (dataclasses.replace(ROUTE, address="-oProxyCommand=id"),)}, "not a host name or an IP"),
        ({"routes": (dataclasses.replace(ROUTE, address="a\nProxyCommand id"),)}, "not a host name or an IP"),
        ({"routes": (dataclasses.replace(ROUTE, port=0),)}, "not a port"),
        ({"text": "x"}, "unusable"),
    ],
)
def test_t51_what_the_front_end_adds_is_checked(
    installation: InstallationKeys, public: str, changes: dict[str, object], why: str
) -> None:
    with pytest.raises(Failed, match=why):
        certificate.check(view(installation, public, **changes), public, "web1", None, installation.bundle())


def test_another_key_another_ca_and_another_account_are_refused(
    installation: InstallationKeys, public: str, tmp_path: Path
) -> None:
    other, believed = make_key(tmp_path / "other").line, installation.bundle()
    with pytest.raises(Failed, match="another key"):
        certificate.check(view(installation, other), public, "web1", None, believed)
    with pytest.raises(Failed, match="the bundle does not name its CA"):
        certificate.check(
            _view(installation.certify(public, "deploy@web1", ca="host_ca")), public, "web1", None, believed
        )
    with pytest.raises(Failed, match="it is for deploy, not root"):
        certificate.check(view(installation, public), public, "web1", "root", believed)
    host = _view(installation.certify(public, "deploy@web1", options=("-h",)))
    with pytest.raises(Failed, match="it is not a user certificate"):
        certificate.check(host, public, "web1", None, believed)


GATE = RouteView("gate", "gate~2", ("gate.lab",), "198.51.100.1", 2222)


def behind(
    installation: InstallationKeys, public: str, principals: str = "via/web1@gate~2", **more: object
) -> CertificateView:
    """A certificate for a host behind a bastion, with the second one; ``more`` is what the front end says of that."""
    text = _view(installation.certify(public, "deploy@web1"), routes=(dataclasses.replace(ROUTE, via="gate"),))
    second = installation.certify(public, principals, serial=6)
    plain = BastionView("web1", second, 6, text.valid_before, "jump", GATE)
    return dataclasses.replace(text, bastions=(dataclasses.replace(plain, **more),))  # type: ignore[arg-type]


def test_the_second_certificate_says_which_bastion_it_is(installation: InstallationKeys, public: str) -> None:
    taken = certificate.check(behind(installation, public), public, "web1", None, installation.bundle()).bastion
    assert taken is not None
    assert (taken.host, taken.address, taken.port, taken.login) == ("gate", "198.51.100.1", 2222, "jump")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"principals": "deploy@web1"}, "it is for another way"),
        ({"principals": "via/web1@gate"}, "it is for another way"),
        ({"principals": "via/db1@gate~2"}, "it is for another way"),
        ({"principals": "via/web1@gate~2,deploy@gate"}, "it is for another way"),
        ({"route": dataclasses.replace(GATE, host="web2", host_id="web2")}, "it is for another way"),
        ({"route": dataclasses.replace(GATE, host="web2")}, "does not match its name"),
        ({"route": dataclasses.replace(GATE, address="-oProxyCommand=id")}, "not a host name or an IP"),
        ({"route": dataclasses.replace(GATE, port=0)}, "not a port"),
        ({"login": "jump -oProxyCommand=id"}, "not an account name"),
        ({"target": "db1"}, "no certificate for 'gate', the bastion"),
        ({"text": "x"}, "unusable"),
    ],
)
def test_t51_what_the_front_end_adds_to_the_second_is_checked_too(
    installation: InstallationKeys, public: str, more: dict[str, object], why: str
) -> None:
    principals = str(more.pop("principals", "via/web1@gate~2"))
    found = behind(installation, public, principals, **more)
    with pytest.raises(Failed, match=why):
        certificate.check(found, public, "web1", None, installation.bundle())


def test_the_second_is_for_our_key_and_by_our_ca(installation: InstallationKeys, public: str, tmp_path: Path) -> None:
    other, believed = make_key(tmp_path / "other").line, installation.bundle()
    for text, why in (
        (installation.certify(other, "via/web1@gate~2", serial=7), "another key"),
        (installation.certify(public, "via/web1@gate~2", serial=8, ca="host_ca"), "does not name its CA"),
        (installation.certify(public, "via/web1@gate~2", serial=9, options=("-h",)), "not a user certificate"),
        (installation.certify(public, "via/web1@gate~2", serial=10, seconds=60), "it ends before the other one"),
    ):
        with pytest.raises(Failed, match=why):
            certificate.check(behind(installation, public, text=text), public, "web1", None, believed)


def test_what_a_bastion_takes_is_swept_away_with_the_rest(
    installation: InstallationKeys, public: str, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    believed = installation.bundle()
    taken = certificate.check(behind(installation, public), public, "web1", None, believed)
    own, needed = sshconfig.Own(None, "/etc/known", None), sshconfig.Files(state / "id", state / "revoked", state)
    args = connection_args.read(["web1"])
    path = certificate.keep(taken, args, believed, own=own, kept=needed, until=taken.valid_before)
    settings = openssh.effective(["web1"], path)
    way = path.with_name(path.name.replace(".conf", "~via"))
    assert f"-F {shlex.quote(str(way))} -l jump" in settings["proxycommand"]
    known = path.with_name(f"{way.name}.known").read_text()
    assert known == f"# gate\n@cert-authority gate {installation.host_ca.line}\n"
    hop = openssh.effective(["-l", "jump", "gate"], way)
    assert (hop["hostname"], hop["port"], hop["hostkeyalias"]) == ("198.51.100.1", "2222", "gate")
    assert hop.get("proxycommand", "none") == "none"
    assert len(list((state / "open").iterdir())) == 6
    certificate.forget(state / "open", time.time() + 301)
    assert list((state / "open").iterdir()) == []


def kept(installation: InstallationKeys, public: str, state: Path, *, skew: int = 0, seconds: int = 300) -> Path:
    line, believed = connection_args.read(["web1"]), installation.bundle()
    found = _view(installation.certify(public, "deploy@web1", seconds=seconds))
    taken = certificate.check(found, public, "web1", None, believed)
    own = sshconfig.Own(None, "/etc/known", None)
    needed = sshconfig.Files(state / "id", state / "revoked", state)
    return certificate.keep(taken, line, believed, own=own, kept=needed, until=taken.valid_before - skew)


def test_t51_the_host_ca_is_trusted_for_what_was_typed_alone(
    installation: InstallationKeys, public: str, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    path = kept(installation, public, state)
    known = path.with_name(path.name.replace(".conf", ".known")).read_text()
    assert known == f"# web1\n@cert-authority web1 {installation.host_ca.line}\n"
    assert openssh.effective(["web1"], path)["hostname"] == "192.0.2.7"
    assert certificate_index.live_config(connection_args.read(["web1"]), [str(state)]) == str(path)


def test_the_end_is_told_by_our_own_clock(installation: InstallationKeys, public: str, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    began = time.time()
    path = kept(installation, public, state, skew=200)
    with path.open("rb") as file:
        assert began - 1 < certificate_index.until(file.readline()) - 100 < time.time() + 1


def test_nothing_of_a_certificate_of_minutes_waits_for_the_disk(
    installation: InstallationKeys, public: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every connection would: it is asked for again where a power cut took it."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    synced = list[int]()
    monkeypatch.setattr(os, "fsync", synced.append)
    kept(installation, public, state)
    sshconfig.own(connection_args.read(["web1"]))
    assert synced == []


def test_what_is_over_is_swept_away(installation: InstallationKeys, public: str, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    began = time.time()
    kept(installation, public, state)
    certificate.forget(state / "open", began + 299)
    assert len(list((state / "open").iterdir())) == 3
    certificate.forget(state / "open", time.time() + 301)
    assert list((state / "open").iterdir()) == []


def test_no_process_sweeps_away_what_another_one_just_wrote(
    installation: InstallationKeys, public: str, tmp_path: Path
) -> None:
    """Many connections at once, whose certificate is over: each needs its files until ssh has read them."""
    processes = multiprocessing.get_context("fork")
    believed, args = installation.bundle(), connection_args.read(["web1"])
    taken = certificate.check(view(installation, public), public, "web1", None, believed)
    own = sshconfig.Own(None, "/etc/known", None)
    for number in range(8):
        state = tmp_path / f"state{number}"
        state.mkdir(mode=0o700)
        needed = sshconfig.Files(state / "id", state / "revoked", state)
        over = certificate.keep(taken, args, believed, own=own, kept=needed, until=taken.valid_before)
        files.write(over, f"{certificate_index.HEAD}1\n", durable=False)
        lost, start = processes.SimpleQueue(), processes.Barrier(12)

        def connect(needed: sshconfig.Files = needed, lost: Any = lost, start: Any = start) -> None:
            start.wait()
            try:
                path = certificate.keep(taken, args, believed, own=own, kept=needed, until=taken.valid_before)
                for _ in range(60):
                    assert path.exists(), "the configuration is lost"
                    assert path.with_name(path.name.replace(".conf", "-cert.pub")).exists(), "the certificate is lost"
                    time.sleep(0.0001)
            except BaseException as error:  # noqa: BLE001  # whatever it is, the test says it
                lost.put(repr(error))
            else:
                lost.put("")

        children = [processes.Process(target=connect) for _ in range(12)]
        for child in children:
            child.start()
        assert [lost.get() for _ in children] == [""] * 12
        for child in children:
            child.join()


def test_what_is_written_anew_between_two_looks_stays(
    installation: InstallationKeys, public: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    path = kept(installation, public, state)
    whole = path.read_bytes()
    files.write(path, f"{certificate_index.HEAD}1\n", durable=False)
    look, looks = certificate_index.until, list[bytes]()

    def until(line: bytes) -> int:
        looks.append(line)
        if len(looks) == 1:  # another process connects
            files.write(path, whole, durable=False)
        return look(line)

    monkeypatch.setattr(certificate_index, "until", until)
    certificate.forget(state / "open", time.time())
    assert len(list((state / "open").iterdir())) == 3


def test_what_another_process_sweeps_away_meanwhile_is_no_fault(
    installation: InstallationKeys, public: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was taken for a folder that cannot be written."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    kept(installation, public, state)
    listed = [*(state / "open").glob("*.conf"), state / "open" / "gone.conf"]
    monkeypatch.setattr(Path, "glob", lambda *_: iter(listed))
    certificate.forget(state / "open", time.time() + 301)
    assert list((state / "open").iterdir()) == []


def test_a_grant_that_is_over_takes_no_files_of_a_new_one(
    installation: InstallationKeys, public: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection beside ``done`` writes those of a new grant while shared connections of the old one are ended."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    path = kept(installation, public, state)
    old = certificate.read(path.with_name(path.name.replace(".conf", "-cert.pub")))
    request, read, reads = old.key_id.partition(" ")[0] if old else "", certificate.read, list[Path]()

    def slow(path: Path) -> sshcert.Certificate | None:
        found = read(path)
        reads.append(path)
        if len(reads) == 1:
            fresh = installation.certify(public, "deploy@web1", seconds=200)
            files.write(path, f"{fresh}\n", durable=False)
        return found

    monkeypatch.setattr(certificate, "read", slow)
    assert certificate.remove_of(state / "open", [request]) == [old]
    assert len(list((state / "open").iterdir())) == 3


def test_a_folder_that_a_stopped_process_holds_keeps_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_locks, "_PATIENCE", 0.01)
    with file_locks.alone(tmp_path), file_locks.alone(tmp_path):
        pass
    with file_locks.alone(tmp_path / "gone"):
        pass


def test_t91_one_that_is_over_is_never_shown_to_a_host(
    installation: InstallationKeys, public: str, tmp_path: Path
) -> None:
    """An sshd counts it as a refusal, and shuts the whole address out after a few."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    with pytest.raises(Failed, match="the server sent a certificate that is over"):
        kept(installation, public, state, skew=400, seconds=300)
    assert not (state / "open").exists() or list((state / "open").iterdir()) == []
