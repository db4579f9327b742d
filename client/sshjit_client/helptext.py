"""What ``ssh-jit --help`` says."""

from __future__ import annotations

USAGE = "ssh-jit [ssh options] [--action A] [--reason R] [--for 30m] [user@]host [command…]"

PAGE = f"""usage: {USAGE}
       ssh-jit COMMAND …

Finds or gets access to a host and then becomes ssh, so every option of ssh works.

  --action A     what for: shell (as a rule), a named action, or command: exactly the
                 command that is typed
  --reason R     why; some rules want a ticket number
  --for 30m      for how long; as long as the rule allows if not said

What is open already is used as it is, whatever is said of why and how long.

commands
  login, logout, whoami   sign in and out, and who you are here
  status [HOST]           how things stand: certificates, requests, clock
  hosts                   the hosts there are; add, label and remove, with a signature
  setup URL               set this machine up

  request HOST…           ask without connecting: for several hosts, by label, for later
  explain HOST            what would be allowed, who could approve, what every rule says
  extend [HOST]           more time in what is open
  cancel ID, done [HOST]  take a request back; end access early
  break-glass HOST        past the rules in an emergency; everybody hears of it

  requests                yours, those that wait for you, break-glass to review
  show ID                 all of a request, and who is asking
  approve ID, deny ID     decide one; --for 30m for less time
  comment ID TEXT         say something about one
  review ID               look back at somebody's break-glass access

  revoke ID               end a grant, a certificate or a sign-in now
  lock, unlock, locks     a person, a host, a key, a sign-in, or --all

  policy …                check, explain, test and compare policy files, without a server

`ssh-jit COMMAND --help` says more. `ssh-jit -- login` reaches a host named login.

exit codes: ssh's own once connected; else 2 usage, 3 still waiting, 4 denied, 5 expired,
6 nobody can approve, 7 sign-in needed, 8 out of reach"""


REQUEST = """usage: ssh-jit request [options] [user@]host…
       ssh-jit request [options] --action command [user@]host command…

Asks for access without connecting. `ssh-jit [user@]host` picks it up later. Every word is a
host, so that several are asked for at once (`web1 web2`, or `web1,web2`); only with
`--action command` are the words after the first host the command, or with several hosts the
words after `--`.

  --label env=staging   every host that has this label; several labels: all of them
  --start 14:00         later: a time of day, 2026-12-01T09:00, or +2h
  --for 30m             for how long; as long as the rule allows if not said
  --action A            what for: shell (as a rule), a named action, or command
  --reason R            why; some rules want a ticket number
  --dry-run             ask nothing; say what would be needed, and who could approve
  --wait                wait until somebody has decided
  --json                with --dry-run: print JSON"""

EXPLAIN = """usage: ssh-jit explain [options] [--person P] [--break-glass] [user@]host…

Says what would become of an ask, on which terms, who could approve, and what every rule of
the server's policy says. Nothing is asked. The options are those of `ssh-jit request`.

  --person P            for somebody else: an id, a name or an address; needs the permission
  --break-glass         by the rules for emergencies
  --json                print JSON

`ssh-jit policy explain` does the same with files and without a server."""

BREAK_GLASS = """usage: ssh-jit break-glass --reason "ten characters or more" [user@]host [command…]

Gets access past the ordinary rules, where policy has rules for emergencies, without anybody's
approval, and then becomes ssh. Everybody whom the rule names hears of it at once, it is short,
it is marked wherever it is shown, and somebody else must review it afterwards. You confirm by
typing the host's name.

  --reason R            why, in ten characters or more
  --yes                 do not ask back: for scripts
  --action A, --for 30m as without break-glass; every option of ssh works"""
