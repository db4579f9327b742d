#!/bin/sh
# Run where `vagrant up` was run: enrols the servers with the authority and starts ssh-jit-host on them.
# The pinned root goes from the authority to each server by the operator's own hands, never by the front end.
#   hostconfig/vagrant/join.sh
set -eu
cd "$(dirname "$0")/../.."
authority=192.168.56.10

on() {
    vagrant ssh "$1" -c "$2" -- -T # a terminal would turn line ends into CRLF
}

join() {
    name=$1 address=$2 login=$3
    shift 3
    folder=/root/joining/$name key=/etc/ssh/ssh_host_ed25519_key
    on "$name" "cat $key.pub" |
        on ca "sudo install -d -m 0700 $folder && sudo tee $folder/host.pub >/dev/null"
    reply=$(on ca "sudo /opt/ssh-jit/bin/ssh-jit-ca host add $name --address $address --port 22 \
        --host-key $folder/host.pub $* --json")
    on ca "sudo cat $folder/host-cert.pub" |
        on "$name" "sudo tee $key-cert.pub >/dev/null"
    printf '%s' "$reply" | python3 -c '
import json, sys
reply, (url, login) = json.load(sys.stdin), sys.argv[1:]
print(json.dumps({
    "version": 1, "name": reply["host"]["name"], "host_id": reply["host"]["id"], "url": url,
    "root": reply["bundle_root"], "logins": [login],
    "reload": ["/usr/bin/systemctl", "reload", "ssh.service"], "interval": 10,
}, indent=2))' "http://$authority" "$login" |
        on "$name" "sudo tee /etc/ssh-jit/host.json >/dev/null"
    on "$name" "sudo systemctl enable --quiet --now ssh-jit-host"
}

join web1 192.168.56.11 deploy --label env=staging
join db1 192.168.56.12 postgres --label env=prod --label role=db
