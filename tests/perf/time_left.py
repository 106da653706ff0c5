"""How right the time left is that ``nasarena status`` tells of a real run.

``python tests/perf/time_left.py FOLDER`` runs strategies that differ a hundredfold into FOLDER,
asks for the status meanwhile, and says how far off it was after each tenth of the run. Further
words are options of ``nasarena run``.
"""

import subprocess
import sys
import time
from pathlib import Path

from nasarena.bench._base.errors import StoreError
from nasarena.bench.execute.status import Watcher

OPTIONS = "--tasks nasbench201/*,nasbench-graph/cora --seeds 24 --queries 60 --no-vault --no-report"
STRATEGIES = "random,local-search,optuna-tpe,random-forest,bananas"


def main(root: Path, further: list[str]) -> None:
    words = ["nasarena", "run", "--out", str(root), "--strategies", STRATEGIES]
    words += [*OPTIONS.split(), *further]
    watcher, told = Watcher(root), []
    with subprocess.Popen(words) as process:
        begin = None
        while process.poll() is None:
            time.sleep(0.2)
            try:
                run = watcher.look().run
            except StoreError:  # it has not begun
                continue
            if run is not None and run.outcome == "running":
                begin = run.began
                told.append((time.time(), run.left))
    run = watcher.look().run
    if run is None or begin is None:
        sys.exit("the run left no log")
    print(f"{run.units} units in {run.elapsed:.0f} s")
    for tenth in range(1, 10):
        moment = begin + run.elapsed * tenth / 10
        later = [each for each in told if each[0] >= moment and each[1] is not None]
        if later:
            now, left = later[0]
            true = begin + run.elapsed - now
            print(
                f"after {tenth}0 %: {left:.1f} s told, {true:.1f} s it was: {left / true - 1:+.0%}"
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
