#!/bin/sh
# Provisions a server: OpenSSH, Python, and the accounts that certificates open. Root; may run again.
# Everything else comes with the joining line (join.sh).
#   server.sh NAME
set -eu
name=$1
export DEBIAN_FRONTEND=noninteractive

apt-get -q update
apt-get -q -y install --no-install-recommends ca-certificates openssh-server python3

case $name in
    db*) login=postgres ;;
    *) login=deploy ;;
esac
# "*" is no password that anybody could type; a locked account ("!") sshd would refuse altogether.
id "$login" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash --password '*' "$login"

# The command of the policy's action "migrate".
install -d -m 0755 /opt/app/bin
printf '%s\n' '#!/bin/sh' 'echo "migrating as $(id -un) on $(hostname)"' >/opt/app/bin/migrate
chmod 0755 /opt/app/bin/migrate
