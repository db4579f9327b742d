#!/bin/sh
# Guess: ssh's lists of algorithms take a pattern that no algorithm of this release matches, so that one line fits releases to come.
# Truth: HostKeyAlgorithms and CASignatureAlgorithms refuse it, behind + and ^ as well; the pattern has to match some old name
#        too. With - in front it is taken.
# Date:  2026-12-01, OpenSSH 9.2p1
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq download openssh-client=1:9.2p1-2+deb12u10
dpkg -x openssh-client_*.deb .
PATH=$folder/usr/bin:$PATH
ssh -V
# what ssh says of an option: "taken", or its complaint
said() {
    if errors=$(ssh -G -F none -o "$1" example.com 2>&1 >/dev/null </dev/null); then
        echo taken
    else
        echo "$errors" | tail -1
    fi
}
expect() {
    answer=$(said "$1")
    echo "$1: $answer"
    case $answer in
    $2) ;;
    *)
        echo "it changed" >&2
        exit 1
        ;;
    esac
}
expect 'CASignatureAlgorithms=+ssh-mldsa44-*' '*Bad key types*'
expect 'HostKeyAlgorithms=^ssh-mldsa44-*' '*Bad key types*'
expect 'CASignatureAlgorithms=+ssh-*ed25519' taken
expect 'HostKeyAlgorithms=-ssh-mldsa44-*' taken
