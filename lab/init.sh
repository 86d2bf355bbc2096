#!/bin/busybox sh
# The guest's first and only program: makes the load that the kernel's command line asks for, and tells on the serial
# port what really happened, in the guest's own counters. That is the truth which figures are compared with.
#   lab.load=LOAD,LOAD…  lab.ip=A.B.C.D/L  lab.gateway=A.B.C.D  lab.report=SECONDS  lab.agent=1   (loads: see spec.py)
B=/bin/busybox
$B mount -t proc proc /proc
$B mount -t sysfs sysfs /sys
$B mount -t devtmpfs devtmpfs /dev
$B --install -s /bin
export PATH=/bin
mount -t tmpfs -o size=95% tmpfs /tmp
for module in $(cat /modules/order); do insmod "/modules/$module.ko"; done

option() { for word in $(cat /proc/cmdline); do case $word in "$1"=*) echo "${word#*=}" ;; esac; done; }
loads=$(option lab.load)
ip=$(option lab.ip)
gateway=$(option lab.gateway)
period=$(option lab.report)
ip link set lo up
ip link set eth0 up 2>/dev/null
[ -n "$ip" ] && ip addr add "$ip" dev eth0

# QEMU's guest agent, and a file system for it to tell of.
if [ -n "$(option lab.agent)" ]; then
  mkdir -p /data /var/run
  hostname lab-guest
  mke2fs -q /dev/vda >/dev/null 2>&1 || mke2fs /dev/vda >/dev/null 2>&1
  mount -t ext4 /dev/vda /data
  qemu-ga -m virtio-serial -p "$(echo /dev/vport*p1)" -t /tmp -f /tmp/agent.pid >/dev/null 2>&1 &
fi

# Sets cs to the time since boot in centiseconds.
now() {
  read -r up _ </proc/uptime
  cs=${up%.*}${up#*.}
  cs=${cs#"${cs%%[!0]*}"}
  : "${cs:=0}"
}

sleep_until() {
  now
  left=$(($1 - cs))
  [ $left -gt 0 ] && usleep ${left}0000
}

# Busy for $1 % of each 200 ms, on each of $2 vCPUs.
cpu() {
  number=0
  while [ $number -lt "${2:-1}" ]; do
    (
      now
      next=$cs
      while :; do
        busy=$((next + $1 / 5))
        while now && [ "$cs" -lt $busy ]; do :; done
        next=$((next + 20))
        sleep_until $next
      done
    ) &
    taskset -p $((1 << number)) $! >/dev/null
    number=$((number + 1))
  done
}

# One dd a second: direct, in requests of 16 KiB, around the disk.
disk() { # read|write KIB [DISK]
  device=/dev/${3:-vda}
  requests=$(($(cat "/sys/block/${3:-vda}/size") / 32))
  count=$(($2 / 16))
  offset=0
  now
  next=$cs
  while :; do
    [ $((offset + count)) -gt $requests ] && offset=0
    if [ "$1" = write ]; then
      dd if=/dev/zero of="$device" bs=16k count=$count seek=$offset oflag=direct conv=notrunc 2>/dev/null
    else
      dd if="$device" of=/dev/null bs=16k count=$count skip=$offset iflag=direct 2>/dev/null
    fi
    offset=$((offset + count))
    next=$((next + 100))
    sleep_until $next
  done
}

IFS=,
for load in $loads; do
  IFS=:
  # shellcheck disable=SC2086 # a load is a list
  set -- $load
  unset IFS
  case $1 in
    cpu) cpu "$2" "$3" ;;
    read | write) disk "$1" "$2" "$3" & ;;
    net) ping -q -i "$(awk "BEGIN { print 1 / $2 }")" -s "${3:-1400}" "$gateway" >/dev/null 2>&1 & ;;
    memory) dd if=/dev/zero of=/tmp/fill bs=1M count="$2" 2>/dev/null ;;
  esac
  IFS=,
done
unset IFS

while :; do
  read -r up _ </proc/uptime
  read -r _ jiffies </proc/stat
  disks=$(for path in /sys/block/vd*; do
    # shellcheck disable=SC2046 # a list of fields
    set -- $(cat "$path/stat")
    echo "${path##*/}:$1:$(($3 * 512)):$5:$(($7 * 512))"
  done | tr '\n' ',')
  nics=$(for path in /sys/class/net/eth*; do
    s=$path/statistics
    echo "${path##*/}:$(cat $s/rx_bytes):$(cat $s/rx_packets):$(cat $s/tx_bytes):$(cat $s/tx_packets)"
  done 2>/dev/null | tr '\n' ',')
  memory=$(awk '/^(MemTotal|MemFree|MemAvailable|Cached):/ { sub(":", "", $1); printf "%s:%s,", $1, $2 }' /proc/meminfo)
  echo "REPORT up=$up cpu=$(echo "$jiffies" | tr ' ' ':') disks=$disks nics=$nics memory=$memory END"
  sleep "$period"
done
