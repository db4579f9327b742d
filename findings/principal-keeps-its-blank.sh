#!/bin/sh
# Guess: `ssh-keygen -s ca -n "alice, bob"` signs for alice and bob, or refuses, as it refuses "alice,,bob".
# Truth: The second principal is " bob" with its blank, which opens nothing; -L shows it one column to the right of the others.
# Date:  2026-11-30, OpenSSH 9.2p1 (8.4p1, 10.0p2 and 10.6p1 do the same)
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq download openssh-client=1:9.2p1-2+deb12u10
dpkg -x openssh-client_*.deb .
PATH=$folder/usr/bin:$PATH
ssh -V
ssh-keygen -q -t ed25519 -N '' -f ca
ssh-keygen -q -t ed25519 -N '' -f user
ssh-keygen -q -s ca -I id -n 'alice, bob' user.pub
ssh-keygen -L -f user-cert.pub | sed -n '/Principals/,/Critical/p'
principals=$(ssh-keygen -L -f user-cert.pub | sed -n '/Principals/,/Critical/{s/^                //p}' | tr '\n' '|')
echo "principals: $principals"
[ "$principals" = "alice| bob|" ] || { echo "it changed" >&2; exit 1; }
ssh-keygen -q -s ca -I id -n 'alice,,bob' user.pub && { echo "an empty one is taken now" >&2; exit 1; }
echo "alice,,bob: refused"
