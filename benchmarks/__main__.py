"""Benchmarks: `python -m benchmarks [CASE ...] [--repeat N] [--name NAME] [--peers]`, see README.md.

The first word of a name stands for all cases that begin with it, big ones apart.
Every run is a fresh process; the table shows medians. It is printed, stored with every single run in results/NAME.json and
copied into README.md between the marks of that name.
"""

import argparse
import json
import platform
import subprocess
import sys
from pathlib import Path
from statistics import median

from .cases import CASES

HERE = Path(__file__).parent
ROOT = HERE.parent

COLUMNS = (
    ("case", "<", lambda r: r["case"]),
    ("simulator", "<", lambda r: r["simulator"]),
    ("neurons", ">", lambda r: f"{r['neurons']:,}"),
    ("synapses", ">", lambda r: f"{r['synapses']:,}"),
    ("build s", ">", lambda r: f"{r['build_wall']:.2f}"),
    ("build CPU s", ">", lambda r: f"{r['build_cpu']:.2f}"),
    ("Msyn/s", ">", lambda r: f"{r['synapses'] / r['build_wall'] / 1e6:.1f}"),
    ("B/syn", ">", lambda r: f"{r['built_bytes'] / r['synapses']:.1f}"),
    ("peak/built", ">", lambda r: f"{r['built_peak']:.2f}"),
    ("run ms", ">", lambda r: f"{r['duration']:g}"),
    ("wall s", ">", lambda r: f"{r['wall']:.3f}"),
    ("CPU s", ">", lambda r: f"{r['cpu']:.3f}"),
    ("real-time factor", ">", lambda r: f"{r['wall'] / r['duration'] * 1e3:.3g}"),
    ("spikes", ">", lambda r: f"{r['spikes']:,}"),
    ("events", ">", lambda r: f"{r['events']:,}"),
    ("ns/event", ">", lambda r: f"{r['wall'] / r['events'] * 1e9:.0f}"),
    ("peak MiB", ">", lambda r: f"{r['peak_bytes'] / 2**20:.0f}"),
)
ONLY_OURS = {"B/syn": "built_bytes", "peak/built": "built_peak"}
ONLY_RUNS = "run ms", "wall s", "CPU s", "real-time factor", "spikes", "events", "ns/event"


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure eventsim, and its peers.")
    usual = [case for case in CASES if not CASES[case].big]
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"default: all of {', '.join(map(repr, usual))}")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="runs of each case, default 3")
    parser.add_argument("--name", default="latest", help="results/NAME.json, default latest")
    parser.add_argument("--peers", action="store_true", help="also run NEST and Brian2 on the same networks")
    options = parser.parse_args()
    cases = [] if options.cases else usual
    for name in options.cases:
        meant = [name] if name in CASES else [case for case in usual if case.split()[0] == name]
        if not meant:
            parser.error(f"unknown case {name!r}; choose from {', '.join(map(repr, CASES))}")
        cases += meant

    rows = []
    for case in cases:
        ours = ["eventsim", "eventsim windowed" if CASES[case].duration else "eventsim 2 threads"]
        simulators = [*ours, *(CASES[case].peers if options.peers else ())]
        runs = {simulator: [] for simulator in simulators}
        for _ in range(options.repeat):  # interleaved: a busy minute of the machine hits all simulators alike
            for simulator in simulators:
                runs[simulator].append(run(case, simulator))
        rows += [summary(case, simulator, runs[simulator]) for simulator in simulators]
        print(*table(rows[-len(simulators) :], head=len(rows) == len(simulators)), sep="\n", flush=True)
    save(options.name, rows)


def run(case, simulator):
    """One run in a fresh process."""
    name, _, variant = simulator.partition(" ")
    if name == "eventsim":
        how = ["ordered", "2"] if variant == "2 threads" else [variant or "ordered"]
        command = [sys.executable, "-m", "benchmarks.measure", case, *how]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        if done.returncode:
            sys.exit(f"{case}: {done.stderr.strip()}")
        return json.loads(done.stdout)
    sys.path.insert(0, str(ROOT / "tests" / "validate"))
    import peers

    return peers.run(name, HERE / f"peer_{name}.py", case=case, variant=variant, data=str(ROOT / "networks" / "data"))


def summary(case, simulator, runs):
    """Medians of all numbers, and the runs themselves."""
    numbers = [key for key, value in runs[0].items() if isinstance(value, int | float)]
    middle = {key: median(r[key] for r in runs) for key in numbers}
    whole = {key: int(value) for key, value in middle.items() if isinstance(runs[0][key], int)}
    return dict(case=case, simulator=simulator) | middle | whole | dict(runs=runs)


def table(rows, head=True):
    """Lines of a Markdown table."""
    lines = []
    if head:
        lines.append("| " + " | ".join(title for title, _, _ in COLUMNS) + " |")
        lines.append("|" + "|".join("---:" if side == ">" else "---" for _, side, _ in COLUMNS) + "|")
    for row in rows:
        cells = (
            "" if (title in ONLY_RUNS and not row["duration"]) or ONLY_OURS.get(title, "case") not in row else cell(row)
            for title, _, cell in COLUMNS
        )
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def save(name, rows):
    """Write results/NAME.json and the table between its marks in README.md."""
    import numpy as np

    command = "python -m benchmarks" + "".join(f" {json.dumps(a) if ' ' in a else a}" for a in sys.argv[1:])
    machine = dict(processor=processor(), python=platform.python_version(), numpy=np.__version__, system=platform.platform())
    record = dict(name=name, command=command, machine=machine, rows=rows)
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
    readme = HERE / "README.md"
    text = readme.read_text()
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->\n"
    if begin in text:
        about = f"`{command}` on {machine['processor']}, Python {machine['python']}, NumPy {machine['numpy']}:\n\n"
        before, rest = text.split(begin)
        readme.write_text(before + begin + about + "\n".join(table(rows)) + "\n" + end + rest.split(end)[1])


def processor():
    """Name and number of processors."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.machine()


if __name__ == "__main__":
    main()
