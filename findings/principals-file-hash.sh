#!/bin/sh
# Guess: in an AuthorizedPrincipalsFile a # inside a quoted option is text, as it is in authorized_keys.
# Truth: sshd cuts the line at the first #, quoted or not; the principal behind it counts no more, and nobody is told why.
# Date:  2026-11-30, OpenSSH 9.2p1
set -eu
server=1:9.2p1-2+deb12u10
home=$HOME/.cache/finding-principals-file-hash # not in /tmp: sshd ignores files under folders that others can write
rm -rf "$home"
mkdir -p "$home/packages" /run/sshd
trap 'rm -rf "$home"' EXIT
cd "$home/packages"
apt-get -qq download "openssh-server=$server" "openssh-client=$server" libwrap0
for package in *.deb; do dpkg -x "$package" "$home/root"; done
cd "$home"
LD_LIBRARY_PATH=$(dirname "$(find "$home/root" -name libwrap.so.0)")
export LD_LIBRARY_PATH
sshd=$home/root/usr/sbin/sshd keygen=$home/root/usr/bin/ssh-keygen ssh=$home/root/usr/bin/ssh
"$ssh" -V
for key in ca host person; do "$keygen" -q -t ed25519 -N '' -C '' -f "$key"; done
"$keygen" -q -s ca -I one -n web1 -V -5m:+1h person.pub
(cat /etc/passwd; echo 'sshd:x:199:65534::/run/sshd:/usr/sbin/nologin') >passwd
cat >sshd_config <<END
Port 22985
ListenAddress 127.0.0.1
HostKey $home/host
PidFile none
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
TrustedUserCAKeys $home/ca.pub
AuthorizedPrincipalsFile $home/principals
AuthorizedKeysFile $home/authorized_keys
END

# Prints what a login shows under a line of the principals file and one of authorized_keys. One sshd for each login.
login() {
    printf '%s\n' "$1" >principals
    printf '%s\n' "$2" >authorized_keys
    : >sshd.log
    unshare --mount sh -c "mount --bind '$home/passwd' /etc/passwd && exec '$sshd' -d -f '$home/sshd_config' -e" \
        2>sshd.log &
    server=$!
    tries=0
    until grep -q 'Server listening' sshd.log || [ $((tries += 1)) -gt 50 ]; do sleep 0.1; done
    shown=$("$ssh" -F none -p 22985 -i $3 -o IdentitiesOnly=yes -o StrictHostKeyChecking=no \
        -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "$(id -un)@127.0.0.1" true 2>&1 </dev/null || true)
    kill "$server" 2>/dev/null || true # it ends by itself after a connection
    wait "$server" || true
    case $shown in *'Permission denied'*) echo refused ;; *) echo "$shown" | tail -n 1 ;; esac
}

cp person plain # without a certificate beside it
without=$(login 'command="echo one" web1' '' person)
with=$(login 'command="echo #1" web1' '' person)
keys=$(login '' "command=\"echo '#1'\" $(cat person.pub)" plain)
echo "principals file, command=\"echo one\": $without"
echo "principals file, command=\"echo #1\": $with"
echo "authorized_keys, command=\"echo '#1'\": $keys"
[ "$without" = one ] && [ "$with" = refused ] && [ "$keys" = '#1' ] || { echo "it changed" >&2; exit 1; }
