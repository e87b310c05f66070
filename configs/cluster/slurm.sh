#!/usr/bin/env bash
# A search on the nodes of a SLURM job:  sbatch configs/cluster/slurm.sh config.yaml
# The job may be ended and submitted again: the same command goes on. RUNS must lie on storage that all nodes see.
# Four nodes with four GPUs and 32 cores each: sixteen trainings at a time, or more that share GPUs (gpus_per_slot).
#SBATCH --job-name=senet-search
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=32
#SBATCH --gpus-per-task=4
#SBATCH --time=12:00:00
#SBATCH --signal=B:TERM@120
set -euo pipefail
config=${1:?write: sbatch configs/cluster/slurm.sh config.yaml}
runs=${RUNS:-$PWD/runs}

# Whoever reaches the port of a Ray cluster runs code on it: a secret of this job's own, handed on in its environment.
export RAY_AUTH_MODE=token
RAY_AUTH_TOKEN=$(python -c "import secrets; print(secrets.token_hex(32))")
export RAY_AUTH_TOKEN

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
port=$((20000 + SLURM_JOB_ID % 20000))
address=$(srun --nodes=1 --ntasks=1 -w "${nodes[0]}" hostname --ip-address | awk '{print $1}')

trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
srun --nodes=1 --ntasks=1 -w "${nodes[0]}" --overlap \
  ray start --head --node-ip-address="$address" --port="$port" --include-dashboard=false --block &
until ray health-check --address "$address:$port" 2>/dev/null; do sleep 1; done
if ((${#nodes[@]} > 1)); then
  others=$(IFS=,; echo "${nodes[*]:1}")
  srun --nodes=$((${#nodes[@]} - 1)) --ntasks=$((${#nodes[@]} - 1)) -w "$others" --overlap \
    ray start --address="$address:$port" --block &
fi

# 120 seconds before the end SLURM sends TERM here, and the search closes its books: submit the job again, and it goes on.
senet-search run "$config" --runs "$runs" --set resources.ray="$address:$port" &
search=$!
trap 'kill -TERM "$search"' TERM
status=0
wait "$search" || status=$?
if ((status > 128)); then # the signal ended `wait`, not yet the search
  status=0
  wait "$search" || status=$?
fi
exit "$status"
