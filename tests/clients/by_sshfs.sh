# Mounts the host's files by sshfs, through the written configuration, in a mount namespace of its own.
set -e
ssh-jit config --write
mkdir -p "$HOME/mounted"
sshfs web1:/ "$HOME/mounted"
ls "$HOME/mounted"
umount "$HOME/mounted"
