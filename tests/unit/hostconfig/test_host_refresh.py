"""A refresh, whole: what it writes, and that a real sshd then lets the right people in."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

from sshjit_host import config
from sshjit_host.openssh.dropin import DropIn
from tests.support.bundle_cases import NEW_LINE, krl_section
from tests.support.host_machine import ME, Authority, Front, Host, line, make_key, run


def test_first_refresh_writes_what_sshd_reads(authority: Authority, front: Front, host: Host) -> None:
    offer = authority.offer(ended=[["req-00000001", 5]], extended=[["req-00000002", 6]])
    front.serve(offer)
    host.refresh()
    assert (host.home / "bundle.json").read_text() == offer["bundle"]
    assert (host.home / "user_ca.pub").read_text() == line(authority.user_ca) + "\n"
    assert (host.home / "principals" / ME).read_text() == f"{ME}@web1\n"
    assert json.loads((host.home / "grants.json").read_text()) == {
        "ended": {"req-00000001": 5},
        "extended": {"req-00000002": 6},
    }
    run("ssh-keygen", "-Q", "-f", host.home / "krl", f"{authority.user_ca}.pub")
    files = [path for path in host.home.rglob("*") if path.is_file() and path.name != ".lock"]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o644}
    assert {(host.home / name).stat().st_mode & 0o777 for name in (".", "principals")} == {0o755}


def test_sshd_is_asked_what_counts_once_before_and_once_after_a_change(
    authority: Authority, front: Front, host: Host
) -> None:
    """On a small machine each question costs more than all the rest of a run."""
    asked = host.folder / "asked"
    counting = host.folder / "counting-sshd"
    counting.write_text(f'#!/bin/sh\n[ "$1" != -T ] || echo x >> {asked}\nexec {host.settings["sshd"]} "$@"\n')
    counting.chmod(0o755)
    host.settings["sshd"] = str(counting)
    front.serve(authority.offer())

    def questions() -> int:
        asked.write_text("")
        host.refresh()
        return len(asked.read_text().split())

    assert questions() == 2, "the drop-in is new"
    assert questions() == 1
    front.serve(authority.offer(sequence=9, ended=[["req-00000001", 5]]))
    assert questions() == 1, "a new bundle changes no setting"
    host.dropin.write_text(host.dropin.read_text() + "# changed\n")
    assert questions() == 2


def test_what_sshd_said_of_a_trial_is_forgotten_when_the_trial_is_put_back(
    authority: Authority, front: Front, host: Host
) -> None:
    """A power cut left the trial in its place, and somebody looks at what counts before it is put back."""
    front.serve(authority.offer())
    host.refresh()
    good = host.dropin.read_bytes()
    keeper = DropIn(config.load(host.folder / "host.json"))
    host.dropin.write_text("TrustedUserCAKeys none\n")
    (host.home / "dropin.trial").write_text(json.dumps({"before": base64.b64encode(good).decode()}))
    assert keeper.usual().value("TrustedUserCAKeys") == "none"
    said: list[str] = []
    keeper.apply(said.append)
    assert host.dropin.read_bytes() == good
    assert said == [f"put {host.dropin} back: an earlier run ended before sshd had accepted it"]
    assert keeper.usual().value("TrustedUserCAKeys") == str(host.home / "user_ca.pub")


def test_anybody_can_check_the_held_bundle_with_openssh(authority: Authority, front: Front, host: Host) -> None:
    front.serve(authority.offer())
    host.refresh()
    signers = host.folder / "allowed_signers"
    signers.write_text(f'bundle namespaces="bundle@ssh-jit" {line(authority.root)}\n')
    command = f"ssh-keygen -Y verify -f {signers} -I bundle -n bundle@ssh-jit -s {host.home}/bundle.sig"
    run(*command.split(), given=(host.home / "bundle.json").read_bytes())


def test_sshd_lets_in_by_principal_and_keeps_revoked_out(authority: Authority, front: Front, host: Host) -> None:
    front.serve(authority.offer())
    host.refresh()
    ours, other = authority.certificate(f"{ME}@web1", 101), authority.certificate(f"{ME}@db1", 102)
    bare = authority.certificate(ME, 103)
    with host.sshd() as log:
        assert host.login(ours) == 0, log.read_text()
        assert host.login(other) == 255
        assert host.login(bare) == 255
        krl = base64.b64encode(authority.krl("serial: 101\n")).decode()
        front.serve(authority.offer(sequence=2, krl=krl))
        host.refresh()
        assert host.login(ours) == 255, "sshd reads the new list without being reloaded"
        assert "revoked" in log.read_text()


def test_a_changed_dropin_reloads_sshd_and_an_unchanged_one_does_not(
    authority: Authority, front: Front, host: Host
) -> None:
    count = host.folder / "reloads"
    host.settings["reload"] = ["/bin/sh", "-c", f"kill -HUP $(cat {host.folder}/sshd.pid) && echo >> {count}"]
    front.serve(authority.offer())
    key = authority.certificate(f"{ME}@web1", 111)
    with host.sshd() as log:
        assert host.login(key) == 255
        host.refresh()
        log.write_text("")
        host.refresh()
        assert count.read_text() == "\n"
        assert host.login(key) == 0, log.read_text()


def test_host_certificates_are_offered_and_renewed_ones_reload(authority: Authority, front: Front, host: Host) -> None:
    front.serve(authority.offer())
    host.refresh()
    assert "HostCertificate" not in host.dropin.read_text()
    certificate = Path(f"{host.folder}/host_key-cert.pub")
    texts = []
    for serial in ("1", "2"):
        run(
            "ssh-keygen",
            "-q",
            "-h",
            "-s",
            authority.host_ca,
            "-I",
            "web1",
            "-n",
            "web1",
            "-z",
            serial,
            host.folder / "host_key",
        )
        assert "sshd must be reloaded" in host.refresh()
        texts.append(host.dropin.read_text())
    assert f"HostCertificate {certificate}\n" in texts[0]
    assert texts[0] != texts[1]
    with host.sshd():
        known = host.folder / "known_hosts"
        known.write_text(f"@cert-authority web1 {line(authority.host_ca)}\n")
        key = authority.certificate(f"{ME}@web1", 121)
        options = f"-F none -o BatchMode=yes -o UserKnownHostsFile={known} -o HostKeyAlias=web1 -l {ME} -p {host.port}"
        run("ssh", *options.split(), "-i", key, "127.0.0.1", "true")


def test_nothing_new_writes_nothing_and_costs_the_front_end_a_304(
    authority: Authority, front: Front, host: Host
) -> None:
    front.serve(authority.offer())
    host.refresh()
    before = host.snapshot()
    assert host.refresh() == ""
    assert host.snapshot() == before
    assert front.statuses == [200, 304]


def test_lost_and_changed_files_come_back_while_the_front_end_is_away(
    authority: Authority, front: Front, host: Host
) -> None:
    front.serve(authority.offer())
    host.refresh()
    before = {path: content[:2] for path, content in host.snapshot().items()}
    (host.home / "krl").unlink()
    (host.home / "user_ca.pub").write_text("rubbish")
    (host.home / "principals" / ME).chmod(0o666)
    (host.home / "principals" / "eve").write_text(f"{ME}@web1\n")
    host.dropin.write_text(host.dropin.read_text() + "# touched\n")
    front.status = 503
    output = host.refresh(code=8)
    assert "answers with status 503" in output
    after = {path: content[:2] for path, content in host.snapshot().items()}
    assert {path for path in before | after if before.get(path) != after.get(path)} <= {
        str(host.home / "reload.pending"),
        str(host.home / "problem.json"),
    }


def test_a_login_that_is_no_longer_managed_loses_its_file(authority: Authority, front: Front, host: Host) -> None:
    host.settings["logins"] = [ME, "deploy"]
    front.serve(authority.offer())
    host.refresh()
    assert (host.home / "principals" / "deploy").read_text() == "deploy@web1\n"
    host.settings["logins"] = [ME]
    assert "removed" in host.refresh()
    assert [path.name for path in (host.home / "principals").iterdir()] == [ME]


def test_an_old_bundle_is_warned_about_and_still_counts(authority: Authority, front: Front, host: Host) -> None:
    front.serve(authority.offer(issued=1_700_000_000, expires=1_700_000_600))
    output = host.refresh()
    assert "warning: no newer bundle since 2023-11-14 22:23 UTC" in output
    assert (host.home / "user_ca.pub").exists()


def test_t35_a_folder_that_others_can_write_is_named(authority: Authority, front: Front, host: Host) -> None:
    front.serve(authority.offer())
    host.folder.chmod(0o777)
    assert f"warning: others can write {host.folder}, so sshd ignores" in host.refresh()
    key = authority.certificate(f"{ME}@web1", 131)
    with host.sshd() as log:
        assert host.login(key) == 255, "the warning is true"
        assert "bad ownership or modes" in log.read_text()


def test_two_at_once_do_not_disturb_each_other(authority: Authority, front: Front, host: Host) -> None:
    front.serve(authority.offer())
    runs = [subprocess.Popen(host.command("refresh"), stderr=subprocess.PIPE, text=True) for _ in range(4)]
    results = [(process.communicate(timeout=60)[1], process.returncode) for process in runs]
    assert [code for _, code in results] == [0] * 4, results
    assert sum("took bundle 1" in output for output, _ in results) == 1
    assert host.refresh() == ""


def test_rotated_ca_keys_of_every_allowed_type_are_taken(authority: Authority, front: Front, host: Host) -> None:
    folder = host.folder
    kinds = (("-t", "ecdsa", "-b", "256"), ("-t", "ecdsa", "-b", "521"), ("-t", "rsa", "-b", "3072"))
    keys = [make_key(folder / f"ca-{number}", *kind) for number, kind in enumerate(kinds)]
    front.serve(authority.offer(user_ca=[line(key) for key in keys]))
    host.refresh()
    assert (host.home / "user_ca.pub").read_text().splitlines() == [line(key) for key in keys]


def test_a_ca_key_that_was_trusted_may_be_revoked_whole(authority: Authority, front: Front, host: Host) -> None:
    front.serve(authority.offer())
    host.refresh()
    new = make_key(host.folder / "new_ca")
    key = authority.certificate(f"{ME}@web1", 141)
    krl = base64.b64encode(authority.krl(Path(f"{authority.user_ca}.pub").read_text())).decode()
    for sequence in (2, 3):
        front.serve(authority.offer(sequence=sequence, krl=krl, user_ca=[line(new)]))
        host.refresh()
    run("ssh-keygen", "-Q", "-f", host.home / "krl", f"{key}-cert.pub", code=1)


def test_t87_what_came_later_is_left_out_and_sshd_goes_by_the_rest(
    authority: Authority, front: Front, host: Host
) -> None:
    """A key of a type that nobody knows, and a section of the list about it, above and beside those that count."""
    keys, whole = [NEW_LINE, line(authority.user_ca)], authority.krl("serial: 101\n")
    krl = base64.b64encode(whole + krl_section(NEW_LINE)).decode()
    front.serve(authority.offer(bundle=2, user_ca=keys, krl=krl, weather="fine", version=9, oldest=9, release="9.9.9"))
    output = host.refresh()
    assert "warning: this ssh-jit-host does not know keys of the type ssh-made-up@example.com in user_ca" in output
    assert "certificates by a key of the type ssh-made-up@example.com in the revocation list" in output
    assert "this ssh-jit-host is too old for the CA; upgrade it to 9.9.9 or newer" in output
    assert (host.home / "user_ca.pub").read_text() == line(authority.user_ca) + "\n"
    assert (host.home / "krl").read_bytes() == whole
    revoked, alive = (authority.certificate(f"{ME}@web1", serial) for serial in (101, 102))
    with host.sshd() as log:
        assert host.login(alive) == 0, log.read_text()
        assert host.login(revoked) == 255


def test_t87_a_host_that_was_upgraded_takes_the_same_bundle_in_the_later_format(
    authority: Authority, front: Front, host: Host
) -> None:
    front.serve(authority.offer(sequence=3))
    host.refresh()
    front.serve(authority.offer(sequence=3, bundle=2, version=2, oldest=1, release="0.2.0"))
    assert "took bundle 3" in host.refresh()
    assert json.loads((host.home / "bundle.json").read_text())["bundle"] == 2
    front.serve(authority.offer(sequence=3))
    assert "took" not in host.refresh()
    assert json.loads((host.home / "bundle.json").read_text())["bundle"] == 2


def test_t87_the_held_bundle_counts_and_not_the_same_one_in_an_earlier_format(
    authority: Authority, front: Front, host: Host
) -> None:
    """Both are signed; should they differ, a front end may not choose between them."""
    refused = base64.b64encode(authority.krl("serial: 101\n")).decode()
    front.serve(authority.offer(sequence=3, bundle=2, krl=refused))
    host.refresh()
    held = host.snapshot()
    front.serve(authority.offer(sequence=3, ended=[["req-00000001", 5]]))
    host.refresh()
    assert {path: data for path, (data, *_) in host.snapshot().items() if not path.endswith(".etag")} == {
        path: data for path, (data, *_) in held.items() if not path.endswith(".etag")
    }


def test_t87_a_program_that_is_older_than_the_bundle_it_holds_says_what_to_upgrade(
    authority: Authority, front: Front, host: Host
) -> None:
    front.serve(authority.offer(sequence=3))
    host.refresh()
    later = json.dumps(authority.fields(sequence=3, bundle=3, release="9.9.9"), sort_keys=True, separators=(",", ":"))
    (host.home / "bundle.json").write_text(later)
    said = host.refresh(code=1)
    assert "hint: upgrade ssh-jit-host to 9.9.9 or newer" in said
    assert "remove" not in said


def test_t87_a_host_tells_its_version_and_is_told_what_to_upgrade_to(
    authority: Authority, front: Front, host: Host
) -> None:
    front.serve(authority.offer())
    host.refresh()
    assert front.headers["Ssh-Jit-Version"] == "2"
    error = {
        "code": "too_old",
        "family": "refused",
        "message": "ssh-jit-host is too old",
        "hint": "upgrade it to 9.9.9",
    }
    front.refuse(426, {"error": error})
    assert "ssh-jit-host is too old: upgrade it to 9.9.9" in host.refresh(code=8)
    front.refuse(426, {"error": error | {"hint": "\x1b[2J"}})
    assert "answers with status 426" in host.refresh(code=8)
