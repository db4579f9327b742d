#!/bin/sh
# Provisions the machine "ca": the authority, the front end, and a reverse proxy that ends TLS. Root; may run again.
#   authority.sh ADDRESS
set -eu
address=$1
export DEBIAN_FRONTEND=noninteractive

apt-get -q update
apt-get -q -y install --no-install-recommends nginx openssl python3-venv

for user in ssh-jit-ca ssh-jit-web; do
    id "$user" >/dev/null 2>&1 ||
        useradd --system --home-dir "/var/lib/$user" --shell /usr/sbin/nologin "$user"
done

[ -x /opt/ssh-jit/bin/python ] || python3 -m venv /opt/ssh-jit
/opt/ssh-jit/bin/python -m pip install --quiet "/vagrant[server]"

# Configuration: the commented examples, with this machine's address. What somebody has changed is left alone.
install -d -m 0755 /etc/ssh-jit
put() {
    [ -e "/etc/ssh-jit/$2" ] || sed "s|https://access.example.com|https://$address|" "$1" >"/etc/ssh-jit/$2"
}
put /vagrant/ca/etc/ca.toml ca.toml
put /vagrant/ca/etc/policy.toml policy.toml
put /vagrant/ca/etc/providers.toml providers.toml
put /vagrant/webapp/etc/web.toml web.toml

# The secrets of the confidential clients: placeholders, until your provider's ones stand here.
for provider in acme partner; do
    secret=/etc/ssh-jit/$provider-web.secret
    [ -e "$secret" ] || (umask 077 && openssl rand -hex 32 >"$secret")
    chown root:ssh-jit-web "$secret"
    chmod 0640 "$secret"
done

# TLS by a certificate of its own; and the signed bundle, which needs none, over plain http for the servers.
tls=/etc/ssl/private/ssh-jit
[ -e "$tls.key" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 \
    -subj "/CN=$address" -addext "subjectAltName=IP:$address" -keyout "$tls.key" -out "$tls.pem" 2>/dev/null
sed "s|@ADDRESS@|$address|g" /vagrant/hostconfig/vagrant/nginx.conf >/etc/nginx/sites-available/ssh-jit
ln -sf ../sites-available/ssh-jit /etc/nginx/sites-enabled/ssh-jit
rm -f /etc/nginx/sites-enabled/default
nginx -t -q

install -d -m 0700 -o ssh-jit-ca -g ssh-jit-ca /var/lib/ssh-jit-ca
[ -d /var/lib/ssh-jit-ca/keys ] || runuser -u ssh-jit-ca -- /opt/ssh-jit/bin/ssh-jit-ca init

install -m 0644 /vagrant/ca/systemd/ssh-jit-ca.service /vagrant/webapp/systemd/ssh-jit-web.service /etc/systemd/system/
systemctl daemon-reload
systemctl enable --quiet ssh-jit-ca ssh-jit-web nginx
systemctl restart ssh-jit-ca ssh-jit-web nginx

cat <<END
The authority is up. Still to do: name your identity provider in /etc/ssh-jit/providers.toml and its secret in
/etc/ssh-jit/acme-web.secret, then \`systemctl restart ssh-jit-ca ssh-jit-web\`. The pages: https://$address
END
