#!/bin/sh
# Guess: `ssh-keygen -R web1` removes what known_hosts says of web1, and tells by its exit code whether it did.
# Truth: It leaves the @cert-authority line for web1, says "not found" of it with exit code 0, while -F web1 finds it.
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
ssh-keygen -q -t ed25519 -N '' -f host
printf '@cert-authority web1 %s\nweb1 %s\n' "$(cut -d' ' -f1,2 ca.pub)" "$(cut -d' ' -f1,2 host.pub)" >known_hosts
ssh-keygen -R web1 -f known_hosts 2>&1
echo "left: $(cut -d' ' -f1,2 known_hosts)"
again=$(ssh-keygen -R web1 -f known_hosts 2>&1) # exit code 0
echo "-R again: $again"
ssh-keygen -F web1 -f known_hosts >asked
echo "-F: $(head -1 asked)"
[ "$(cut -d' ' -f1,2 known_hosts)" = "@cert-authority web1" ] || { echo "it changed" >&2; exit 1; }
case $again in *"not found"*) ;; *) echo "it changed" >&2; exit 1 ;; esac
