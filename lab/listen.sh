#!/bin/bash
# Makes a host ready to be reached over its wire to the outside: run inside of it by host.py, before libvirtd starts.
#   listen.sh FOLDER NAME ADDRESS KEYS
set -euo pipefail
folder=$1 name=$2 address=$3 keys=$4
ip address add "$address/30" dev eth0
ip link set eth0 up

# On the wire only: the guests are not to reach it.
cat >>/etc/libvirt/libvirtd.conf <<EOF
listen_addr = "$address"
listen_tcp = 1
listen_tls = 1
auth_tcp = "none"
auth_tls = "none"
ca_file = "$keys/cacert.pem"
cert_file = "$keys/$name/servercert.pem"
key_file = "$keys/$name/serverkey.pem"
EOF

# sshd lets nobody in whose account is locked, as root's is with some distributions.
printf 'root:*:::::::\n' >"$folder/shadow"
chmod 600 "$folder/shadow"
mount --bind "$folder/shadow" /etc/shadow

# StrictModes would refuse the keys of a lab below /var/tmp, where everybody may write.
cat >"$folder/sshd_config" <<EOF
ListenAddress $address
HostKey $keys/$name/ssh_host_key
AuthorizedKeysFile $keys/authorized_keys
StrictModes no
AuthenticationMethods publickey
PermitRootLogin forced-commands-only
PidFile none
EOF
"$(command -v sshd)" -f "$folder/sshd_config" -E "$folder/log/sshd.log"
