#!/bin/sh
# Guess: A checkpoint signed by its log opens for whoever knows the log's key, however many witnesses have signed it too.
# Truth: golang.org/x/mod/sumdb/note opens it with 100 signatures; with 101 it is a "malformed note".
# Date:  2026-11-30, golang.org/x/mod 0.30.0
set -eu
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
cat >main.go <<'G'
package main

import (
	"crypto/rand"
	"fmt"

	"golang.org/x/mod/sumdb/note"
)

func newKey(name string) (note.Signer, note.Verifier) {
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		panic(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		panic(err)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		panic(err)
	}
	return signer, verifier
}

func main() {
	signer, verifier := newKey("log.example")
	signers := []note.Signer{signer}
	for n := 1; n <= 100; n++ {
		witness, _ := newKey(fmt.Sprintf("witness-%d.example", n))
		signers = append(signers, witness)
	}
	checkpoint := &note.Note{Text: "log.example\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"}
	for _, count := range []int{1, 100, 101} {
		text, err := note.Sign(checkpoint, signers[:count]...)
		if err != nil {
			panic(err)
		}
		_, err = note.Open(text, note.VerifierList(verifier))
		fmt.Printf("%d signatures: %v\n", count, err)
	}
}
G
GOMODCACHE=$folder/modules
export GOMODCACHE
go version
go mod init notes 2>/dev/null
go get golang.org/x/mod@v0.30.0 2>/dev/null
go run . | tee seen
printf '1 signatures: <nil>\n100 signatures: <nil>\n101 signatures: malformed note\n' | cmp -s - seen || { echo "it changed" >&2; exit 1; }
