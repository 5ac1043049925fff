"""The documentation tells the truth: its programs run, its links lead somewhere, its worked example works."""

import ast
import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import eventsim as es

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *ROOT.glob("benchmarks/*.md"),
    *ROOT.glob("networks/data/*.md"),
]
PROGRAM = re.compile(r"^```python\n(.*?)^```", flags=re.M | re.S)


@pytest.mark.parametrize("page", [p for p in PAGES if PROGRAM.search(p.read_text())], ids=lambda p: str(p.relative_to(ROOT)))
def test_programs_run(page, tmp_path, monkeypatch):
    """The blocks of a page, one after the other; those marked ```python no-run are left out."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    scope = {}
    for match in PROGRAM.finditer(page.read_text()):
        line = page.read_text()[: match.start()].count("\n") + 1
        exec(compile("\n" * line + match[1], str(page), "exec"), scope)
    assert "es" in scope


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), f"{page.name}: {target} does not exist"


def test_readme_gives_the_two_commands():
    text, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    for command in ("demo", "test"):
        assert re.search(rf"^make {command}\b", text, flags=re.M)
        assert re.search(rf"^{command}:", makefile, flags=re.M)


@pytest.mark.parametrize("name", es.__all__)
def test_public_names_are_documented(name):
    thing = getattr(es, name)
    text = inspect.getdoc(thing)
    assert text, f"es.{name} has no docstring"
    members = [m for k, m in vars(thing).items() if not k.startswith("_")] if inspect.isclass(thing) else []
    undocumented = [m for m in members if callable(m) and not isinstance(m, type) and not inspect.getdoc(m)]
    assert not undocumented, f"es.{name}: {undocumented}"
    if hasattr(thing, "population") and issubclass(thing, es.Model):
        assert "Parameters\n----------" in text
        for parameter in [*thing.parameters, *thing.options]:
            assert re.search(rf"\b{parameter}\b", text), f"es.{name}: {parameter} is not documented"
        if thing.receptors:
            assert ".. math::" in text, f"es.{name} gives no equation"
        assert f"{name}" in (ROOT / "docs" / "models.md").read_text()


def test_models_page_gives_the_defaults():
    """Every `name` = value on the page is the default of that name in some model."""
    text = (ROOT / "docs" / "models.md").read_text().replace("−", "-")
    stated = re.findall(r"`(\w+)` = (-?[\d.]+)", text) + re.findall(r"^\| `(\w+)` \| (-?[\d.]+)", text, flags=re.M)
    models = [m for m in map(es.__dict__.get, es.__all__) if inspect.isclass(m) and issubclass(m, es.Model)]
    assert len(stated) > 15
    for name, value in stated:
        assert float(value) in {m.parameters[name].default for m in models if name in m.parameters}, f"{name} = {value}"


def test_stubs_give_the_parameters_of_the_models():
    """What a model takes is built at run time, so no type checker compares it with the stubs."""
    tree = ast.parse((ROOT / "eventsim" / "_core.pyi").read_text())
    models = [c for c in tree.body if isinstance(c, ast.ClassDef) and hasattr(getattr(es, c.name, None), "population")]
    assert len(models) >= 11
    for model in models:
        (init,) = (f for f in model.body if isinstance(f, ast.FunctionDef))
        stated = {a.arg for a in init.args.args[1:] + init.args.kwonlyargs}
        assert stated == set(inspect.signature(getattr(es, model.name)).parameters), model.name


def test_semantics_page_states_the_runaway_limit():
    source = (ROOT / "ext" / "population.pxi").read_text()
    assert "RUNAWAY_ISI = 2.0 ** -20" in source and re.search(r"RUNAWAY = 10000\b", source)
    assert "10,000 successive intervals below 2⁻²⁰ ms" in " ".join((ROOT / "docs" / "semantics.md").read_text().split())


WORKED_EXAMPLE = """
import numpy as np, eventsim as es
from scipy.optimize import brentq

p = dict(C_m=200.0, tau_m=10.0, E_L=-70.0, V_th=-55.0, V_reset=-68.0, t_ref=2.0,
         tau_ampa=3.0, tau_nmda=80.0, tau_in=6.0, nmda_ratio=0.3)
net = es.Network()
cell = net.add("cell", 2, es.AmpaNmdaLIF(**p))
net.connect(net.add("input", 2, es.SpikeSource([1.0, 2.0], [0, 1])), cell, es.Pairs([0, 0, 1], [0, 1, 1]),
            weight=[1800.0, 1800.0, -800.0], delay=0.25)
sim = es.Simulation(net, record_V=cell)
result = sim.run(40.0)
t, i = result.spikes(cell)
assert set(i) == {0, 1}

# The same by hand: closed form of the membrane after the arrivals, first crossing by scanning and bracketing.
def psp(w, tau, s):
    return np.where(s > 0, w / p["C_m"] * (np.exp(-s / p["tau_m"]) - np.exp(-s / tau)) / (1 / tau - 1 / p["tau_m"]), 0.0)

def u(s, inhibited):
    fast, slow = psp(1800.0, p["tau_ampa"], s - 1.25), psp(540.0, p["tau_nmda"], s - 1.25)
    return fast + slow + (psp(-800.0, p["tau_in"], s - 2.25) if inhibited else 0.0)

for neuron in (0, 1):
    grid = np.linspace(1.25, 40.0, 100001)
    k = np.argmax(u(grid, neuron) >= 15.0)
    first = brentq(lambda s: u(s, neuron) - 15.0, grid[k - 1], grid[k], xtol=1e-13)
    np.testing.assert_allclose(t[i == neuron][0], first, rtol=0, atol=1e-11)
    before = grid[grid < first][::997]
    np.testing.assert_allclose(result.V(cell[neuron], before)[:, 0], p["E_L"] + u(before, neuron), atol=1e-12)

# Between spikes: from V_reset at the end of refractoriness, with the currents as they are then.
def next_spike(neuron):
    a = t[i == neuron][0] + p["t_ref"]
    left = [(w * np.exp(-(a - at) / tau), tau) for w, tau, at in
            ((1800.0, p["tau_ampa"], 1.25), (540.0, p["tau_nmda"], 1.25), (-800.0 * neuron, p["tau_in"], 2.25))]
    f = lambda s: 2.0 * np.exp(-s / p["tau_m"]) + sum(psp(w, tau, s) for w, tau in left) - 15.0
    grid = np.linspace(1e-9, 20.0, 50001)
    k = np.argmax(f(grid) >= 0.0)
    return a + brentq(f, grid[k - 1], grid[k], xtol=1e-13) if f(grid[k]) >= 0.0 else None

second = next_spike(0)
assert second is not None
np.testing.assert_allclose(t[i == 0][1], second, rtol=0, atol=1e-11)

# Its gradients, against central differences: 1e-6 of the largest entry is what these can tell.
source = net.add("more", 2, es.SpikeSource([2.0, 9.0, 15.0], [0, 1, 0]))
extra = net.connect(source, net["cell"], weight=np.linspace(-40.0, 60.0, 2 * net["cell"].n), delay=0.5)


def loss(response, targets):
    spikes = response.spikes("cell")
    return float(spikes.time @ np.cos(spikes.time)), {
        "cell": es.Sensitivity(times=np.cos(spikes.time) - spikes.time * np.sin(spikes.time))}


def run(**changes):
    sim = es.Simulation(net, weight_dtype="float64")
    for name, value in changes.items():
        sim.set(extra if name == "weight" else net["cell"], **{name: value})
    value, grads, _ = es.value_and_grad(sim, loss, duration=100.0)
    return value, grads


sim = es.Simulation(net, weight_dtype="float64")
value, grads = run()
names = ("tau_m", "tau_nmda", "nmda_ratio", "C_m")
at = {name: np.broadcast_to(net["cell"].model.values[name], net["cell"].n).copy() for name in names}
at["weight"] = sim.edges(extra).weight
for name, base in at.items():
    exact = getattr(grads[extra] if name == "weight" else grads["cell"], name)
    h = 1e-6 * max(1.0, np.abs(base).max())
    for k in range(len(base)):
        up, down = base.copy(), base.copy()
        up[k], down[k] = up[k] + h, down[k] - h
        difference = (run(**{name: up})[0] - run(**{name: down})[0]) / (2 * h)
        assert abs(difference - exact[k]) <= 1e-6 * np.abs(exact).max(), (name, k, difference, exact[k])
"""


@pytest.mark.build
def test_worked_example_of_extending(tmp_path):
    """One file and one line: the model of docs/extending, built apart from the checkout and compared with its closed form."""
    junk = shutil.ignore_patterns("__pycache__", "*.so", "networks")
    for folder in ("ext", "eventsim"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=junk)
    (tmp_path / "networks").mkdir()
    shutil.copy(ROOT / "setup.py", tmp_path)
    shutil.copy(ROOT / "docs" / "extending" / "ampa_nmda.pxi", tmp_path / "ext" / "models")

    page = (ROOT / "docs" / "extending.md").read_text()
    (line,) = re.findall(r'^include "models/ampa_nmda.pxi"$', page, flags=re.M)
    core = tmp_path / "ext" / "core.pyx"
    head, tail = core.read_text().split('include "models/fly.pxi"\n')
    core.write_text(f'{head}include "models/fly.pxi"\n{line}\n{tail}')

    environment = os.environ | {"EVENTSIM_DEBUG": "1", "PYTHONPATH": str(tmp_path)}
    for command in (["setup.py", "-q", "build_ext", "--inplace"], ["-c", WORKED_EXAMPLE]):
        done = subprocess.run([sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_page_quotes_the_worked_example():
    """The code on the page is that of the file, so that it cannot go stale."""
    source = (ROOT / "docs" / "extending" / "ampa_nmda.pxi").read_text()
    for block in re.findall(r"^```cython\n(.*?)^```", (ROOT / "docs" / "extending.md").read_text(), flags=re.M | re.S):
        assert block in source or block.startswith('include "models/')
