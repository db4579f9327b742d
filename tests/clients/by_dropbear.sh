# Tries Dropbear's client, which has no way to present a certificate: the host refuses the key alone.
set -e
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
dropbearconvert openssh dropbear "$CLIENT_KEY" "$folder/key" 2>/dev/null
dbclient -y -i "$folder/key" -p "$CLIENT_PORT" "$CLIENT_ACCOUNT@$CLIENT_ADDRESS" whoami
