"""Does the test suite notice a mistake? Plant some, one at a time, and see whether a test fails.

    python tests/mutations.py [NAME ...] [--jobs 1]

Each mutation is one replacement in a copy of the tree, which is built and tested there; a mutation that no test notices
survives and the exit status is 1. The table of the last run is docs/mutations.md.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("ext", "eventsim", "networks", "tests", "setup.py", "pyproject.toml", "README.md", "LICENSE")
TESTS = ("test_queue.py", "test_times.py", "test_solver.py", "test_models.py", "test_connectivity.py", "test_engine.py",
         "test_simulation.py", "test_properties.py")


GRADIENT = ("test_gradient_properties.py", "test_gradient.py")
WINDOWS = ("test_sums.py", "test_windows.py", "test_poisson.py")


class Mutation(NamedTuple):
    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...] = TESTS


MUTATIONS = [
    Mutation("exp - 1 for expm1", "ext/solver.pxi", "-expm1(-z) / z", "(1.0 - exp(-z)) / z"),
    Mutation("membrane change from exp", "ext/models/lif.pxi", "s.u * expm1(-p.a * t)", "s.u * (exp(-p.a * t) - 1.0)"),
    Mutation("fading inhibition forgotten", "ext/solver.pxi", "        drive.rise -= J\n", "        drive.rise -= 0.0\n"),
    Mutation("fading inhibition half as fast", "ext/solver.pxi", "drive.rate -= b * J", "drive.rate -= 0.5 * b * J"),
    Mutation("present current for the largest", "ext/solver.pxi", "if a * g >= d + drive.rise:", "if a * g >= d:"),
    Mutation("look-ahead not bounded", "ext/solver.pxi", "wait = min(h, crossing(", "wait = max(h, crossing("),
    Mutation("excitation and inhibition swapped", "ext/models/lif.pxi", "if w >= 0.0:", "if w < 0.0:"),
    Mutation("kappa from the wrong exponential", "ext/solver.pxi", "exp(-min(a, b) * t)", "exp(-max(a, b) * t)"),
    Mutation("third kernel without its square", "ext/solver.pxi", "return t * t * exp(-lo * t)", "return t * exp(-lo * t)"),
    Mutation("rising source forgotten", "ext/models/double_exp.pxi", "drive.rise += g / max(b, f)", "drive.rise += 0.0"),
    Mutation("peak time from the wrong rate", "ext/models/double_exp.pxi", "((f - b) / b)) / b", "((f - b) / b)) / f"),
    Mutation("threshold strict for currents", "ext/population.pxi", "    if g > 0.0:\n", "    if g >= 0.0:\n"),
    Mutation("threshold not strict for jumps", "ext/models/delta.pxi", "drive, EDGE, 0.0)", "drive, TO_VALUE, 0.0)"),
    Mutation("currents stand still while refractory", "ext/models/lif.pxi", "        s.I_ex *= e.ex\n        s.I_in *= e.i\n\n    cdef void rest_back", "        pass\n\n    cdef void rest_back"),
    Mutation("input at the end of refractoriness lost", "ext/population.pxi", "    return before(s.at, s.free) and",
             "    return not before(s.free, s.at) and"),
    Mutation("refractory time forgotten", "ext/population.pxi", "else later(t, self.refractory(q))", "else t"),
    Mutation("threshold adaptation not a current", "ext/models/adaptive.pxi", "sign * (p.b_sfa - p.a) * s.h", "sign * p.b_sfa * s.h"),
    Mutation("cursor one too far", "ext/engine.pxi", "            f.cursor = hi\n", "            f.cursor = hi + 1\n"),
    Mutation("delay in single precision", "ext/engine.pxi", "f.arrival = later(f.departure, value(rows.delays, hi))",
             "f.arrival = later(f.departure, <float> value(rows.delays, hi))"),
    Mutation("delay on a grid", "ext/engine.pxi", "f.arrival = later(t, value(rows.delays, f.cursor))",
             "f.arrival = later(t, floor(10.0 * value(rows.delays, f.cursor) + 0.5) / 10.0)"),
    Mutation("state re-based where runs are split", "eventsim/simulation.py", "                self._time = end\n",
             "                self._time = end\n                for c in self._engine.populations:\n"
             "                    c.evolve(c.state, np.arange(c.n), np.tile(end, (c.n, 1)))\n"),
    Mutation("time in single precision", "ext/time.pxi", "    t.offset += wait - whole\n", "    t.offset = <float> (t.offset + wait - whole)\n"),
    Mutation("fraction not carried", "ext/time.pxi", "        t.epoch += 1.0\n", ""),
    Mutation("ties not in order of sources", "ext/queue.pxi", "        return a.source < b.source\n", "        return a.source > b.source\n"),
    Mutation("threshold before arrival", "ext/engine.pxi", "not before(next, self.flights.heap[0].arrival)",
             "before(self.flights.heap[0].arrival, next)"),
    Mutation("alarms of equal time in any order", "ext/queue.pxi", "return a.neuron < b.neuron if", "return a.neuron > b.neuron if"),
    Mutation("touched neuron stays marked", "ext/engine.pxi", "        p.mark[j] = 0\n", ""),
    Mutation("spike at T in both runs", "ext/engine.pxi", "if not before(next, end):", "if before(end, next):"),
    Mutation("coarse convergence", "ext/solver.pxi", "2.0 ** -51", "2.0 ** -20"),
    Mutation("Poisson event of a rate that has changed", "ext/poisson.h", "if (earlier(e, o, since, since_offset) || !earlier(e, o, change, fraction))", "if (earlier(e, o, since, since_offset))"),
    Mutation("new weights only for new spikes", "eventsim/simulation.py", "                old.set_weight(", "                (lambda w: w)("),
    Mutation("next event of a source not saved", "ext/engine.pxi", "            p.state[:] = state[f\"state{i}\"]\n",
             "            p.state[:, :-4] = state[f\"state{i}\"][:, :-4]\n"),
    Mutation("parallel synapses merged", "ext/population.pxi", "            if w == 0.0 and not self.replaying:",
             "            if (w == 0.0 and not self.replaying) or (k > lo and target[k] == target[k - 1]):"),
    Mutation("a later arrival leaves the membrane as it was", "ext/costate.pxi", "    pull.time = w * (b * c.p - k * u)", "    pull.time = w * b * c.p", GRADIENT),
    Mutation("release judged by the slope at the spike", "ext/costate.pxi", "-n.released * s.after", "-n.released * s.before", GRADIENT),
    Mutation("spike moved by the slope after release", "ext/costate.pxi", "        n.u -= G / s.before\n", "        n.u -= G / s.after\n", GRADIENT),
    Mutation("costates of currents stand still while clamped", "ext/costate.pxi", "        decay_back(&c, b, resting)\n        u = 0.0\n", "        u = 0.0\n", GRADIENT),
    Mutation("clamped membrane moved by arrivals", "ext/costate.pxi", "        decay_back(&c, b, resting)\n        u = 0.0\n", "        decay_back(&c, b, resting)\n", GRADIENT),
    Mutation("rate of the current differentiated for the membrane's", "ext/costate.pxi", "n.u * kappa3(a, b, b, d.t)", "n.u * kappa3(a, a, b, d.t)", GRADIENT),
    Mutation("reset value forgotten", "ext/costate.pxi", "        g_r[0] += n.u\n", "        g_r[0] += 0.0\n", GRADIENT),
    Mutation("reset value not put in", "ext/costate.pxi", "        g_a[0] -= r * n.a\n", "        g_a[0] -= 0.0\n", GRADIENT),
    Mutation("integrals that jump at a spike", "eventsim/membrane.py", "np.bincount(own[own >= 0], pull[own >= 0],", "np.bincount(own[own >= 0], 0.0 * pull[own >= 0],", GRADIENT),
    Mutation("refractory time without derivative", "ext/models/lif.pxi", "        gradient.t_ref += O\n", "        gradient.t_ref += 0.0\n", GRADIENT),
    Mutation("kink of a maximum", "ext/adjoint.pxi", "                    (<Costate *> n).pull += self.marks[e.mark, 4]", "                    (<Costate *> n).pull += 0.0", GRADIENT),
    Mutation("input times without the consequences", "ext/adjoint.pxi", "self.times_view[e.spike] = G", "self.times_view[e.spike] = self.pulls[e.spike]", GRADIENT),
    Mutation("capacitance counted twice", "ext/costate.pxi", "    g_k[0] += x * c.p / k\n\ncdef inline Pull current_pull", "    g_k[0] += x * c.p\n\ncdef inline Pull current_pull", GRADIENT),
    Mutation("arrivals after the end", "ext/adjoint.pxi", "            if not before(t, self.end):\n                break ", "            if False:\n                break ", GRADIENT),
    Mutation("pull of a spike at the release lost on the way", "ext/population.pxi", "                n.late = n.pull\n", "                n.late = 0.0\n", GRADIENT),
    Mutation("jumps of a refractory membrane unknown to the sweep", "ext/adjoint.pxi", "            n.told += what", "            n.told += 0.0", GRADIENT),
    Mutation("elevation of the threshold without its jumps", "ext/models/adaptive.pxi", "return (n.told + p.q_sfa) *", "return n.told *", GRADIENT),
    Mutation("bound without arrivals", "ext/models/lif.h", "* f->k_0[l]) + more;", "* f->k_0[l]);", WINDOWS),
    Mutation("bound of jumps without arrivals", "ext/models/delta.h", "larger(u, v) + x->M_ex[l];", "larger(u, v);", WINDOWS),
    Mutation("one effect for arrivals at many times", "ext/windows/deliver.pxi", "n, x = run(rows.delays.u8, rows.delays.u16, k, f.stop),", "n, x = f.stop - k,", WINDOWS),
    Mutation("arrivals of the last whole vector only", "ext/models/lif.h", "const int64_t k = i < n ? i : 0;\n        const LIFRow", "const int64_t k = 0;\n        const LIFRow", WINDOWS),
    Mutation("drive found once more at the wrong time", "ext/windows/drives.pxi", "at_time(time[k][0], time[k][1])", "at_time(time[k][0], 0.0)", WINDOWS),
    Mutation("ranks ignored", "ext/windows/length.pxi", "* (1.0 - 2.0 ** -40) < length\n", "* (1.0 - 2.0 ** -40) < 0.0\n", WINDOWS),
    Mutation("delay of a millisecond taken for none", "ext/windows/send.pxi", "undelayed and wait[i] < 0.5 and", "undelayed and", WINDOWS),
    Mutation("window of an arrival rounded up", "ext/windows/send.h", "floor(o * per_ms)", "ceil(o * per_ms)", WINDOWS),
    Mutation("sources do not lag between runs", "ext/windows/drives.pxi", "stretch(since, until)", "stretch(since, limit)", WINDOWS),
    Mutation("events of a driving source beyond its first words lost", "ext/windows/drives.h", "    add_block(b, 1, d->weight_more, d->longest_more, d, s);\n", "", WINDOWS),
    Mutation("events of a cell all in its first window", "ext/windows/drives.h", "ceil(x * e->per_ms) - 1.0", "(double)(parts - 1)", WINDOWS),
    Mutation("sums drawn ahead kept for the next cell", "ext/windows/drives.pxi", "    for k in range(2 * now):\n", "    for k in range(0):\n", WINDOWS),
    Mutation("spikes drawn ahead counted when a run ends", "ext/windows/drives.pxi", "        arrived[here] -= counts\n", "", WINDOWS),
    Mutation("arrivals of one instant in the wrong order", "ext/windows/lists.pxi", "if not arrives_first(&hung[order[place[i]] - 1], &hung[one - 1])", "if arrives_first(&hung[one - 1], &hung[order[place[i]] - 1])", WINDOWS),
    Mutation("last cell of a stretch not drawn", "ext/poisson.h", "return lane_cell_from(t->end", "return lane_cell_of(t->end", WINDOWS),
    Mutation("last step of a stretch not drawn", "ext/poisson.h", "ceil((t->stop - 1.0) / laws->steps[j])", "ceil((t->stop - 2.0) / laws->steps[j])", WINDOWS),
    Mutation("at most eight events in a step", "ext/windows/drives.h", "if (number[j] == 2 * WORDS)", "if (0)", WINDOWS),
    Mutation("window of a visit by the other rounding", "ext/windows/worker.pxi", "return min(window + 1, self.plan.window + SLOTS - 1)", "return window", WINDOWS),
    Mutation("spikes in flight by the other rounding", "ext/windows/send.pxi", "    if rows.visited and rows.delays.stride == 0:", "    if False:", WINDOWS),
    Mutation("a law draws the events of the one before", "ext/models/poisson.pxi", "self.row(j)).law += 1.0", "self.row(j)).law += 0.0", WINDOWS),
    Mutation("neuron back in its panel while it rests", "ext/windows/sweep.pxi", "        if before(w.plan.start, p.row(j).free):\n            continue\n", "", WINDOWS),
    Mutation("neuron leaves its panel too late", "ext/windows/sweep.pxi", "s.leave(j, w.plan.start)", "s.leave(j, w.plan.limit)", WINDOWS),
    Mutation("credit without the excitation there is", "ext/models/lif.h", "larger(ex, 0.0) * o->ahead.k_ex[l] +", "0.0 +", WINDOWS),
    Mutation("credit from inhibition that fades faster", "ext/models/lif.h", "(x->b_in[l] <= x->b_ex[l]) & (ex >= 0.0) ?", "ex >= 0.0 ?", WINDOWS),
    Mutation("bound at the end of a window for all of it", "ext/models/lif.h", "larger(v, v * o->within.m[l]) + taken * o->within.m[l]", "v", WINDOWS),
    Mutation("sums of a frame for those of a window", "ext/models/lif.h", "(x->M_ex[l] - S_ex * o->back.k_ex[l]) * o->back.m[l]", "x->M_ex[l]", WINDOWS),
    Mutation("arrivals taken one by one and from the sum", "ext/windows/frames.pxi", "        subtract_effects(all.n, all.weight, &e, sums)\n", "", WINDOWS),
    Mutation("neuron near threshold when its frame ends forgets the frame", "ext/windows/frames.pxi", "touch.first or s.pending[j >> 6] >> (j & 63) & 1:", "touch.first:", WINDOWS),
    Mutation("credit outlives its frame", "ext/windows/frames.pxi", "        s.expire(word, s.credited[word] & ~s.pending[word])\n", "        pass\n", WINDOWS),
    Mutation("end of a frame left out", "ext/windows/frames.pxi", "            if frame.waited_for:\n", "            if False:\n", WINDOWS),
    Mutation("frames begin anew with each run", "ext/windows/windows.pxi", "                if frame == s.frame:\n", "                if False:\n", WINDOWS),
    Mutation("second arrival at a neuron not announced", "ext/windows/alone.pxi", "marks[1] |= marks[0] & bit", "pass", WINDOWS),
    Mutation("neuron with one arrival looked at twice", "ext/windows/alone.pxi", "    s.looks[j >> 6] &= ~(<uint64_t> 1 << (j & 63))\n", "", WINDOWS),
    Mutation("neuron with one arrival that may have spiked before", "ext/windows/steps.h", "calm(&x, l) ? 1.0 : 0.0;", "1.0;", WINDOWS),
    Mutation("neurons rest and are free at the same time", "ext/windows/steps.h", "        x->late[l] -= resting;\n", "", WINDOWS),
    Mutation("currents do not fade while neurons rest", "ext/models/lif.h", "lane_exp(-x->b_ex[l] * x->resting[l])", "1.0", WINDOWS),
    Mutation("jumps of neurons that rest, side by side", "ext/models/delta.h", "(x->after[l] > 0.0 ? 0.0 : w[l])", "w[l]", WINDOWS),
    Mutation("neurons above threshold go on, side by side", "ext/windows/live.h", "x->safe[l] != 0.0 ? c->respite[l] : -1.0", "c->respite[l]", WINDOWS),
    Mutation("currents as they are at the release after a search", "ext/windows/live.h", "                fading[i][l] = kept[i][l];", "                kept[i][l] = 0.0;", WINDOWS),
    Mutation("spike of a search too early", "ext/windows/live.h", "? x->resting[l] + t[l] : -1.0", "? t[l] : -1.0", WINDOWS),
    Mutation("jump onto the threshold a spike, side by side", "ext/models/delta.h", "(gap == 0.0) & (slope <= 0.0) ? 0x1p-1000 : gap", "gap", WINDOWS),
    Mutation("what inhibition frees is not looked at", "ext/models/fly.h", "p->rise[l] = fall;", "p->rise[l] = 0.0;", WINDOWS),
    Mutation("two currents free as much as the slower one", "ext/models/lif.h", "p->rise[l] = joint ? growth / c :", "p->rise[l] = 1 ? growth / c :", WINDOWS),
    Mutation("other receptors among the arrivals of all", "ext/windows/live.pxi", "if not w.plan.routes[arrival.projection].summed:", "if False:", WINDOWS),
    Mutation("a lane goes on with the alarm of its last neuron", "ext/windows/live.pxi", "last_of(later(at, c.respite[l]), until)", "at_time(INFINITY, 0.0)", WINDOWS),
    Mutation("arrivals at neurons that rest counted twice", "ext/windows/sums.h", "    return !rests;\n", "    return 1;\n", WINDOWS),
    Mutation("sums of the window before", "ext/windows/sweep.pxi", "        clear_sums(&s.pools[w.index], s.pools[w.index].sums, 2 * s.pools[w.index].n)\n", "", WINDOWS),
    Mutation("half of the events of driving sources recorded", "ext/engine.pxi", "                    cell += 1.0\n", "                    cell += 2.0\n", WINDOWS),
    Mutation("spikes of one instant in any order", "ext/windows/lists.h", "    return (x->id > y->id) - (x->id < y->id);", "    return 0;", WINDOWS),
    Mutation("spikes in order only within parts of time", "ext/windows/lists.h", "        eventsim_order(s + i, spare, begin[k] - i);\n", "", WINDOWS),
    Mutation("calm neurons whatever is injected", "ext/windows/steps.h", "((push <= 0.0) | (x->a[l]", "(1 | (x->a[l]", WINDOWS),
    Mutation("calm as if all currents faded as the fastest", "ext/models/lif.h", "x->b_in[l] < x->b_ex[l] ? x->b_in[l] : x->b_ex[l];", "larger(x->b_in[l], x->b_ex[l]);", WINDOWS),
    Mutation("bound of one neuron whatever is injected", "ext/solver.pxi", "steady <= 0.0 or a * fading", "True or a * fading", WINDOWS),
    Mutation("two of four sources share a word", "ext/poisson.h", "id & 2 ? (id & 1 ?", "0 ? (id & 1 ?", WINDOWS),
    Mutation("numbers of steps from words that others have, too", "ext/poisson.h", "#define SHARED_BLOCK ((uint64_t)1 << 32)", "#define SHARED_BLOCK ((uint64_t)0)", WINDOWS),
    Mutation("fourth event of a step that is cut at the place of its number", "ext/poisson.h", "on_grid && !later && j < n", "on_grid && j < n", WINDOWS),
    Mutation("effects of a step for all that follow", "ext/windows/drives.h", "if (common && d->left == left)", "if (common && d->left >= 0.0)", WINDOWS),
    Mutation("eight windows drawn at once as four", "ext/windows/drives.h", "d->parts == 4 ? F", "d->parts >= 4 ? F", WINDOWS),
    Mutation("part of a row one synapse short", "ext/windows/send.pxi", "part.cursor = part.stop if to else", "part.cursor = part.stop + 1 if to else", WINDOWS),
    Mutation("populations in a row that wait for each other", "ext/windows/windows.pxi", " and not any(ranks_of(self.engine, self.longest)) else ()", " else ()", WINDOWS),
    Mutation("sources of one neuron as all others", "ext/windows/plan.pxi", "cdef double SINGLE = 16.0", "cdef double SINGLE = 1.0", WINDOWS),
    Mutation("adaptation fades once more at each search", "ext/models/adaptive.h", "    return 4;", "    return 2;", WINDOWS),
    Mutation("threshold at the beginning of a window for all of it", "ext/models/adaptive.h", "least = h < x->h[l] ? h : x->h[l];", "least = x->h[l];", WINDOWS),
    Mutation("bound without a spike-triggered current that excites", "ext/models/adaptive.h", "larger(-x->stc[l], 0.0) * f->k_0[l]", "0.0 * f->k_0[l]", WINDOWS),
    Mutation("drive without a spike-triggered current that excites", "ext/models/adaptive.h", "x->fading[l] += x->k[l] * excites;", "x->fading[l] += 0.0 * excites;", WINDOWS),
    Mutation("spike-triggered current fades as fast as synaptic ones", "ext/models/adaptive.h", "excites > 0.0 ? slowest : x->rate[l];", "x->rate[l];", WINDOWS),
    Mutation("spike-triggered current moves membranes that rest", "ext/models/adaptive.h", "x->safe[l] == 2.0 ? 0.0 : 1.0;", "1.0;", WINDOWS),
    Mutation("threshold that falls is not looked at", "ext/models/adaptive.h", "p->rise[l] -= fall_K + fall_H;", "p->rise[l] -= fall_K;", WINDOWS),
    Mutation("bound without what sources raise currents by", "ext/models/double_exp.h", "larger(J, J * e_b) + larger(g, 0.0) * height;", "larger(J, J * e_b) + 0.0 * larger(g, 0.0) * height;", WINDOWS),
    Mutation("drive without the sources of currents", "ext/models/double_exp.h", "return larger(J, 0.0) + larger(g, 0.0) *", "return larger(J, 0.0) + 0.0 *", WINDOWS),
    Mutation("currents that rise in unlike times as one", "ext/models/double_exp.h", "x->fading[l] = x->k[l] * ((b_ex == b_in) & (f_ex == f_in) ?", "x->fading[l] = x->k[l] * ((b_ex == b_in) ?", WINDOWS),
    Mutation("currents that rise are not looked at", "ext/models/double_exp.h", "lift / (b < f ? f : b) - fall;", "-fall;", WINDOWS),
    Mutation("arrivals of inhibition on the source of excitation", "ext/windows/sums.h", "lane_whole(w * e->f[4 + inhibits][k]);", "lane_whole(w * e->f[4][k]);", WINDOWS),
    Mutation("sources of the window before", "ext/windows/sweep.pxi", "        memset(own_sources(pool, sums), 0, n * sizeof(int64_t))\n", "        pass\n", WINDOWS),
    Mutation("driving sources do not raise currents", "ext/windows/drives.h", "        d->sources[v - d->sums] += rise;\n", "        d->sources[v - d->sums] += 0;\n", WINDOWS),
    Mutation("divided difference for close rates", "ext/models/double_exp.h", "return q < -1.0 ? apart :", "return q < 0.0 ? apart :", WINDOWS),
    Mutation("cheap bound without the sources of currents", "ext/models/double_exp.pxi", "return max(J, 0.0) + max(g, 0.0) * height", "return max(J, 0.0)", WINDOWS),
    Mutation("cheap bound without the lowered threshold", "ext/models/adaptive.pxi", "p.c + min(s.h, 0.0))", "p.c)", WINDOWS),
    Mutation("arrivals found once more in no population but the first", "ext/windows/sweep.pxi", "w.recollecting = w.recollected[s.p.index] = True", "w.recollecting = w.recollected[0] = True", WINDOWS),
    Mutation("runs of one delay end a synapse too late", "ext/windows/send.h", "return i + first_byte(eight ^ same) - k;", "return i + first_byte(eight ^ same) + 1 - k;", WINDOWS),
    Mutation("panels keep the inhibition they have read", "ext/windows/panels.h", "memset(&sums[apart + i], 0, LANES_AT_ONCE * sizeof(Sum));", "", WINDOWS),
]


def outcome(mutation: Mutation) -> tuple[str, float]:
    """Build and test the tree with one mutation: which test noticed it (or "SURVIVED"), and the seconds it took."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="eventsim-mutant-") as folder:
        tree = Path(folder)
        for name in NEEDED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, tree / name, symlinks=True, ignore=shutil.ignore_patterns("*.so", "__pycache__", "validate"))
            elif source.exists():
                shutil.copy(source, tree / name)
        path = tree / mutation.file
        text = path.read_text()
        if text.count(mutation.old) < 1:
            raise SystemExit(f"{mutation.name}: {mutation.old!r} does not occur in {mutation.file}; update tests/mutations.py")
        path.write_text(text.replace(mutation.old, mutation.new, 1))
        env = os.environ | {"CFLAGS": "-O1", "HYPOTHESIS_PROFILE": "mutants", "PYTHONPATH": str(tree)}
        build = subprocess.run([sys.executable, "setup.py", "build_ext", "--inplace"], cwd=tree, env=env, capture_output=True, text=True)
        if build.returncode:
            raise SystemExit(f"{mutation.name}: the mutant does not build\n{build.stderr[-2000:]}")
        tests = [f"tests/{t}" for t in mutation.tests if (tree / "tests" / t).exists()]
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider", *tests]
        try:
            run = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, timeout=900)
        except subprocess.TimeoutExpired:
            return "killed: the suite hangs", time.perf_counter() - began
        if run.returncode == 0:
            return "SURVIVED", time.perf_counter() - began
        failed = [line for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        test = failed[0].split(" ")[1].removeprefix("tests/") if failed else f"crash (exit {run.returncode})"
        return f"killed by {test}", time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="only mutations whose name contains one of these")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    chosen = [m for m in MUTATIONS if not options.names or any(n in m.name for n in options.names)]
    survived = 0
    print("| mutation | file | outcome |\n|---|---|---|")
    with ThreadPoolExecutor(options.jobs) as pool:
        for mutation, (result, _) in zip(chosen, pool.map(outcome, chosen), strict=True):
            survived += result == "SURVIVED"
            print(f"| {mutation.name} | {mutation.file} | {result} |", flush=True)
    print(f"\n{len(chosen) - survived} of {len(chosen)} mutations killed")
    return int(survived > 0)


if __name__ == "__main__":
    sys.exit(main())
