"""The drop-in against a real sshd: broken or shadowed, it is undone; the owner is never locked out (T32, T36)."""

from __future__ import annotations

import base64
import json
import signal
import subprocess

import pytest

from sshjit_host import config
from sshjit_host.errors import SshdError
from sshjit_host.openssh import reloading
from tests.support.host_machine import ME, Authority, Front, Host
from tests.support.waiting import PATIENCE, wait_until


def _dropin_is(host: Host, before: bytes | None) -> bool:
    return (host.dropin.read_bytes() if host.dropin.exists() else None) == before


def test_t36_a_configuration_that_is_broken_already_is_left_alone(
    authority: Authority, front: Front, host: Host
) -> None:
    host.write_sshd_config(after="NoSuchKeyword yes")
    front.serve(authority.offer())
    output = host.refresh(code=5)
    assert "with our drop-in or without" in output
    assert "NoSuchKeyword" in output
    assert list(host.dropins.iterdir()) == []


def test_t36_what_sshd_refuses_is_undone_byte_for_byte(authority: Authority, front: Front, host: Host) -> None:
    front.serve(authority.offer())
    host.refresh()
    before = host.dropin.read_bytes()
    # Below a Match, sshd takes what the old one holds and refuses the HostCertificate of the new one.
    include = f"Include {host.dropins}/*.conf"
    text = host.sshd_config.read_text().replace(include, "")
    host.sshd_config.write_text(f"{text}Match User somebody-else\n{include}\n")
    (host.folder / "host_key-cert.pub").write_text("a certificate")
    output = host.refresh(code=5)
    assert "sshd refuses our drop-in, so it was not used" in output
    assert "HostCertificate" in output
    assert _dropin_is(host, before)
    assert not (host.home / "dropin.trial").exists()


@pytest.mark.parametrize("keyword", ["TrustedUserCAKeys", "RevokedKeys", "AuthorizedPrincipalsFile"])
def test_t32_a_line_that_shadows_ours_is_named_and_ours_is_undone(
    keyword: str, authority: Authority, front: Front, host: Host
) -> None:
    shadow = host.dropins / "05-owner.conf"
    shadow.write_text(f"# the owner's\n{keyword} none\n")
    front.serve(authority.offer())
    output = host.refresh(code=5)
    assert f"{shadow}:2 sets {keyword} none, which counts instead of ours" in output
    assert [path.name for path in host.dropins.iterdir()] == [shadow.name]
    shadow.unlink()
    assert f"wrote {host.dropin}" in host.refresh()


def test_t32_a_match_block_that_shadows_ours_for_a_login_is_named(
    authority: Authority, front: Front, host: Host
) -> None:
    host.write_sshd_config(after=f"Match User {ME}\n  RevokedKeys none")
    front.serve(authority.offer())
    place = len(host.sshd_config.read_text().splitlines())
    assert f"{host.sshd_config}:{place} sets RevokedKeys none" in host.refresh(code=5)
    host.write_sshd_config(after="Match User somebody-else\n  RevokedKeys none")
    host.refresh()


def test_t32_what_shadows_later_is_named_and_nothing_is_taken_away(
    authority: Authority, front: Front, host: Host
) -> None:
    front.serve(authority.offer())
    host.refresh()
    before = host.dropin.read_bytes()
    (host.dropins / "05-owner.conf").write_text("RevokedKeys none\n")
    assert "05-owner.conf:1 sets RevokedKeys none" in host.refresh(code=5)
    assert _dropin_is(host, before)


def test_t32_a_configuration_without_the_include_is_named(authority: Authority, front: Front, host: Host) -> None:
    text = host.sshd_config.read_text().replace("Include ", "#Include ")
    host.sshd_config.write_text(text)
    front.serve(authority.offer())
    output = host.refresh(code=5)
    assert f"{host.sshd_config} does not include {host.dropin}" in output
    assert f"hint: put `Include {host.dropins}/*.conf` at its top" in output
    assert list(host.dropins.iterdir()) == []


def test_an_owners_setting_that_ours_displaces_is_told(authority: Authority, front: Front, host: Host) -> None:
    host.write_sshd_config(after="AuthorizedPrincipalsFile none")
    front.serve(authority.offer())
    assert "sets AuthorizedPrincipalsFile, which no longer counts: ours comes first" in host.refresh()


def test_a_file_of_that_name_that_is_not_ours_is_not_touched(authority: Authority, front: Front, host: Host) -> None:
    host.dropin.write_text("PermitRootLogin no\n")
    front.serve(authority.offer())
    assert "was not written by ssh-jit-host" in host.refresh(code=5)
    assert host.dropin.read_text() == "PermitRootLogin no\n"


@pytest.mark.parametrize("held", ["an old one", ""])
def test_t36_a_run_killed_during_the_trial_is_made_good(
    held: str, authority: Authority, front: Front, host: Host
) -> None:
    front.serve(authority.offer())
    before = None
    if held:
        host.refresh()
        before = host.dropin.read_bytes()
        (host.folder / "host_key-cert.pub").write_text("a certificate")
    process = _stop_in_trial(host)
    process.kill()
    process.wait()
    assert not _dropin_is(host, before), "it was killed between writing and testing"
    host.settings["sshd"] = f"{host.folder}/sshd"
    journal = json.loads((host.home / "dropin.trial").read_text())
    assert journal["before"] == (base64.b64encode(before).decode() if before else None)
    output = host.refresh()
    assert "an earlier run ended before sshd had accepted it" in output
    assert f"wrote {host.dropin}" in output
    assert not (host.home / "dropin.trial").exists()


def test_t36_sigterm_during_the_trial_puts_the_old_one_back(authority: Authority, front: Front, host: Host) -> None:
    front.serve(authority.offer())
    process = _stop_in_trial(host)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=PATIENCE) == 0
    assert list(host.dropins.iterdir()) == []


def _stop_in_trial(host: Host) -> subprocess.Popen[bytes]:
    """Start a refresh with an sshd that takes its time once the drop-in is in its place; return when it does."""
    reached, slow = host.folder / "reached", host.folder / "slow-sshd"
    reached.unlink(missing_ok=True)
    wait = f'case "$*" in *"-t -f {host.sshd_config}"*) : > {reached}; exec sleep 20;; esac'
    slow.write_text(f'#!/bin/sh\n{wait}\nexec {host.folder}/sshd "$@"\n')
    slow.chmod(0o755)
    host.settings["sshd"] = str(slow)
    process = subprocess.Popen(host.command("refresh"), stderr=subprocess.DEVNULL)
    wait_until(reached.exists, "the trial was not reached")
    return process


def test_no_sshd_is_reloaded_that_would_end_by_it(host: Host) -> None:
    """In the words in which ``doctor`` and ``join`` say it too."""
    host.settings["reload"] = ["/usr/bin/touch", str(host.folder / "reloaded")]
    host.write_sshd_config(before="Nonsense yes")
    settings = config.parse(json.dumps(host.settings))
    with pytest.raises(SshdError, match=r"sshd was not reloaded: sshd refuses its configuration: .*line 1: Bad"):
        reloading.reload(settings)
    host.settings["sshd"] = "/bin/false"
    with pytest.raises(SshdError, match="sshd was not reloaded: sshd does not start: status 1"):
        reloading.reload(config.parse(json.dumps(host.settings)))
    assert not (host.folder / "reloaded").exists()


def test_a_reload_that_fails_is_tried_again(authority: Authority, front: Front, host: Host) -> None:
    host.settings["reload"] = ["/bin/sh", "-c", "echo no; exit 3"]
    front.serve(authority.offer())
    assert "sshd could not be reloaded: no" in host.refresh(code=1)
    host.settings["reload"] = ["/bin/true"]
    assert "reloaded sshd" in host.refresh()
    assert "reloaded sshd" not in host.refresh()
