#!/bin/bash
# A host from the inside: the first process of its own namespaces (pid, mount, network, uts), started by host.py.
#   host.sh FOLDER NAME UUID SUBNET      (SUBNET: third octet of the guests' network)
# When this process ends, for whatever reason, the kernel ends every process of the host, and with them its network.
set -euo pipefail
folder=$1 name=$2 uuid=$3 subnet=$4
hostname "$name"

# The host's own view of libvirt's files; sysfs anew, because it shows the network it was mounted in.
mkdir -p "$folder"/{cgroup,etc/qemu/networks/autostart,etc/nwfilter,run,lib,cache,log}
if mountpoint -q /sys/fs/cgroup; then mount --rbind /sys/fs/cgroup "$folder/cgroup"; fi
mount -t sysfs sysfs /sys
if mountpoint -q "$folder/cgroup"; then
  mount --rbind "$folder/cgroup" /sys/fs/cgroup
  umount -l "$folder/cgroup"
fi
cp -a /etc/libvirt/nwfilter/. "$folder/etc/nwfilter/"
mkdir -p /etc/libvirt /run/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt
mount --bind "$folder/etc" /etc/libvirt
mount --bind "$folder/run" /run/libvirt
mount --bind "$folder/lib" /var/lib/libvirt
mount --bind "$folder/cache" /var/cache/libvirt
mount --bind "$folder/log" /var/log/libvirt
mkdir -p /var/lib/libvirt/{qemu,dnsmasq} /run/sshd

# getHostname() looks the name up, and waits 10 s for a name server that does not answer.
{
  printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$name"
} >"$folder/hosts"
mount --bind "$folder/hosts" /etc/hosts

# A /dev/kvm that runs no guest makes libvirtd probe QEMU again and again, 2 s each; one that the guests' user may not
# open does not.
if [[ -e /dev/kvm ]]; then
  : >"$folder/no-kvm"
  chmod 000 "$folder/no-kvm"
  mount --bind "$folder/no-kvm" /dev/kvm
fi

cat >/etc/libvirt/libvirtd.conf <<EOF
host_uuid = "$uuid"
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_ro_perms = "0777"
unix_sock_rw_perms = "0777"
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
EOF
cat >/etc/libvirt/qemu.conf <<EOF
security_driver = "none"
namespaces = []
stdio_handler = "file"
EOF
cat >/etc/libvirt/qemu/networks/default.xml <<EOF
<network><name>default</name><bridge name='virbr0' stp='off' delay='0'/><forward mode='nat'/>
<ip address='10.77.$subnet.1' netmask='255.255.255.0'>
<dhcp><range start='10.77.$subnet.200' end='10.77.$subnet.250'/></dhcp></ip></network>
EOF
ln -sf ../default.xml /etc/libvirt/qemu/networks/autostart/default.xml
ip link set lo up

# Waits as the first process of a pid namespace must: bash takes leave of every orphan.
trap 'exit 0' TERM
touch "$folder/ready"
while :; do
  sleep 1d &
  wait $! || :
done
