"""The one list that sshd reads: the owner's revoked keys in it, what this OpenSSH cannot read, and what is broken."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sshjit_host import alarms, config
from sshjit_host.formats.krl import merge
from tests.support.bundle_cases import NEW_LINE, krl_section
from tests.support.host_machine import ME, Authority, Front, Host, line, make_key, run

OWNERS = "RevokedKeys {path}\n"


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def revokes(host: Host, key: Path) -> bool:
    """Whether the list that sshd reads revokes a key or certificate, as ``ssh-keygen`` says."""
    asked = subprocess.run(
        ["ssh-keygen", "-Q", "-f", host.home / "krl", key], check=False, capture_output=True, text=True
    )
    assert asked.returncode in (0, 1), asked.stderr
    return asked.returncode == 1


@pytest.fixture
def owned(authority: Authority, front: Front, host: Host) -> Callable[[bytes], Path]:
    """A host whose owner revokes keys by a list of their own; the list is what a test says."""

    def own(data: bytes) -> Path:
        path = host.folder / "owners_revoked"
        path.write_bytes(data)
        host.write_sshd_config(after=OWNERS.format(path=path))
        front.serve(authority.offer(krl=base64_of(authority.krl("serial: 7\n"))))
        return path

    return own


@pytest.mark.parametrize("form", ["text", "krl"])
def test_t90_what_the_owner_revokes_is_refused_too(
    form: str, authority: Authority, owned: Callable[[bytes], Path], host: Host
) -> None:
    theirs, other = make_key(host.folder / "theirs"), make_key(host.folder / "other")
    if form == "text":
        path = owned(f"# gone\n\n{line(theirs)} a comment\n".encode())
    else:
        run("ssh-keygen", "-q", "-k", "-f", host.folder / "made", f"{theirs}.pub")
        path = owned((host.folder / "made").read_bytes())
    before = path.read_bytes()
    assert "no longer counts" not in host.refresh()
    ours, good = authority.certificate(f"{ME}@web1", 7), authority.certificate(f"{ME}@web1", 8)
    assert revokes(host, Path(f"{theirs}.pub"))
    assert not revokes(host, Path(f"{other}.pub"))
    assert revokes(host, Path(f"{ours}-cert.pub"))
    with host.sshd() as log:
        assert host.login(ours) == 255
        assert host.login(good) == 0, log.read_text()
    assert path.read_bytes() == before
    assert f"sshd also refuses what {path} revokes" in host.doctor()


def test_a_change_of_the_owners_list_is_followed(owned: Callable[[bytes], Path], host: Host) -> None:
    first, second = make_key(host.folder / "first"), make_key(host.folder / "second")
    path = owned(f"{line(first)}\n".encode())
    host.refresh()
    assert not revokes(host, Path(f"{second}.pub"))
    path.write_text(f"{line(second)}\n")
    assert "is not what it should be by now" in host.doctor()
    host.refresh()
    assert revokes(host, Path(f"{second}.pub"))
    assert not revokes(host, Path(f"{first}.pub"))
    host.write_sshd_config()
    host.refresh()
    assert not revokes(host, Path(f"{second}.pub"))


@pytest.mark.parametrize("broken", ["ssh-ed25519 what\n", "<html>\n", "SSHKRL\n\0\0\0\0\1cut", None])
def test_where_the_owners_list_cannot_be_read_the_old_one_stays_and_it_is_said(
    broken: str | None, authority: Authority, front: Front, owned: Callable[[bytes], Path], host: Host
) -> None:
    path = owned(f"{line(make_key(host.folder / 'theirs'))}\n".encode())
    host.refresh()
    old = (host.home / "krl").read_bytes()
    if broken is None:
        path.unlink()
    else:
        path.write_text(broken)
    front.serve(authority.offer(sequence=2, krl=base64_of(authority.krl("serial: 9\n"))))
    said = host.refresh(code=1)
    assert f"the owner's revoked keys in {path} cannot be taken over" in said
    assert f"hint: mend {path}" in said
    assert (host.home / "krl").read_bytes() == old
    assert str(path) in host.doctor(code=1)
    assert any(str(path) in problem for problem in problems(host))
    path.write_text("# nothing any more\n")
    host.refresh()
    assert revokes(host, Path(f"{authority.certificate(f'{ME}@web1', 9)}-cert.pub"))
    assert problems(host) == ()


def test_none_and_a_second_line_are_nothing(authority: Authority, front: Front, host: Host) -> None:
    key = make_key(host.folder / "theirs")
    second = host.folder / "second"
    second.write_text(f"{line(key)}\n")
    front.serve(authority.offer())
    host.write_sshd_config(after=OWNERS.format(path="none") + OWNERS.format(path=second))
    host.refresh()
    assert not revokes(host, Path(f"{key}.pub"))


def test_a_signature_of_the_owners_list_is_left_out() -> None:
    head = b"SSHKRL\n\0" + bytes((0, 0, 0, 1)) + bytes(32)
    section, signature = b"\2" + (1).to_bytes(4, "big") + b"x", b"\4" + (0).to_bytes(4, "big")
    assert merge(head, head + section + signature) == head + section
    with pytest.raises(ValueError, match="too early"):
        merge(head, head + section[:-1])


def problems(host: Host) -> tuple[str, ...]:
    host.command()
    settings = config.parse(json.dumps(host.settings))
    from sshjit_host.refresh import Refresher

    held = Refresher(settings, lambda _: None).held()
    return alarms.problems(settings, held, time.time())


# ------------------------------------------------------------------------------------------- types that came later


def test_t89_what_this_openssh_does_not_know_is_in_neither_file(authority: Authority, front: Front, host: Host) -> None:
    krl = authority.krl("serial: 7\n") + krl_section(NEW_LINE)
    front.serve(authority.offer(user_ca=[NEW_LINE, line(authority.user_ca)], krl=base64_of(krl)))
    said = host.refresh()
    assert "does not know keys of the type ssh-made-up@example.com in user_ca" in said
    assert (host.home / "user_ca.pub").read_text() == line(authority.user_ca) + "\n"
    assert b"ssh-made-up" not in (host.home / "krl").read_bytes()
    with host.sshd() as log:
        assert host.login(authority.certificate(f"{ME}@web1", 3)) == 0, log.read_text()
        assert host.login(authority.certificate(f"{ME}@web1", 7)) == 255


def test_t89_a_type_counts_where_both_programs_know_it_and_stands_last(
    authority: Authority, front: Front, host: Host
) -> None:
    """An sshd and an ssh-keygen that know the made-up type, in front of the real ones."""
    sshd, keygen = host.folder / "newer-sshd", host.folder / "newer-ssh-keygen"
    sshd.write_text(
        '#!/bin/sh\nfor word in "$@"; do last=$word; done\n'
        'if [ "$1" = -t ] && grep -q "^CASignatureAlgorithms ssh-made-up@example.com$" "$last"; then exit 0; fi\n'
        f'exec {host.settings["sshd"]} "$@"\n'
    )
    keygen.write_text(
        "#!/bin/sh\n"
        'case "$1" in\n'
        '-l) n=$(grep -c made-up "$3"); [ $n -gt 0 ] && { grep made-up "$3"; exit 0; } ;;\n'
        '-Q) grep -q made-up "$3" && exit 0 ;;\n'
        'esac\nexec /usr/bin/ssh-keygen "$@"\n'
    )
    for path in (sshd, keygen):
        path.chmod(0o755)
    real = host.settings["sshd"]
    host.settings |= {"sshd": str(sshd), "ssh_keygen": str(keygen)}
    krl = authority.krl("serial: 7\n") + krl_section(NEW_LINE)
    front.serve(authority.offer(user_ca=[NEW_LINE, line(authority.user_ca)], krl=base64_of(krl)))
    assert "does not know" not in host.refresh()
    assert (host.home / "user_ca.pub").read_text().splitlines() == [line(authority.user_ca), NEW_LINE]
    assert (host.home / "krl").read_bytes() == krl
    for name, program in (("ssh_keygen", "/usr/bin/ssh-keygen"), ("sshd", real)):
        host.settings |= {"sshd": str(sshd), "ssh_keygen": str(keygen), name: program}
        host.refresh()  # OpenSSH is another one now
        assert (host.home / "user_ca.pub").read_text().splitlines() == [line(authority.user_ca)], name
        assert b"ssh-made-up" not in (host.home / "krl").read_bytes()


def test_t89_a_name_that_would_be_more_than_a_name_is_not_tried(authority: Authority, front: Front, host: Host) -> None:
    kind = 'ssh-made-up"#'
    blob = len(kind).to_bytes(4, "big") + kind.encode() + bytes(8)
    seen = host.folder / "seen"
    sshd = host.folder / "watched-sshd"
    sshd.write_text(
        f'#!/bin/sh\nfor word in "$@"; do [ -f "$word" ] && cat "$word" >> {seen}; done\n'
        f'exec {host.settings["sshd"]} "$@"\n'
    )
    sshd.chmod(0o755)
    host.settings["sshd"] = str(sshd)
    front.serve(authority.offer(user_ca=[line(authority.user_ca), f"{kind} {base64_of(blob)}"]))
    host.refresh()
    assert kind not in seen.read_text()


# ------------------------------------------------------------------------------------------------------ broken inputs


@pytest.mark.parametrize("length", [0, 7, 12, 43, 50, -1])
def test_t31_a_list_that_is_cut_or_empty_is_not_taken_and_people_still_get_in(
    length: int, authority: Authority, front: Front, host: Host
) -> None:
    front.serve(authority.offer())
    host.refresh()
    whole = authority.krl("serial: 7\n")
    old = (host.home / "krl").read_bytes()
    front.serve(authority.offer(sequence=2, krl=base64_of(whole[:length])))
    assert "the KRL" in host.refresh(code=4)
    assert (host.home / "krl").read_bytes() == old
    with host.sshd() as log:
        assert host.login(authority.certificate(f"{ME}@web1", 3)) == 0, log.read_text()


def test_a_list_that_somebody_broke_here_is_made_whole_again_with_the_front_end_away(
    authority: Authority, front: Front, host: Host
) -> None:
    front.serve(authority.offer(krl=base64_of(authority.krl("serial: 7\n"))))
    host.refresh()
    whole = (host.home / "krl").read_bytes()
    front.status = 503
    for broken in (b"", whole[:-3], b"<html>", b"ssh-ed25519 AAAA\n"):
        (host.home / "krl").write_bytes(broken)
        assert f"{host.home / 'krl'} is broken" in host.doctor(code=1)
        host.refresh(code=8)
        assert (host.home / "krl").read_bytes() == whole


def test_with_the_disk_full_in_the_middle_the_old_files_stay_whole(
    authority: Authority, front: Front, host: Host
) -> None:
    """A small disk of its own for the host's home: what does not fit is not there, and what was there still is."""
    front.serve(authority.offer(krl=base64_of(authority.krl("serial: 7\n"))))
    host.refresh()
    large = "".join(f"serial: {number}\n" for number in range(1000, 30_000_000, 1000))
    front.serve(authority.offer(sequence=2, krl=base64_of(authority.krl(large))))
    script = (
        f"set -e; cp -a {host.home} {host.folder}/kept; mount -t tmpfs -o size=400k,mode=755 tmpfs {host.home}; "
        f"cp -a {host.folder}/kept/. {host.home}; before=$(sha256sum {host.home}/krl {host.home}/user_ca.pub); "
        '"$@"; code=$?; '.replace("set -e; ", "")
        + f'after=$(sha256sum {host.home}/krl {host.home}/user_ca.pub); [ "$before" = "$after" ] || echo CHANGED; '
        f"ls -A {host.home}; exit $code"
    ).replace("set -e; ", "")
    space = ["unshare", "--map-root-user", "--mount"] if os.geteuid() else ["unshare", "--mount"]
    said = run(*space, "sh", "-c", script, "sh", *host.command("refresh"), code=1)
    assert "No space left on device" in said
    assert "CHANGED" not in said
    assert ".ssh-jit-tmp-" not in said, "no half file is left"


def test_power_lost_between_any_two_writes_leaves_an_sshd_that_lets_people_in(
    authority: Authority, front: Front, host: Host
) -> None:
    """The program dies before its first change of a name, before its second, and so on through a whole refresh."""
    front.serve(authority.offer(krl=base64_of(authority.krl("serial: 7\n"))))
    host.refresh()
    good, gone = authority.certificate(f"{ME}@web1", 3), authority.certificate(f"{ME}@web1", 7)
    ends = 0
    for step in range(60):
        sequence = step + 2
        changed = (
            {"user_ca": [line(authority.user_ca)]}
            if step % 2
            else {"user_ca": [line(authority.user_ca), line(make_key(host.folder / "second_ca"))]}
        )
        krl = authority.krl(f"serial: 7\nserial: {1000 + step}\n")
        front.serve(authority.offer(sequence=sequence, krl=base64_of(krl), **changed))
        if step % 3 == 0:
            host.dropin.unlink(missing_ok=True)
        done = subprocess.run(_dying(host, step), check=False, capture_output=True, text=True)
        assert done.returncode in (0, DIED), done.stderr
        ends += done.returncode == DIED
        assert run(str(host.settings["sshd"]), "-t", "-f", host.sshd_config) == ""
        if (host.home / "krl").exists():
            assert revokes(host, Path(f"{gone}-cert.pub"))
            assert not revokes(host, Path(f"{good}-cert.pub"))
        if done.returncode == 0:
            break
    assert ends > 5
    assert done.returncode == 0, "it came to its end"
    host.refresh()
    with host.sshd() as log:
        assert host.login(good) == 0, log.read_text()
        assert host.login(gone) == 255


DIED = 77


def _dying(host: Host, step: int) -> list[str]:
    """``refresh`` in a process that ends, without a word, before its change number ``step`` of a name."""
    program = (
        "import os, runpy, sys\n"
        "left = [int(sys.argv.pop(1))]\n"
        "def watch(event, arguments):\n"
        "    at = {'os.rename': 1, 'os.remove': 0}.get(event)\n"
        "    if at is not None and str(arguments[at]).startswith(home):\n"
        "        left[0] -= 1\n"
        "        if left[0] < 0:\n"
        f"            os._exit({DIED})\n"
        "home = sys.argv.pop(1)\n"
        "sys.addaudithook(watch)\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    command = host.command("refresh")
    return [sys.executable, "-IS", "-c", program, str(step), str(host.folder), *command[2:]]


# ------------------------------------------------------------------------------------------------------------ alarms


def test_a_bundle_that_nothing_follows_is_an_alarm_long_before_it_expires(
    authority: Authority, front: Front, host: Host
) -> None:
    now = int(time.time())
    front.serve(authority.offer(issued=now - alarms.STALE - 60, expires=now + 20 * 3600))
    assert "warning: no newer bundle since " in host.refresh()
    assert any("no newer bundle since" in problem for problem in problems(host))
    assert "so that revocations may be missing" in host.doctor()
    front.serve(authority.offer(sequence=2, issued=now - alarms.STALE // 2, expires=now + 20 * 3600))
    host.refresh()
    assert "no newer bundle" not in host.refresh()
    assert problems(host) == ()


def test_a_refresh_that_fails_is_told_until_one_succeeds(authority: Authority, front: Front, host: Host) -> None:
    front.serve(authority.offer())
    host.refresh()
    front.status = 503
    host.refresh(code=8)
    (first,) = problems(host)
    assert first.startswith("refreshing fails since 20")
    assert "503" in first
    host.refresh(code=8)
    assert problems(host) == (first,)
    front.status = 200
    host.refresh()
    assert problems(host) == ()
