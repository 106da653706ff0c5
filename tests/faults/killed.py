"""``nasarena``, in a group of processes that patched/sitecustomize.py may kill."""

import os
import sys

from nasarena.cli import main

if __name__ == "__main__":
    os.environ["FAULT_GROUP"] = str(os.getpgrp())
    sys.argv[0] = "nasarena"
    if trace := os.environ.get("TRACE"):
        with open(trace, "a") as file:
            file.write("ready start\n")
    main.main()
