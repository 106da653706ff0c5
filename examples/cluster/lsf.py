"""A run whose workers are jobs of LSF, as many as there is work for.

    pip install "nasarena[dask]" dask-jobqueue
    python lsf.py experiment.toml --out results

The script itself stays on the login node, or runs in a small job of its own. Jobs that end, or
are preempted, lose nothing: their units run again elsewhere.
"""

import subprocess
import sys

from dask_jobqueue import LSFCluster

cluster = LSFCluster(
    queue="normal",
    project="my-project",
    ncpus=32,
    walltime="08:00",  # hours and minutes
    use_stdin=True,
    cores=32,  # units at once in a job
    processes=1,
    memory="64GB",
    interface="ib0",  # the network that the nodes share, not one that the world sees
    local_directory="/tmp",
    job_script_prologue=["export OMP_NUM_THREADS=1"],
    scheduler_options={"interface": "ib0", "dashboard": False},
)
cluster.adapt(minimum_jobs=1, maximum_jobs=30)
run = ["nasarena", "run", *sys.argv[1:], "--executor", "dask"]
sys.exit(subprocess.call([*run, "--scheduler", cluster.scheduler_address]))
