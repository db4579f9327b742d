#!/bin/sh
# Provisions a server: the program that follows the bundle, the accounts that certificates open. Root; may run again.
# It follows nobody until join.sh has told it whom.
#   server.sh NAME
set -eu
name=$1
export DEBIAN_FRONTEND=noninteractive

apt-get -q update
apt-get -q -y install --no-install-recommends openssh-server python3

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

python3 /vagrant/hostconfig/build_pyz.py /usr/local/sbin/ssh-jit-host
install -d -m 0755 /etc/ssh-jit
install -m 0644 /vagrant/hostconfig/sshjit_host/root/usr/lib/systemd/system/ssh-jit-host.service /etc/systemd/system/
systemctl daemon-reload
