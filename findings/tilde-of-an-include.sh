#!/bin/sh
# Guess: a ~ means one and the same home folder wherever it stands in ssh_config: `Include ~/.ssh/config` in a file of one's own includes what ssh reads by itself.
# Truth: the ~ of an Include is $HOME; the ~ of UserKnownHostsFile, and the home of ssh's own files, are those of the user database, whatever $HOME says.
# Date:  2026-11-30, OpenSSH 9.2p1
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq download openssh-client=1:9.2p1-2+deb12u10
dpkg -x openssh-client_*.deb .
PATH=$folder/usr/bin:$PATH
ssh -V
mkdir -p elsewhere/.ssh
printf 'Host web1\n    User elsewhere\n' >elsewhere/.ssh/config
chmod -R go= elsewhere
echo 'Include ~/.ssh/config' >top
told() { HOME=$folder/elsewhere ssh -G "$@" web1; }
included=$(told -F top | sed -n 's/^user //p')
own=$(told | sed -n 's/^user //p')
known=$(told -F /dev/null -o UserKnownHostsFile='~/known' | sed -n 's/^userknownhostsfile //p')
echo "HOME is elsewhere. Include reads: $included; ssh by itself: $own; ~/known is: $known"
[ "$included" = elsewhere ] && [ "$own" != elsewhere ] && [ "$known" != "$folder/elsewhere/known" ] ||
    { echo "it changed" >&2; exit 1; }
