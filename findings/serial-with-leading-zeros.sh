#!/bin/sh
# Guess: A serial number written 0010 is the same for `ssh-keygen -z` as in a specification for a key revocation list.
# Truth: -z reads ten, the specification eight (octal): the certificate stays good, and another is revoked.
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
ssh-keygen -q -s ca -I id -n alice -z 0010 user.pub
serial=$(ssh-keygen -L -f user-cert.pub | sed -n 's/.*Serial: //p')
echo 'serial: 0010' >specification
ssh-keygen -q -k -f list -s ca.pub specification
revoked=$(ssh-keygen -Q -l -f list | sed -n 's/^serial: //p')
checked=$(ssh-keygen -Q -f list user-cert.pub)
echo "-z 0010 signs serial $serial; 'serial: 0010' revokes serial $revoked; $checked"
[ "$serial $revoked" = "10 8" ] || { echo "it changed" >&2; exit 1; }
