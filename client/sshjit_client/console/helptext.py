"""What ``ssh-jit --help`` and ``ssh-jit --version`` print."""

# ruff: noqa: PTH208  # importing pathlib costs more than everything here
from __future__ import annotations

import os
import sys

_METADATA = ("ssh_jit-", ".dist-info")
"""How the folder of the package's metadata is called, around the version."""
USAGE = "ssh-jit [ssh options] [--action A] [--reason R] [--for 30m] [user@]host [command…]"

PAGE = """usage: ssh-jit [ssh options] [--action A] [--reason R] [--for 30m]
               [user@]host [command…]
       ssh-jit COMMAND …

Finds or gets access to a host, and then becomes ssh: every option of ssh works.

  --action A     shell (the default), a named action, or command: exactly the
                 command that follows
  --reason R     why; some rules want a ticket number
  --for 30m      for how long (default: as long as the rule allows)
  --start 14:00  later: a time of day, 2026-12-01T09:00, or +2h
  --break-glass  emergency access past the rules; everybody is told
  --no-wait      if somebody must approve, do not wait (exit code 3)
  --quiet        say nothing but errors and what must not be missed
  --non-interactive   ask nobody anything and open no browser
  --installation NAME   of several that this machine is set up for, this one
  --yes          do not ask for confirmation

Access that is open already is used as it is. A new reason or duration is not
recorded then: ssh-jit says so, and how to change it.

commands
  login, logout, whoami   sign in, sign out, and show who you are here
  status [HOST]           your sign-in, certificates, requests; this clock
  hosts                   what you can reach, and what it takes; add, label,
                          remove hosts (signed)
  log, open [ID]          what the log says of you; your pages in the browser
  doctor [HOST]           what is wrong, and what to do
  setup URL               set this machine up
  completion SHELL        completion for bash, zsh or fish

  config --write          let plain ssh, scp, git and others use your access
  ensure, path, export    its certificates, for other programs

  request HOST…           request access without connecting, or for later
  explain HOST            what is allowed, who can approve, and by which rule
  extend [HOST]           request more time for open access
  cancel ID, done [HOST]  cancel a request; end access early
  break-glass HOST        emergency access past the rules; everybody is told

  requests                yours, those you can approve, and those to review
  show ID                 everything about one request and its requester
  approve ID, deny ID     decide a request; --for 30m approves less time
  comment ID TEXT         comment on a request
  review ID               review a break-glass access
  passkey add             register a passkey, which approves on the pages

  revoke ID               end a grant, a certificate or a sign-in now
  lock, unlock, locks     lock a person, a host, a key, a sign-in, or --all

  policy …                check, explain, test and compare policy files

`ssh-jit COMMAND --help` says more. `ssh-jit -- login` connects to a host named
login.

exit codes: ssh's own once connected; else 2 usage, 3 still waiting, 4 denied,
5 expired, 6 nobody can approve, 7 sign-in needed, 8 can't reach the server"""


REQUEST = """usage: ssh-jit request [options] [user@]host…
       ssh-jit request [options] --action command [user@]host command…

Requests access without connecting; `ssh-jit [user@]host` uses it later. Every
word is a host, so one request can be for several (`web1 web2`, or `web1,web2`).
Only with `--action command` are the words after the first host the command;
with several hosts, the words after `--`.

  --label env=staging   every host with this label; several labels: hosts that
                        have them all
  --start 14:00         later: a time of day, 2026-12-01T09:00, or +2h
  --for 30m             for how long (default: as long as the rule allows)
  --action A            shell (the default), a named action, or command
  --reason R            why; some rules want a ticket number
  --dry-run             request nothing; say what is needed, who can approve
  --wait                wait until somebody has decided
  --quiet, --non-interactive   as without `request`
  --json                print JSON"""

EXPLAIN = """usage: ssh-jit explain [options] [--person P] [--break-glass] [user@]host…

Says what would happen to a request, on which terms, who can approve it, and
what every rule of the server's policy says. Nothing is requested. The options
are those of `ssh-jit request`.

  --person P            for somebody else: an id, a name or an address; needs
                        the permission
  --break-glass         by the rules for emergencies
  --json                print JSON

`ssh-jit policy explain` does the same with files, without a server."""

BREAK_GLASS = """usage: ssh-jit break-glass --reason "ten characters or more" [user@]host
                           [command…]

Emergency access: past the ordinary rules and without an approval, if the policy
has rules for emergencies; then it becomes ssh. Everybody whom the rule names is
told at once. The access is short and marked wherever it is shown, and somebody
else must review it afterwards. You confirm by typing the host's name.

  --reason R            why, in ten characters or more
  --yes                 do not ask for the host's name: for scripts
  --action A, --for 30m as without break-glass; every option of ssh works"""


COMPLETION = """usage: ssh-jit completion bash | zsh | fish

Prints the completion of commands, options and host names for a shell. Names of
hosts come from a file of this machine, which `ssh-jit hosts` writes.

  bash   source <(ssh-jit completion bash), in ~/.bashrc
  zsh    source <(ssh-jit completion zsh), in ~/.zshrc after compinit
  fish   ssh-jit completion fish > ~/.config/fish/completions/ssh-jit.fish"""


def version() -> str:
    """Name and version. ``pyproject.toml`` alone has the number; it comes from the name of the package's metadata.

    ``importlib.metadata`` would find it too, and takes longer than all the rest of ``ssh-jit --version``.
    """
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for name in names:
            if name.startswith(_METADATA[0]) and name.endswith(_METADATA[1]):
                return f"ssh-jit {name[len(_METADATA[0]) : -len(_METADATA[1])]}"
    return "ssh-jit, not installed: it runs from its sources"
