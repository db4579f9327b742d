#!/bin/sh
# Guess: `ssh-keygen -Y find-principals` prints every principal that the allowed_signers file gives to the key.
# Truth: it prints those of the first line with the key and stops; -Y verify accepts the principals of the later lines too.
# Date:  2026-11-30, OpenSSH 9.2p1 (8.4p1 and 10.6p1 do the same)
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq download openssh-client=1:9.2p1-2+deb12u10
dpkg -x openssh-client_*.deb .
PATH=$folder/usr/bin:$PATH
ssh -V
ssh-keygen -q -t ed25519 -N '' -C '' -f key
echo message >message
ssh-keygen -q -Y sign -f key -n file message 2>/dev/null
key=$(cut -d' ' -f1,2 key.pub)
printf 'alice,bob %s\ncarol %s\n' "$key" "$key" >allowed_signers
printed=$(ssh-keygen -Y find-principals -f allowed_signers -s message.sig | tr '\n' ' ')
echo "find-principals: $printed"
for principal in alice bob carol; do
    ssh-keygen -q -Y verify -f allowed_signers -I "$principal" -n file -s message.sig <message
    echo "verify -I $principal: accepted"
done
[ "$printed" = "alice bob " ] || { echo "it changed" >&2; exit 1; }
