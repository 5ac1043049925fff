"""Benchmarks: `python -m benchmarks [CASE ...] [--repeat N] [--name NAME] [--peers]`, see README.md.

The first word of a name stands for all cases that begin with it, big ones apart.
Every run is a fresh process; the table shows medians, and how many times as fast as a row the windowed executor is that uses
as many threads ("x faster", per time simulated). It is printed, stored with every single run in results/NAME.json and
copied into README.md between the marks of that name.
"""

import argparse
import json
import platform
import subprocess
import sys
from pathlib import Path
from statistics import median

from .cases import CASES, ORDERED, TWO_THREADS, WINDOWED

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
    ("x faster", ">", lambda r: f"{r['faster']:.3g}"),
    ("spikes", ">", lambda r: f"{r['spikes']:,}"),
    ("events", ">", lambda r: f"{r['events']:,}"),
    ("ns/event", ">", lambda r: f"{r['wall'] / r['events'] * 1e9:.1f}"),
    ("peak MiB", ">", lambda r: f"{r['peak_bytes'] / 2**20:.0f}"),
)
ONLY_BUILDS = "build CPU s", "Msyn/s", "peak/built"
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
    try:
        for case in cases:
            rows += measured(case, options)
            print(*table([row for row in rows if row["case"] == case]), "", sep="\n", flush=True)
    finally:  # whatever stopped it, what has been measured is kept
        if rows:
            save(options.name, rows)


def measured(case, options):
    """The rows of a case."""
    simulators = [*CASES[case].ours, *(CASES[case].peers if options.peers else ())]
    runs = {simulator: [] for simulator in simulators}
    for _ in range(options.repeat):  # interleaved: a busy minute of the machine hits all simulators alike
        for simulator in simulators:
            if len(runs[simulator]) < options.repeat:
                runs[simulator] += run(case, simulator, options.repeat)
    rows = [summary(case, simulator, runs[simulator]) for simulator in simulators if runs[simulator]]
    compare(rows)
    return rows


def run(case, simulator, repeat):
    """Runs in a fresh process: one; all, if Brian2 has to be compiled for them; none of a peer that cannot be had."""
    name, variant, threads = parse(simulator)
    if name == "eventsim":
        command = [sys.executable, "-m", "benchmarks.measure", case, variant or "ordered", str(threads)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        if done.returncode:
            sys.exit(f"{case}: {done.stderr.strip()}")
        return [json.loads(done.stdout)]
    sys.path.insert(0, str(ROOT / "tests" / "validate"))
    import peers

    job = dict(description=CASES[case].description, warmup=CASES[case].warmup, duration=CASES[case].peers[simulator])
    data = str(ROOT / "networks" / "data")
    try:
        return peers.run(name, HERE / f"peer_{name}.py", **job, variant=variant, threads=threads, repeat=repeat, data=data)
    except (peers.Unavailable, RuntimeError) as reason:  # it cannot be had here, or it stopped
        print(f"{case}: {reason}", file=sys.stderr)
        return []


def parse(simulator):
    """Name, variant and number of threads: of "nest precise, 2 threads", for instance."""
    who, _, threads = simulator.partition(", ")
    name, _, variant = who.partition(" ")
    return name, variant, int(threads.split()[0]) if threads else 1


def summary(case, simulator, runs):
    """Medians of all numbers, and the runs themselves."""
    numbers = [key for key, value in runs[0].items() if isinstance(value, int | float)]
    middle = {key: median(r[key] for r in runs) for key in numbers}
    whole = {key: int(value) for key, value in middle.items() if isinstance(runs[0][key], int)}
    if simulator in (WINDOWED, TWO_THREADS) and runs[0]["executor"] != "windowed":
        sys.exit(f"{case}: {runs[0]['executor_note']}")
    return dict(case=case, simulator=simulator) | middle | whole | dict(runs=runs)


def compare(rows):
    """Add to each row of a case how many times as fast the windowed executor is that uses as many threads (on one thread: the
    ordered one, if windows cannot be)."""
    pace = {row["simulator"]: row["wall"] / row["duration"] for row in rows if row["duration"]}
    ours = {1: WINDOWED if WINDOWED in pace else ORDERED, 2: TWO_THREADS}
    for row in rows:
        best = ours[parse(row["simulator"])[2]]
        if best in pace and row["simulator"] not in (best, WINDOWED, TWO_THREADS):
            row["faster"] = pace[row["simulator"]] / pace[best]


def table(rows):
    """Lines of a Markdown table, without columns in which there is nothing."""
    cells = {}
    for title, _, cell in COLUMNS:
        cells[title] = [content(row, title, cell) for row in rows]
    columns = [(title, side) for title, side, _ in COLUMNS if any(cells[title])]
    lines = ["| " + " | ".join(title for title, _ in columns) + " |"]
    lines.append("|" + "|".join("---:" if side == ">" else "---" for _, side in columns) + "|")
    return lines + ["| " + " | ".join(cells[title][k] for title, _ in columns) + " |" for k in range(len(rows))]


def content(row, title, cell):
    """Of one cell: nothing if the simulator does not tell."""
    if title in (ONLY_BUILDS if row["duration"] else ONLY_RUNS):
        return ""
    try:
        return cell(row)
    except KeyError:
        return ""


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
