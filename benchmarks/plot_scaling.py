"""Draws scaling.png from results/large.json: time against events, for a million neurons that fire ever less often."""

import json
from pathlib import Path

import matplotlib.pyplot as plt

HERE = Path(__file__).parent
record = json.loads((HERE / "results" / "large.json").read_text())
measured = [row for row in record["rows"] if row["case"].startswith("sparse 1000000")]

figure, axes = plt.subplots(figsize=(5.5, 3.8), layout="constrained")
for simulator, marker in (("eventsim windowed", "o"), ("eventsim windowed, 2 threads", "s"), ("brian2", "^")):
    rows = sorted((row for row in measured if row["simulator"] == simulator), key=lambda row: row["events"])
    seconds = [1e-3 * row["duration"] for row in rows]  # of biological time
    events = [row["events"] / s for row, s in zip(rows, seconds, strict=True)]
    walls = [row["wall"] / s for row, s in zip(rows, seconds, strict=True)]
    if rows:
        axes.loglog(events, walls, marker=marker, label=simulator)
    if rows and simulator == "eventsim windowed":
        axes.loglog(events, [walls[-1] * e / events[-1] for e in events], "--", color="0.6", lw=1, label="proportional to events")
axes.set_xlabel("synaptic events per second simulated")
axes.set_ylabel("wall time per second simulated [s]")
axes.set_title("1,000,000 neurons, 101,000,000 synapses", fontsize=10)
axes.legend(frameon=False, fontsize=8)
figure.savefig(HERE / "scaling.png", dpi=150)
