#!/usr/bin/env bash
# A whole run in one SLURM job: scheduler, workers and the run itself end together.
#
#   sbatch slurm.sh experiment.toml --out results
#
# What was finished is kept: the same command again finishes what is missing.
#SBATCH --job-name=nasarena
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=32
#SBATCH --time=08:00:00
set -euo pipefail

export OMP_NUM_THREADS=1
here=$(hostname -s)
address="tcp://$here:8786"
scratch=${TMPDIR:-/tmp}

# Everyone who reaches this port may run code as you: see docs/cluster.md on TLS.
dask scheduler --host "$here" --port 8786 --no-dashboard &
trap 'kill $(jobs -p)' EXIT

# A worker a node, with a unit at once for every core.
srun dask worker "$address" --nthreads "$SLURM_CPUS_PER_TASK" --no-dashboard \
  --local-directory "$scratch" &

nasarena run "$@" --executor dask --scheduler "$address"
