#!/bin/sh
# Run where `vagrant up` was run: web1 and db1 join by the line that `ssh-jit-ca host add` prints. May run again.
# The line goes from the CA to a server by your hands, never by the front end, and the token is no program's argument.
#   hostconfig/vagrant/join.sh
set -eu
cd "$(dirname "$0")/../.."
program=/usr/local/sbin/ssh-jit-host

on() {
    vagrant ssh "$1" -c "$2" -- -T # a terminal would turn line ends into CRLF
}

join() {
    name=$1
    on ca "cat /etc/ssl/certs/ssh-jit.pem" </dev/null |
        on "$name" "sudo tee /usr/local/share/ca-certificates/ssh-jit.crt >/dev/null && sudo update-ca-certificates >/dev/null 2>&1"
    # Exit code 3: it has not joined, or only by halves.
    if on "$name" "sudo sh -c '[ -x $program ] && { $program status >/dev/null; [ \$? != 3 ]; }'" </dev/null; then
        echo "$name has joined already"
        return
    fi
    # A host that was added, and did not join in its hour, is invited again.
    text=$(on ca "sudo ssh-jit-ca host add $*" </dev/null) || text=$(on ca "sudo ssh-jit-ca host invite $name" </dev/null)
    printf '%s\n' "$text" | tail -n 1 | on "$name" "sh -s"
}

join web1 --address 192.168.56.11 --label env=staging --login deploy
join db1 --address 192.168.56.12 --label env=prod --label role=db --login postgres
