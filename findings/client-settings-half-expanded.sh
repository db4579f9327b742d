#!/bin/sh
# Guess: `ssh -G web1` prints the settings that a connection uses, with tokens such as %h replaced.
# Truth: ControlPath, IdentityAgent, RemoteCommand, UserKnownHostsFile are; IdentityFile, CertificateFile, KnownHostsCommand, ProxyCommand, HostKeyAlias are not.
# Date:  2026-11-30, OpenSSH 9.2p1 (10.0p2 and 10.6p1 do the same)
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq download openssh-client=1:9.2p1-2+deb12u10
dpkg -x openssh-client_*.deb .
PATH=$folder/usr/bin:$PATH
ssh -V
ssh -G -F /dev/null -o ControlPath=/1/%h -o IdentityAgent=/2/%h -o RemoteCommand='3 %h' -o UserKnownHostsFile=/4/%h \
    -o IdentityFile=/5/%h -o CertificateFile=/6/%h -o KnownHostsCommand='/7 %h' -o ProxyCommand='8 %h' -o HostKeyAlias=9-%h web1 |
    grep -E '[1-9][/ -](web1|%h)$' | sort >printed
cat printed
expanded=$(grep -c web1 printed)
left=$(grep -c %h printed)
echo "expanded: $expanded, as written: $left"
[ "$expanded $left" = "4 5" ] || { echo "it changed" >&2; exit 1; }
