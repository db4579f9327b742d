#!/bin/sh
# Guess: What `ssh -G` and `sshd -T` print is a configuration that they read again (it is, for the defaults).
# Truth: Values with a blank are printed without their quotes, and refused when read; only commands keep them.
# Date:  2026-11-30, OpenSSH 9.2p1 (8.4p1, 10.0p2 and 10.6p1 do the same)
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq download openssh-client=1:9.2p1-2+deb12u10 openssh-server=1:9.2p1-2+deb12u10 libwrap0=7.6.q-32
for package in *.deb; do dpkg -x "$package" .; done
PATH=$folder/usr/bin:$PATH
LD_LIBRARY_PATH=$(dirname "$(find "$folder" -name libwrap.so.0)")
export LD_LIBRARY_PATH
(grep -v ^sshd: /etc/passwd; echo 'sshd:x:199:65534::/run/sshd:/usr/sbin/nologin') >passwd
# Runs the sshd of the package, with the account that it asks for.
sshd() {
    exec unshare --mount sh -c 'mount --bind "$0/passwd" /etc/passwd && exec "$0/usr/sbin/sshd" "$@"' "$folder" "$@"
}
ssh -V
ssh -T -G -F /dev/null web1 >plain && ssh -T -G -F "$folder/plain" web1 >/dev/null && echo "ssh reads what it printed of its defaults"
ssh -T -G -F /dev/null -o 'IdentityFile="/keys/of web1"' web1 >spaced
grep -i '^identityfile' spaced
ssh -T -G -F "$folder/spaced" web1 2>&1 && { echo "it changed" >&2; exit 1; }
mkdir -p /run/sshd
ssh-keygen -q -t ed25519 -N '' -f host
printf 'HostKey %s/host\nSetEnv "GREETING=good morning"\nForceCommand echo "two words"\n' "$folder" >sshd_config
(sshd -T -f "$folder/sshd_config") >printed
grep -iE '^(setenv|forcecommand)' printed
(sshd -T -f "$folder/printed") 2>&1 && { echo "it changed" >&2; exit 1; }
echo "neither reads what it printed"
