#!/usr/bin/env bash
# A radosgw of one node in memory, on the loopback, to compare with. Debian: apt-get install --no-install-recommends radosgw ceph-mon ceph-osd ceph-common
#   radosgw.sh start DIRECTORY [PORT]   starts monitor, OSD (memstore) and gateway; prints endpoint and keys of two users as arguments of run.ts
#   radosgw.sh stop DIRECTORY           ends what was started, by its process ids
#   radosgw.sh version                  prints which radosgw is here
set -euo pipefail
action=${1:?start, stop or version}
if [ "$action" = version ]; then
  radosgw --version | sed 's/.*version \([^ ]*\).*/\1/'
  exit
fi
directory=$(realpath -m "${2:?a directory}") port=${3:-9820}
pids="$directory/pids" config="$directory/ceph.conf" domain=s3.radosgw.test

stop() {
  [ -f "$pids" ] || return 0
  # The gateway first: it writes to what is below it.
  tac "$pids" | while read -r pid; do kill "$pid" 2>/dev/null || true; done
  rm -f "$pids"
}

background() {
  local name=$1
  shift
  "$@" >"$directory/$name.log" 2>&1 &
  echo $! >>"$pids"
}

start() {
  rm -rf "$directory" && mkdir -p "$directory"/{mon,osd,run}
  local fsid monitor=$((port + 1))
  fsid=$(cat /proc/sys/kernel/random/uuid)
  cat >"$config" <<CONFIG
[global]
fsid = $fsid
mon host = 127.0.0.1:$monitor
run dir = $directory/run
admin socket = $directory/run/\$name.asok
log file = $directory/\$name.log
keyring = $directory/keyring
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 1
ms bind ipv4 = true
public addr = 127.0.0.1
cluster addr = 127.0.0.1
[mon.a]
mon data = $directory/mon
mon addr = 127.0.0.1:$monitor
[osd.0]
osd data = $directory/osd
osd objectstore = memstore
memstore device bytes = 4294967296
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:$port
rgw dns name = $domain
rgw enable usage log = false
rgw lc debug interval = -1
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = one=Y29uZm9ybWFuY2Uta2V5LW9uZS1vZi1yYWRvc2d3ISE= two=Y29uZm9ybWFuY2Uta2V5LXR3by1vZi1yYWRvc2d3ISE=
CONFIG
  # One ring for all of them: the gateway insists on a key.
  ceph-authtool "$directory/keyring" --create-keyring --gen-key -n mon. --cap mon 'allow *' >/dev/null
  ceph-authtool "$directory/keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
  ceph-authtool "$directory/keyring" --gen-key -n client.rgw.a --cap mon 'allow rw' --cap osd 'allow rwx'
  ceph-authtool "$directory/keyring" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *'
  monmaptool --create --add a "127.0.0.1:$monitor" --fsid "$fsid" "$directory/monmap" >/dev/null
  ceph-mon -c "$config" -i a --mkfs --monmap "$directory/monmap" --keyring "$directory/keyring"
  background mon ceph-mon -c "$config" -i a -f
  local osd
  osd=$(cat /proc/sys/kernel/random/uuid)
  timeout 60 ceph -c "$config" osd new "$osd" >/dev/null
  ceph-osd -c "$config" -i 0 --mkfs --osd-uuid "$osd" >"$directory/mkfs.log" 2>&1
  background osd ceph-osd -c "$config" -i 0 -f
  background rgw radosgw -c "$config" -n client.rgw.a -f
  local tries=0
  until curl -fs -o /dev/null "http://127.0.0.1:$port/"; do
    tries=$((tries + 1))
    [ "$tries" -lt 240 ] || { echo "radosgw does not answer: see $directory/*.log" >&2; exit 1; }
    sleep 0.5
  done
  for user in first second; do
    radosgw-admin -c "$config" -n client.admin user create --uid "$user" --display-name "$user" --access-key "RADOSGW${user^^}" --secret-key "radosgw-$user-secret" >"$directory/$user.json" 2>/dev/null
  done
  echo "--endpoint http://127.0.0.1:$port --access-key RADOSGWFIRST --secret-key radosgw-first-secret --second-access-key RADOSGWSECOND --second-secret-key radosgw-second-secret --tenant --domain $domain --region default --kms one,two"
}

case $action in
start) stop && start ;;
stop) stop ;;
*) echo "start, stop or version, not $action" >&2 && exit 2 ;;
esac
