"""What ``ssh-jit --help`` says."""

from __future__ import annotations

VERSION = "ssh-jit 0.1.0"

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
  login          sign in                      requests       yours, and those you may approve
  logout         sign out                     approve ID     approve one
  whoami         who is signed in             deny ID        deny one
  request HOST   ask without connecting       cancel ID      take one of yours back
  done           end access early             hosts          the hosts there are
  status [HOST]  how things stand             setup URL      set this machine up
  policy …       check, explain, test and compare policy files, without a server

`ssh-jit COMMAND --help` says more. `ssh-jit -- login` reaches a host named login.

exit codes: ssh's own once connected; else 2 usage, 3 still waiting, 4 denied, 5 expired,
6 nobody can approve, 7 sign-in needed, 8 out of reach"""
