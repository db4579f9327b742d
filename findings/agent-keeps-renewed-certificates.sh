#!/bin/sh
# Guess: ssh-add of a key whose certificate was renewed replaces the certificate in the agent, since it holds one entry for each key.
# Truth: Every certificate stays beside the plain key, until its lifetime or -D; each one is an offer that sshd counts (MaxAuthTries).
# Date:  2026-11-30, OpenSSH 9.2p1 (8.4p1, 10.0p2 and 10.6p1 do the same)
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq download openssh-client=1:9.2p1-2+deb12u10
dpkg -x openssh-client_*.deb .
PATH=$folder/usr/bin:$PATH
ssh -V
ssh-keygen -q -t ed25519 -N '' -C '' -f ca
ssh-keygen -q -t ed25519 -N '' -C '' -f user
eval "$(ssh-agent)" >/dev/null
trap 'ssh-agent -k >/dev/null; rm -rf "$folder"' EXIT
for serial in 1 2 3; do # the same key, with a newer certificate each time
    ssh-keygen -q -s ca -I id -n alice -z "$serial" user.pub
    ssh-add -q user
done
ssh-add -l
certificates=$(ssh-add -L | grep -c cert-v01)
ssh-add -q -d user-cert.pub # the newest
left=$(ssh-add -L | grep -c cert-v01)
echo "certificates in the agent: $certificates; after ssh-add -d of the newest: $left"
[ "$certificates $left" = "3 2" ] || { echo "it changed" >&2; exit 1; }
