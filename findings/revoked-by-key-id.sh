#!/bin/sh
# Guess: `ssh-keygen -k -f LIST alice-cert.pub` revokes this one certificate (or its key).
# Truth: With serial 0, the default, the list gets its key id: every certificate of this CA with that id is revoked, also of other keys and of tomorrow.
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
for name in alice bob; do
    ssh-keygen -q -t ed25519 -N '' -C "$name" -f $name
    ssh-keygen -q -s ca -I deployment -n $name $name.pub # no -z: serial 0
done
ssh-keygen -q -k -f list alice-cert.pub
ssh-keygen -Q -l -f list | grep : 
for name in alice bob; do ssh-keygen -Q -f list $name-cert.pub || true; done >checked
cat checked
[ "$(grep -c REVOKED checked)" = 2 ] || { echo "it changed" >&2; exit 1; }
