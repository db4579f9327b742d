#!/bin/sh
# Guess: The fingerprint of a certificate is the hash of the certificate, and the same in every tool.
# Truth: ssh-keygen and ssh-add print that of the key inside, the same for all its certificates; Go's is over the whole certificate.
# Date:  2026-11-30, OpenSSH 9.2p1, golang.org/x/crypto 0.45.0
set -eu
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq download openssh-client=1:9.2p1-2+deb12u10
dpkg -x openssh-client_*.deb .
PATH=$folder/usr/bin:$PATH
ssh -V
for name in ca user; do ssh-keygen -q -t ed25519 -N '' -C '' -f $name; done
for serial in 1 2; do
    ssh-keygen -q -s ca -I id -n alice -z $serial user.pub
    mv user-cert.pub $serial-cert.pub
done
mkdir program
cd program
cat >main.go <<'G'
package main

import (
	"fmt"
	"os"

	"golang.org/x/crypto/ssh"
)

func main() {
	for _, name := range os.Args[1:] {
		text, err := os.ReadFile(name)
		if err != nil {
			panic(err)
		}
		key, _, _, _, err := ssh.ParseAuthorizedKey(text)
		if err != nil {
			panic(err)
		}
		fmt.Println(ssh.FingerprintSHA256(key))
	}
}
G
GOMODCACHE=$folder/modules GOFLAGS=-mod=mod
export GOMODCACHE GOFLAGS
go version
go mod init fingerprints 2>/dev/null
go get golang.org/x/crypto@v0.45.0 2>/dev/null
go build -o ../fingerprints .
cd ..
key=$(ssh-keygen -lf user.pub | cut -d' ' -f2)
echo "the key:                    $key"
for serial in 1 2; do
    openssh=$(ssh-keygen -lf $serial-cert.pub | cut -d' ' -f2)
    go=$(./fingerprints $serial-cert.pub)
    hash=$(cut -d' ' -f2 $serial-cert.pub | base64 -d | openssl dgst -sha256 -binary | base64 | tr -d =)
    echo "certificate $serial by OpenSSH:   $openssh"
    echo "certificate $serial by Go:        $go"
    [ "$openssh" = "$key" ] && [ "$go" = "SHA256:$hash" ] && [ "$go" != "$key" ] || { echo "it changed" >&2; exit 1; }
done
