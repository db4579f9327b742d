#!/bin/sh
# Guess: Two certificates by sshpk have two serial numbers, as they would from other libraries for X.509.
# Truth: Each has serial 1 unless the caller gives one, so a key revocation list that names one by serial revokes all of this CA.
# Date:  2026-11-30, sshpk 1.18.0
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm --silent install --no-audit --no-fund sshpk@1.18.0
cat >certificates.js <<'J'
const sshpk = require("sshpk");
console.log("sshpk", require("sshpk/package.json").version);
const ca = sshpk.generatePrivateKey("ed25519");
for (const name of ["alice", "bob"]) {
  const key = sshpk.generatePrivateKey("ed25519").toPublic();
  const issuer = sshpk.identityForUser("ca");
  const certificate = sshpk.createCertificate(sshpk.identityForUser(name), key, issuer, ca, { lifetime: 300 });
  require("fs").writeFileSync(name + "-cert.pub", certificate.toBuffer("openssh"));
}
J
node certificates.js
for name in alice bob; do
    serial=$(ssh-keygen -L -f $name-cert.pub | sed -n 's/.*Serial: //p')
    echo "$name: serial $serial"
    [ "$serial" = 1 ] || { echo "it changed" >&2; exit 1; }
done
ssh-keygen -q -k -f list alice-cert.pub
revoked=$(ssh-keygen -Q -f list bob-cert.pub || true)
echo "alice's is put on a list: $revoked"
case $revoked in *REVOKED*) ;; *) echo "it changed" >&2; exit 1 ;; esac
