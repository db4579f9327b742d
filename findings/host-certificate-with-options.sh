#!/bin/sh
# Guess: `ssh-keygen -s ca -h -O source-address=…` refuses: the option is for user certificates, and says nothing of hosts.
# Truth: It signs, sshd shows the certificate, and every ssh refuses the host ("unsupported critical options").
# Date:  2026-11-30, OpenSSH 9.2p1 (10.6p1 does the same)
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
for name in ca host user; do ssh-keygen -q -t ed25519 -N '' -C '' -f $name; done
printf 'Port 40122\nListenAddress 127.0.0.1\nHostKey %s/host\nHostCertificate %s/host-cert.pub\nAuthorizedKeysFile %s/user.pub\nStrictModes no\nUsePAM no\nPidFile none\n' \
    "$folder" "$folder" "$folder" >sshd_config
echo "@cert-authority web1 $(cat ca.pub)" >known_hosts
mkdir -p /run/sshd
for options in '' '-O source-address=127.0.0.0/8'; do
    # shellcheck disable=SC2086
    ssh-keygen -q -s ca -h -I web1 -n web1 $options host.pub
    (sshd -t -f "$folder/sshd_config")
    echo "options '$options': signed, and sshd -t says nothing"
    sshd -D -f "$folder/sshd_config" 2>/dev/null &
    server=$!
    sleep 1
    code=0
    ssh -F /dev/null -o UserKnownHostsFile="$folder/known_hosts" -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes \
        -o IdentitiesOnly=yes -o HostKeyAlias=web1 -i user -p 40122 127.0.0.1 true || code=$?
    kill "$server"
    wait "$server" || true
    echo "ssh ends with $code"
    [ "$code" = "${options:+255}" ] || [ "$code$options" = 0 ] || { echo "it changed" >&2; exit 1; }
done
