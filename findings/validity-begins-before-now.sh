#!/bin/sh
# Guess: `ssh-keygen -s … -V +5m` makes a certificate that is valid from now, as its manual says.
# Truth: It is valid from a full minute, 59 s to two minutes ago; -V +0s:+5m is valid from now. Another machine's log may show a login before the signing.
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
while [ "$(date +%S)" -lt 5 ] || [ "$(date +%S)" -gt 50 ]; do sleep 1; done # so that the minute is still the same below
for validity in +5m +0s:+5m; do
    now=$(date +%s)
    ssh-keygen -q -s ca -I id -n alice -V "$validity" user.pub
    from=$(ssh-keygen -L -f user-cert.pub | sed -n 's/.*Valid: from \(.*\) to .*/\1/p')
    begins=$((now - $(date -d "$from" +%s)))
    echo "-V $validity: valid from $from, $begins seconds before it was signed"
    case $validity in
    +5m) [ "$begins" -ge 5 ] && [ "$from" = "$(date -d "@$((now - 59))" +%FT%H:%M:00)" ] ;;
    *) [ "$begins" -le 1 ] ;;
    esac || { echo "it changed" >&2; exit 1; }
done
