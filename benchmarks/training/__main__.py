"""`python -m benchmarks.training ROW [--seeds N] [--splits N] [--threads N] [--epochs N] [--peers]`: one row of the tables in
../README.md, Training.

ROW is a task (accuracy), the digits of scikit-learn or a measurement of speed; each is stored in ../results/training_ROW.json.
"""

import argparse
import json
import platform
import re
import sys
from dataclasses import replace

import numpy as np

from ..__main__ import HERE, processor
from .learn import train
from .speed import MEASUREMENTS, PEERS
from .tasks import TASKS, digits


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description="Train, and measure training.")
    parser.add_argument("row", choices=[*TASKS, "digits", *MEASUREMENTS])
    parser.add_argument("--seeds", type=int, default=1, help="runs with seeds 0, 1, ...; default 1")
    parser.add_argument("--splits", type=int, default=5, help="of digits: random splits into training and test; default 5")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=int, help="instead of the recipe's")
    parser.add_argument("--peers", action="store_true", help="also measure the peers there are, in turn, before and after")
    parser.add_argument("--try", action="store_true", dest="trial", help="store nothing")
    options = parser.parse_args()
    if options.row in TASKS:
        task = TASKS[options.row]
        task = replace(task, epochs=options.epochs) if options.epochs else task
        runs = []
        for seed in range(options.seeds):
            runs.append(train(task, seed, options.threads, say=lambda line: print(line, flush=True)))
            print(f"seed {seed}: test {runs[-1]['test']:.4f}", flush=True)
        found = dict(epochs=task.epochs, reach=task.reach) | summary(runs)
    elif options.row == "digits":
        runs = []
        for split in range(options.splits):
            runs.append(digits(split, range(options.seeds), options.threads))
            print(f"split {split}: test {runs[-1]['test']:.4f}", flush=True)
        found = dict(reach=0.98, seeds=options.seeds) | summary(runs)
    else:
        found = MEASUREMENTS[options.row](options.threads)
        if options.peers:
            found = against_peers(options.row, found, lambda: MEASUREMENTS[options.row](options.threads))
        print(json.dumps(found, indent=1))
    if not options.trial:
        store(options.row, found)


def against_peers(row, found, again):
    """The measurement with those of its peers: each is followed by ours once more, so that the machine hits all alike."""
    ours, theirs = [found], {}
    for name, measure in PEERS.get(row, {}).items():
        theirs[name] = measure()
        ours.append(again())
    return min(ours, key=lambda one: one["value"]) | dict(values=[one["value"] for one in ours], peers=theirs)


def summary(runs):
    """Mean and standard deviation of the test accuracies, and the runs."""
    tests = np.array([run["test"] for run in runs])
    return dict(mean=tests.mean(), sd=tests.std(ddof=1) if len(runs) > 1 else 0.0, runs=runs)


def store(row, found):
    """Write results/training_ROW.json and its line in README.md."""
    command = "python -m benchmarks.training" + "".join(f" {a}" for a in sys.argv[1:])
    machine = dict(processor=processor(), python=platform.python_version(), numpy=np.__version__, system=platform.platform())
    record = dict(command=command, machine=machine) | found
    short = json.loads(json.dumps(record), parse_float=lambda number: float(f"{float(number):.5g}"))
    (HERE / "results" / f"training_{row}.json").write_text(json.dumps(short) + "\n")
    readme = HERE / "README.md"
    text = readme.read_text()
    cells = (
        f"{100 * found['mean']:.2f}" + f" ± {100 * found['sd']:.2f}" * (len(found["runs"]) > 1) + f" ({len(found['runs'])})"
        if "runs" in found
        else f"{found['value']:.3g} {found['unit']}"
    )
    mark = f"<!-- {row} -->"
    line = re.compile(rf"^(\|.*\| ){re.escape(mark)}[^|]*(\|.*)$", re.M)
    readme.write_text(line.sub(lambda found: f"{found[1]}{mark} {cells} {found[2]}", text))


if __name__ == "__main__":
    main()
