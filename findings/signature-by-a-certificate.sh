#!/bin/sh
# Guess: `ssh-keygen -Y sign -f user-cert.pub` signs as user.pub does, by the same private key: the person's line in allowed_signers verifies both.
# Truth: The certificate is in the signature as its key; the plain key's line refuses it ("Could not verify signature."), only cert-authority lines take it.
# Date:  2026-11-30, OpenSSH 9.2p1
set -eu
folder=$(mktemp -d)
agent=
trap 'kill $agent 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq download openssh-client=1:9.2p1-2+deb12u10
dpkg -x openssh-client_*.deb .
PATH=$folder/usr/bin:$PATH
ssh -V
for name in ca user; do ssh-keygen -q -t ed25519 -N '' -C '' -f $name; done
ssh-keygen -q -s ca -I id -n alice user.pub
ssh-agent -D -a "$folder/agent" >/dev/null &
agent=$!
until [ -S agent ]; do sleep 0.1; done
SSH_AUTH_SOCK=$folder/agent
export SSH_AUTH_SOCK
ssh-add -q user
echo "alice $(cat user.pub)" >of-key
echo "alice cert-authority $(cat ca.pub)" >of-authority
echo text >text
for file in user.pub user-cert.pub; do
    ssh-keygen -q -Y sign -f $file -n file <text >signature 2>/dev/null
    seen=
    for signers in of-key of-authority; do
        code=0
        ssh-keygen -q -Y verify -f $signers -I alice -n file -s signature <text >answer 2>&1 || code=$?
        seen="$seen $signers:$code"
    done
    echo "signed by $file, verified$seen"
    case "$file$seen" in
    "user.pub of-key:0 of-authority:255" | "user-cert.pub of-key:255 of-authority:0") ;;
    *) echo "it changed" >&2 && exit 1 ;;
    esac
done
