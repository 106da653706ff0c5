"""Live training on GPUs: a job of SLURM a GPU, and one evaluation a GPU at a time.

    pip install "nasarena[dask,live]" dask-jobqueue
    python slurm-gpu.py live.toml --out results

The script itself stays on the login node, or runs in a small job of its own. Jobs that end, or
are preempted, lose nothing: their units run again elsewhere.
"""

import subprocess
import sys

from dask_jobqueue import SLURMCluster

cluster = SLURMCluster(
    queue="gpu",  # the partition
    account="my-project",
    walltime="08:00:00",
    cores=1,  # units at once in a job
    job_cpu=8,
    processes=1,
    memory="64GB",
    job_extra_directives=["--gres=gpu:1"],
    worker_extra_args=["--resources", "GPU=1"],
    interface="ib0",  # the network that the nodes share, not one that the world sees
    local_directory="/tmp",
    # What was trained is kept in a folder that all jobs share, and not trained again.
    job_script_prologue=["export NASARENA_CACHE=$HOME/nasarena-cache"],
    scheduler_options={"interface": "ib0", "dashboard": False},
)
cluster.adapt(minimum_jobs=1, maximum_jobs=30)
run = ["nasarena", "run", *sys.argv[1:], "--executor", "dask"]
sys.exit(subprocess.call([*run, "--scheduler", cluster.scheduler_address]))
