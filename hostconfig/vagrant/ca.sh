#!/bin/sh
# Provisions the machine "ca": the CA, the front end, PostgreSQL for both, and a reverse proxy that ends TLS.
# Root; may run again: what somebody has changed meanwhile is left alone.
#   ca.sh ADDRESS
set -eu
address=$1
sources=/vagrant
program=/opt/ssh-jit
export DEBIAN_FRONTEND=noninteractive

apt-get -q update
apt-get -q -y install --no-install-recommends nginx openssl postgresql python3-venv

for user in ssh-jit-ca ssh-jit-web; do
    id "$user" >/dev/null 2>&1 ||
        useradd --system --home-dir "/var/lib/$user" --shell /usr/sbin/nologin "$user"
done

# The program, with the versions of requirements.lock.
[ -x $program/bin/python ] || python3 -m venv $program
sed -nE 's/^([A-Za-z0-9._-]+==[^ ]+).*/\1/p' $sources/requirements.lock >$program/versions.txt
$program/bin/python -m pip install --quiet --constraint $program/versions.txt "$sources[server,postgres]"
ln -sf $program/bin/ssh-jit-ca /usr/local/bin/ssh-jit-ca

# A database for the CA and one for the front end. Each is its own Unix user's (peer), and closed to the other.
systemctl enable --quiet --now postgresql
sql() {
    runuser -u postgres -- psql --no-psqlrc --quiet --tuples-only --no-align --command "$1"
}
for user in ssh-jit-ca ssh-jit-web; do
    database=$(echo "$user" | tr - _)
    [ -n "$(sql "SELECT 1 FROM pg_roles WHERE rolname = '$user'")" ] || sql "CREATE ROLE \"$user\" LOGIN"
    [ -n "$(sql "SELECT 1 FROM pg_database WHERE datname = '$database'")" ] ||
        sql "CREATE DATABASE $database OWNER \"$user\""
    sql "REVOKE CONNECT ON DATABASE $database FROM PUBLIC"
done

# Configuration: the commented examples, with this machine's address and databases.
install -d -m 0755 /etc/ssh-jit
put() {
    [ -e "/etc/ssh-jit/$2" ] || {
        sed -E -e "s|https://access.example.com|https://$address|" \
            -e "s|^# front_end = .*|front_end = \"https://$address\"|" \
            -e 's|^# (database = "postgresql:)|\1|' \
            -e 's|^database = "sqlite:.*|database = "postgresql://ssh-jit-web@/ssh_jit_web?host=/run/postgresql"|' \
            "$1" >"/etc/ssh-jit/$2.new"
        mv "/etc/ssh-jit/$2.new" "/etc/ssh-jit/$2"
    }
}
put $sources/ca/etc/ca.toml ca.toml
put $sources/ca/etc/policy.toml policy.toml
put $sources/ca/etc/providers.toml providers.toml
put $sources/webapp/etc/web.toml web.toml

# The secrets of the confidential clients: placeholders, until your provider's ones are here.
for provider in acme partner; do
    secret=/etc/ssh-jit/$provider-web.secret
    [ -e "$secret" ] || (umask 077 && openssl rand -hex 32 >"$secret")
    chown root:ssh-jit-web "$secret"
    chmod 0640 "$secret"
done

# TLS by a certificate that this machine signs itself; join.sh has the servers trust it.
key=/etc/ssl/private/ssh-jit.key certificate=/etc/ssl/certs/ssh-jit.pem
[ -e $certificate ] || (umask 077 && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 \
    -subj "/CN=$address" -addext "subjectAltName=IP:$address" -addext "keyUsage=critical,digitalSignature,keyCertSign" \
    -keyout $key -out $certificate.new 2>/dev/null && chmod 0644 $certificate.new && mv $certificate.new $certificate)
sed "s|@ADDRESS@|$address|g" $sources/hostconfig/vagrant/nginx.conf >/etc/nginx/sites-available/ssh-jit
ln -sf ../sites-available/ssh-jit /etc/nginx/sites-enabled/ssh-jit
rm -f /etc/nginx/sites-enabled/default
nginx -t -q

# Keys and tables, once. The CA makes "checkpoint" when it first starts; an init that was cut off before goes on.
[ -e /var/lib/ssh-jit-ca/checkpoint ] || ssh-jit-ca init --user ssh-jit-ca

install -m 0644 $sources/ca/systemd/ssh-jit-ca.service $sources/webapp/systemd/ssh-jit-web.service /etc/systemd/system/
systemctl daemon-reload
systemctl enable --quiet ssh-jit-ca ssh-jit-web nginx
systemctl restart ssh-jit-ca ssh-jit-web nginx

cat <<END
The CA is up, and the pages are at https://$address. Next, where you typed \`vagrant up\`: hostconfig/vagrant/join.sh
For people to sign in, name your identity provider in /etc/ssh-jit/providers.toml and put its secret into
/etc/ssh-jit/acme-web.secret; then \`systemctl restart ssh-jit-ca ssh-jit-web\`.
END
