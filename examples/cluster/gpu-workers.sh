#!/usr/bin/env bash
# One worker a GPU of this machine, for live training: one evaluation a GPU at a time.
#
#   gpu-workers.sh tcp://scheduler:8786
set -euo pipefail

address=$1
trap 'kill $(jobs -p)' EXIT
for gpu in $(nvidia-smi --query-gpu=index --format=csv,noheader); do
  CUDA_VISIBLE_DEVICES=$gpu dask worker "$address" --nthreads 1 --resources GPU=1 \
    --no-dashboard --name "$(hostname -s)-gpu-$gpu" &
done
wait
