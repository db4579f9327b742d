#!/bin/sh
# Guess: OpenSSH reads every revocation list that its own ssh-keygen -k writes, whatever serials are revoked.
# Truth: every second serial over a span of more than 16,384 makes a list that ssh-keygen -Q (and sshd) call invalid.
# Date:  2026-11-30, OpenSSH 9.2p1 (8.4p1 and 10.6p1 do the same)
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq download openssh-client=1:9.2p1-2+deb12u10
dpkg -x openssh-client_*.deb .
PATH=$folder/usr/bin:$PATH
ssh -V
ssh-keygen -q -t ed25519 -N '' -C '' -f ca
ssh-keygen -q -t ed25519 -N '' -C '' -f key
ssh-keygen -q -s ca -I one -n deploy -z 2 key.pub

# Revokes the serials 1, 3, 5 … up to the number, and prints what the reader makes of the list: "read" or its error.
revoke() {
    seq 1 2 "$1" | sed 's/^/serial: /' >serials
    ssh-keygen -q -k -f list -s ca.pub serials
    ssh-keygen -Q -f list key-cert.pub >/dev/null 2>answer && echo read || tr -d '\r' <answer | sed 's/.*: //'
}

short=$(revoke 16000) long=$(revoke 17000)
echo "8,000 serials up to 16,000: $short"
echo "8,500 serials up to 17,000: $long"
[ "$short" = read ] && [ "$long" = 'bignum is too large' ] || { echo "it changed" >&2; exit 1; }
