"""What people live through at their terminals, each story a transcript on real programs: CA, front end, sshd, ssh.

One lab serves all of them: ``make test-stories``. Whoever breaks a part of it mends it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from demo.lab import Lab
from demo.lab.people import BIN
from tests.stories.story_shell import StoryShell
from tests.support.waiting import wait_until

FIFTY = 50
SHIFTED = "import time; real = time.time; time.time = lambda: real() + {}; import sshjit_client.__main__ as m; m.main()"
"""The program on a machine whose clock is off by so many seconds."""


@pytest.fixture
def shell(lab: Lab) -> Iterator[StoryShell]:
    """Everybody's terminal; bob, who approves, is signed in; nobody else is, and nothing of theirs is open."""
    shell = StoryShell(lab)
    shell.quietly("bob", "ssh-jit login")
    yield shell
    for who in ("alice", "dana"):
        person = lab.person(who)
        person.run(["ssh-jit", "login"])
        for request in re.findall(r"req-[0-9a-z]{16}", person.run(["ssh-jit", "requests"]).stdout):
            person.run(["ssh-jit", "cancel", request])
            person.run(["ssh-jit", "done", request])
        person.run(["ssh-jit", "logout"])


def pending(shell: StoryShell, who: str = "dana") -> str:
    """The one request of somebody that waits."""
    shown = shell.quietly(who, "ssh-jit requests --mine --state pending --json")
    request: str
    (request,) = set(re.findall(r'"id": "(req-[0-9a-z]{16})"', shown))
    return request


def test_the_first_login_and_the_second_run(shell: StoryShell) -> None:
    shell.play("""
        alice$ ssh-jit web1 whoami
        ssh-jit: signing in with Acme in your browser
        ssh-jit: you log in as deploy
        deploy
    """)
    with shell.lab.ca.pause(), shell.lab.web.pause():
        shell.play("""
            alice$ ssh-jit web1 whoami
            deploy
        """)
    shell.play("""
        alice$ ssh-jit requests
        your requests
        ID ACCESS STATUS
        req-... deploy@web1, 8 h open until ... CE..., ... left
            requested ... ago
            http://127.0.0.1:.../requests/req-...
    """)


def test_waiting_and_approval(shell: StoryShell) -> None:
    shell.quietly("dana", "ssh-jit login")
    with shell.starts("dana", "ssh-jit db1 whoami") as dana:
        dana.wait_for("Incident or change number: ")
        dana.type("CHG-7 add index\n")
        dana.wait_for("postgres@db1, 1 h: waiting for approval by Bob (sre-lead), until ")
        request = pending(shell)
        dana.wait_for(f"http://127.0.0.1:{shell.lab.ports.web}/requests/{request}")
        dana.wait_for("left · waiting for approval by Bob (sre-lead)")
        with shell.starts("bob", f"ssh-jit approve {request}") as bob:
            bob.wait_for("CHG-7 add index")
            bob.wait_for("approve this? [y/N] ")
            bob.type("y\n")
            assert bob.end() == 0, bob.text
        assert dana.end() == 0, dana.text
        assert "\a" in dana.shown, "the bell"
        assert dana.text.rstrip().endswith("ssh-jit: approved by Bob\npostgres"), dana.text


def test_denial(shell: StoryShell) -> None:
    shell.quietly("dana", "ssh-jit login")
    with shell.starts("dana", "ssh-jit --reason 'CHG-8 drop it' db1 whoami") as dana:
        dana.wait_for("left · waiting")
        request = pending(shell)
        shell.quietly("bob", f"ssh-jit deny {request} --reason 'not today'")
        assert dana.end() == 4
        assert "ssh-jit: denied by Bob: not today" in dana.text
        assert f"hint: ssh-jit show {request}" in dana.text


def test_expiry_during_a_session(shell: StoryShell) -> None:
    """What is open when the certificate runs out is the host's to end; the next connection asks anew."""
    shell.quietly("alice", "ssh-jit login")
    shell.play("""
        alice$ ssh-jit --for 7s web1 'sleep 9; echo still here'
        ssh-jit: you log in as deploy
        ...
        alice$ ssh-jit web1 whoami
        ssh-jit: you log in as deploy
        deploy
        alice$ ssh-jit requests
        your requests
        ID ACCESS STATUS
        req-... deploy@web1, 8 h open until ...
        ... over: ssh-jit requests --over
    """)


def test_the_server_is_down(shell: StoryShell) -> None:
    shell.quietly("alice", "ssh-jit web1 true")
    shell.lab.ca.kill()
    try:
        shell.play("""
            alice$ ssh-jit root@web1 true
            ssh-jit: can't reach the CA; existing certificates still work: ssh-jit status
            [exit 8]
            alice$ ssh-jit web1 whoami
            deploy
            alice$ ssh-jit --reason 'CHG-9 other' web1 whoami
            ssh-jit: can't reach the CA; what you typed anew was NOT recorded; using the access that is open
            deploy
        """)
    finally:
        shell.lab.ca.start()
    shell.lab.web.kill()
    try:
        shell.play("""
            alice$ ssh-jit root@web1 true
            ssh-jit: can't reach http://127.0.0.1:...: Connection refused;
            existing certificates still work: ssh-jit status
            [exit 8]
            alice$ ssh-jit doctor web1
            ok    set up ...
            bad   server ... can't reach http://127.0.0.1:...: Connection refused
            ...
            look at: server
            [exit 1]
            alice$ ssh-jit logout
            ssh-jit: signed out on this machine, but the CA does not know:
            can't reach ...; the sign-in goes on there until ...
            hint: if its key may be in wrong hands, have it ended by somebody who may lock:
            ssh-jit revoke --login login-...
            [exit 8]
        """)
    finally:
        shell.lab.web.start()


def test_the_provider_is_down(shell: StoryShell) -> None:
    """Who is signed in goes on; who signs in can see where, and stop it."""
    shell.quietly("alice", "ssh-jit login")
    shell.lab.providers["acme"].kill()
    try:
        shell.play("""
            alice$ ssh-jit web1 whoami
            ssh-jit: you log in as deploy
            deploy
        """)
        with shell.starts("alice", "ssh-jit login") as session:
            session.wait_for("signing in with Acme in your browser")
            session.wait_for(f"http://127.0.0.1:{shell.lab.ports.providers['acme']}/")
            session.interrupt()
            assert session.end() == 130, session.text
            assert "interrupted" in session.text
        shell.play("""
            alice$ ssh-jit web1 whoami
            deploy
        """)
    finally:
        shell.lab.providers["acme"].start()


def test_a_ca_that_has_just_started(shell: StoryShell) -> None:
    """Its first bundle does not say where people sign in: who does so waits a moment, and sees for what."""
    shell.quietly("alice", "ssh-jit logout")
    with ExitStack() as paused:
        paused.enter_context(shell.lab.providers["acme"].pause())
        shell.lab.ca.kill()
        shell.lab.ca.start()
        with shell.starts("alice", "ssh-jit web1 whoami") as session:
            session.wait_for("the CA has just started and has not reached Acme yet; waiting for it")
            session.wait_for("s left · waiting until the CA has reached Acme")
            paused.close()
            assert session.end() == 0, session.text
        assert session.text.rstrip().endswith(
            "signing in with Acme in your browser\nssh-jit: you log in as deploy\ndeploy"
        )


def test_an_approval_that_came_while_nobody_waited(shell: StoryShell) -> None:
    """The person stopped waiting, the CA died and came back, and the approval was given meanwhile."""
    shell.quietly("dana", "ssh-jit login")
    with shell.starts("dana", "ssh-jit --reason CHG-10 db1 whoami") as dana:
        dana.wait_for("left · waiting")
        shell.lab.ca.kill()
        dana.wait_for("can't reach the CA; trying again")
        shell.lab.ca.start()
        dana.wait_for("left · waiting for approval by Bob")
        dana.interrupt()
        assert dana.end() == 3
    request = pending(shell)
    assert f"stopped waiting; {request} stays open until" in " ".join(dana.text.split())
    shell.quietly("bob", f"ssh-jit approve {request} --yes")
    shell.play("""
        dana$ ssh-jit --reason CHG-10 db1 whoami
        postgres
    """)


@pytest.mark.parametrize(("seconds", "text"), [(-600, "10 min behind"), (86400, "1 d ahead of")])
def test_a_clock_that_is_off(shell: StoryShell, seconds: int, text: str) -> None:
    """Access works by the server's clock, and ``doctor`` names the one that is wrong."""
    shell.quietly("alice", "ssh-jit login")
    program = f"{sys.executable} -c '{SHIFTED.format(seconds)}'"
    if seconds < 0:
        shell.play(f"""
            alice$ {program} web1 whoami
            ...deploy
            alice$ {program} web1 whoami
            deploy
        """)
    shell.play(f"""
        alice$ {program} doctor
        ok    set up ...
        ...
    """)
    shown = subprocess.run(
        ["/bin/sh", "-c", f"{program} status"],
        env=dict(shell.environ("alice")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert text in shown.stdout or "not signed in" in shown.stderr, shown.stdout + shown.stderr


def namespace(setup: str, command: str) -> str:
    """The command in a mount namespace of its own, after ``setup`` in it."""
    return f'unshare -rm sh -c "{setup} && {command}"'


def test_a_full_tmpfs(shell: StoryShell) -> None:
    """The sign-in and the certificate go into the cache, and the person hears which folder is full."""
    run = shell.lab.person("alice").env["XDG_RUNTIME_DIR"]
    full = f"mount -t tmpfs -o size=16k,mode=700 none {run} && head -c 16000 /dev/zero > {run}/full"
    shell.play(f"""
        alice$ {namespace(full, "ssh-jit web1 whoami")}
        ssh-jit: can't write to ...No space left on device; using ...
        ...deploy
    """)


def test_a_read_only_home(shell: StoryShell) -> None:
    """What outlives a restart goes into the runtime folder then; the person hears it once."""
    home = shell.lab.person("alice").env["HOME"]
    frozen = f"mount --bind {home} {home} && mount -o remount,bind,ro {home}"
    shell.play(f"""
        alice$ {namespace(frozen, "ssh-jit web1 whoami")}
        ssh-jit: can't write to...Read-only file system; using...instead
        ssh-jit: signing in with Acme in your browser
        ...deploy
        alice$ {namespace(frozen, "ssh-jit web1 whoami")}
        deploy
    """)


def test_two_terminals_at_once(shell: StoryShell) -> None:
    """Signed in already: both wait for the same request, and one approval lets both in."""
    shell.quietly("dana", "ssh-jit login")
    words = "ssh-jit --reason CHG-11 db1 whoami"
    with shell.starts("dana", words) as first, shell.starts("dana", words) as second:
        for session in (first, second):
            session.wait_for("left · waiting for approval by Bob")
        shell.quietly("bob", f"ssh-jit approve {pending(shell)} --yes")
        for session in (first, second):
            assert session.end() == 0, session.text
            assert session.text.rstrip().endswith("postgres"), session.text


def test_ctrl_c_at_each_point(shell: StoryShell) -> None:
    """At the sign-in, at a question, while waiting, and in the session, where it is ssh's."""
    with shell.starts("dana", "ssh-jit db1 whoami", BROWSER="true") as session:
        session.wait_for("signing in with Partner in your browser")
        session.interrupt()
        assert session.end() == 130
    shell.quietly("dana", "ssh-jit login")
    with shell.starts("dana", "ssh-jit db1 whoami") as session:
        session.wait_for("Incident or change number: ")
        session.interrupt()
        assert session.end() == 130, session.text
    assert "req-" not in shell.quietly("dana", "ssh-jit requests")
    with shell.starts("dana", "ssh-jit --reason CHG-12 db1 'echo in; sleep 60'") as session:
        session.wait_for("left · waiting")
        session.interrupt()
        assert session.end() == 3
        assert "the same command picks it up" in session.text
    shell.quietly("bob", f"ssh-jit approve {pending(shell)} --yes")
    with shell.starts("dana", "ssh-jit --reason CHG-12 db1 'echo in; sleep 60'") as session:
        session.wait_for("in")
        session.interrupt()
        assert session.end() == -2 or session.code() in (130, 255), session.text
    assert "Traceback" not in session.text


def test_waiting_in_tmux(shell: StoryShell, tmp_path: Path) -> None:
    """A real terminal of 80 columns: one line is written over, nothing wraps, and the rest stays."""
    shell.quietly("dana", "ssh-jit login")
    tmux = ["tmux", "-S", str(tmp_path / "tmux"), "-f", "/dev/null"]
    env = dict(shell.environ("dana")) | {"LANG": "C.UTF-8"}

    def say(*words: str) -> str:
        return subprocess.run([*tmux, *words], env=env, capture_output=True, text=True, check=True).stdout

    say("new-session", "-d", "-x", "80", "-y", "24", "sh -c 'ssh-jit --reason CHG-13 db1 whoami; sleep 60'")
    try:
        wait_until(lambda: "left ·" in say("capture-pane", "-p"), lambda: say("capture-pane", "-p"))
        time.sleep(2.5)  # the line is written over twice
        screen = say("capture-pane", "-p").rstrip().splitlines()
        assert sum("left ·" in line for line in screen) == 1, screen
        assert max(map(len, screen)) <= 80
        shell.quietly("bob", f"ssh-jit approve {pending(shell)} --yes")
        wait_until(lambda: say("capture-pane", "-p").rstrip().endswith("\npostgres"), lambda: say("capture-pane", "-p"))
        screen = say("capture-pane", "-p").rstrip().splitlines()
        assert screen[-2:] == ["ssh-jit: approved by Bob", "postgres"], screen
        assert not any("left ·" in line for line in screen), "nothing of the line that was written over is left"
    finally:
        say("kill-server")


def test_fifty_at_once_make_one_sign_in_and_one_request(shell: StoryShell) -> None:
    """On a laptop that has nothing yet but its settings: no bundle, no key, no certificate."""
    alice, before = shell.lab.person("alice"), requests_of(shell, "alice")
    shutil.rmtree(Path(alice.env["XDG_STATE_HOME"], "ssh-jit"))
    command = [str(BIN / "ssh-jit"), "web1", "echo"]
    processes = [
        subprocess.Popen(
            [*command, str(number)],
            env=dict(alice.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(FIFTY)
    ]
    answers = [process.communicate(timeout=240) for process in processes]
    assert [out for out, _ in answers] == [f"{number}\n" for number in range(FIFTY)], answers
    assert sum("signing in with Acme in your browser" in err for _, err in answers) == 1
    assert len(requests_of(shell, "alice") - before) == 1


def requests_of(shell: StoryShell, who: str) -> set[str]:
    """The ids of what somebody asked for last."""
    shell.quietly(who, "ssh-jit login")
    listed = set(re.findall(r"req-[0-9a-z]{16}", shell.quietly(who, "ssh-jit requests --mine --json")))
    shell.quietly(who, "ssh-jit logout")
    return listed
