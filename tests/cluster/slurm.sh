#!/usr/bin/env bash
# A real Slurm of one node with two slots in a folder, without systemd, for test_slurm_slow.py and for trying by hand:
#   tests/cluster/slurm.sh start FOLDER; export SLURM_CONF=FOLDER/slurm.conf   (absolute)
#   tests/cluster/slurm.sh stop FOLDER
# Debian: apt-get install --no-install-recommends slurm-wlm munge. SLURM_PORT: the first of two ports (26817).
set -eu
usage() { echo "usage: $0 start|stop FOLDER" >&2; exit 2; }
[ $# = 2 ] || usage
action=$1 folder=$(realpath -m "$2")

stop() {
  local name pid
  for name in slurmd slurmctld munge; do
    [ -f "$folder/$name.pid" ] || continue
    pid=$(cat "$folder/$name.pid")
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  done
}

case $action in
  stop) stop; exit ;;
  start) ;;
  *) usage ;;
esac
for program in munged slurmctld slurmd; do
  command -v $program >/dev/null || { echo "$program is missing; install slurm-wlm and munge" >&2; exit 1; }
done
mkdir -p "$folder"/{state,spool,log}
chmod 755 "$folder"
node=$(hostname -s)
port=${SLURM_PORT:-26817}
# cred_expire: a job that is requeued waits for as long before it begins again, 2 minutes by default.
# config_overrides: two slots on any machine.
cat >"$folder/slurm.conf" <<END
ClusterName=test
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=5
CryptoType=crypto/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/log/slurmctld
SlurmdLogFile=$folder/log/slurmd
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2,bf_interval=5
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
NodeName=$node NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=$node Default=YES MaxTime=INFINITE State=UP
END
[ -f "$folder/munge.key" ] || { head -c 1024 /dev/urandom >"$folder/munge.key"; chmod 400 "$folder/munge.key"; }
munged --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munge.pid" \
  --log-file="$folder/log/munge" --seed-file="$folder/munge.seed" --force
export SLURM_CONF=$folder/slurm.conf
slurmctld -f "$SLURM_CONF" -c
sleep 1
slurmd -f "$SLURM_CONF" -N "$node"
for _ in $(seq 30); do
  if sinfo -h -o %T 2>/dev/null | grep -q idle; then exit 0; fi
  sleep 1
done
echo "no idle node after 30 s; see $folder/log" >&2
stop
exit 1
