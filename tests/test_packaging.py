"""The sdist, the wheel and what they say about themselves."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

import eventsim as es

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SMOKE = """
import sys, eventsim as es, eventsim.networks, eventsim._core
assert es.__file__.startswith(sys.argv[1]), es.__file__
net = es.Network()
cell = net.add("cell", 2, es.LIF(), V_m=-50.0)
net.connect(cell, cell, es.OneToOne(), weight=10.0, delay=1.5)
t, i = es.simulate(net, 10.0, seed=1).spikes("cell")
assert t.tolist()[:2] == [0.0, 0.0] and i.tolist()[:2] == [0, 1], (t, i)
"""


def run(*command, **options):
    """Run a command; on failure show what it printed."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """Folder with the sdist of a clean copy of the checkout and the wheel built from that sdist."""
    pytest.importorskip("build")
    pytest.importorskip("Cython")
    folder = tmp_path_factory.mktemp("dist")
    junk = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "*.so", "__pycache__")
    shutil.copytree(ROOT, folder / "checkout", symlinks=True, ignore=junk)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, folder / "checkout")
    return folder


@pytest.mark.build
def test_sdist_holds_everything_needed_to_build_and_test(dist):
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    source = dist / "checkout"
    wanted = {"ext/core.pyx", "Makefile", "LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "pyproject.toml"}
    wanted |= {str(p.relative_to(source)) for p in source.glob("ext/**/*.pxi")}
    for folder in ("tests", "examples", "benchmarks", "networks", "eventsim"):
        wanted |= {str(p.relative_to(source)) for p in source.glob(f"{folder}/**/*.py")}
    wanted |= {str(p.relative_to(source)) for p in source.glob("docs/**/*.*")}
    assert wanted <= names, f"missing from the sdist: {sorted(wanted - names)}"
    assert not [n for n in names if n.endswith((".so", ".pyc", ".c"))]


@pytest.mark.build
def test_wheel_holds_the_package_and_nothing_else(dist):
    (path,) = dist.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
    top = {name.split("/")[0] for name in names}
    assert top == {"eventsim", f"eventsim-{PROJECT['version']}.dist-info"}
    assert {"eventsim/py.typed", "eventsim/_core.pyi", "eventsim/networks/fly_brain.py"} <= names
    for path in ROOT.glob("networks/data/**/*"):
        if path.is_file():
            assert f"eventsim/networks/{path.relative_to(ROOT / 'networks')}" in names
    assert len([n for n in names if re.fullmatch(r"eventsim/_core\..*(so|pyd)", n)]) == 1


@pytest.mark.build
def test_installed_wheel_runs_outside_the_checkout(dist, tmp_path):
    pytest.importorskip("pip")
    (wheel,) = dist.glob("*.whl")
    site = tmp_path / "site"
    run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", site, wheel)
    environment = os.environ | {"PYTHONPATH": str(site)}
    run(sys.executable, "-c", SMOKE, site, cwd=tmp_path, env=environment)
    assert PROJECT["version"] in run(sys.executable, "-m", "eventsim", "version", cwd=tmp_path, env=environment)


BITS = """
import hashlib, numpy as np, eventsim as es
from eventsim import _core, losses
from eventsim.encode import Latency
from eventsim.networks import brunel, cuba, fly_brain
print(_core.__file__)
digest = hashlib.sha256()
networks = {cuba.build(0.25): 100.0, brunel.build(0.1): 20.0, brunel.build(0.1, "delta"): 20.0, fly_brain.build(): 20.0}
for net, T in networks.items():
    sim = es.Simulation(net, seed=3, executor="windowed")
    sim.run(T)
    assert sum(sim.result().counts(p).sum() for p in net.populations if p.model.receptors) > 200
    for array in (sim._engine.spikes.rows(), *(p.state for p in sim._engine.populations)):
        digest.update(np.ascontiguousarray(array).tobytes())
rng = np.random.default_rng(0)
net = es.Network()
source, cell = net.add("input", 64, es.SpikeSource()), es.LIF(C_m=20.0, E_L=0.0, V_th=1.0, V_reset=0.0, t_ref=0.0)
layers = [source, net.add("hidden", 100, cell), net.add("output", 10, es.LeakyIntegrator(C_m=20.0, E_L=0.0))]
for pre, post in zip(layers, layers[1:]):
    net.connect(pre, post, weight=rng.normal(0.4, 1.0, pre.n * post.n), delay=1e-3)
trains, labels = Latency(20.0)(rng.random((50, 64))), rng.integers(0, 10, 50)
loss = losses.IntegralVCrossEntropy("output", scale=20.0)
value, gradients, response = es.value_and_grad(es.Simulation(net), loss, trains, labels, duration=40.0)
assert response.counts("hidden").sum() > 1000
for part in (value, *(gradients[p].weight for p in net.projections)):
    digest.update(np.ascontiguousarray(part).tobytes())
print(digest.hexdigest())
"""


@pytest.mark.validate
@pytest.mark.build
def test_no_bit_depends_on_the_instruction_set(tmp_path):
    """A build without code for AVX2 and AVX-512, and the one there is."""
    source = tmp_path / "checkout"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "build", "*.so"))
    setup = [sys.executable, "setup.py", "-q", "build", "--build-lib", tmp_path / "portable"]
    run(*setup, cwd=source, env=os.environ | {"EVENTSIM_PORTABLE": "1"})
    here, bits = run(sys.executable, "-c", BITS).split()
    there, portable = run(
        sys.executable, "-c", BITS, env=os.environ | {"PYTHONPATH": str(tmp_path / "portable"), "PYTHONSAFEPATH": "1"}
    ).split()
    assert Path(there).is_relative_to(tmp_path) and not Path(here).is_relative_to(tmp_path)
    assert bits == portable


def test_one_version_everywhere():
    (newest, *_) = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), flags=re.M)
    assert es.__version__ == PROJECT["version"] == newest


def test_import_is_silent_and_light():
    code = "import sys, eventsim; print([m for m in ('matplotlib', 'scipy.stats', 'tqdm.notebook') if m in sys.modules])"
    assert run(sys.executable, "-W", "error", "-c", code) == "[]\n"


@pytest.mark.validate
@pytest.mark.build
@pytest.mark.parametrize("which", ["oldest", "newest"])
def test_suite_passes_with_other_dependencies(which, dist, tmp_path):
    (wheel,) = dist.glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    dependencies = PROJECT["dependencies"]
    if which == "oldest":
        dependencies = [d.replace(">=", "==") + ".*" for d in dependencies]
    command = [python, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", wheel, *dependencies]
    done = subprocess.run([*command, "pytest", "hypothesis", "mpmath", "matplotlib"], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"cannot install the {which} dependencies here: {done.stderr.strip().splitlines()[-1]}")
    shutil.copytree(ROOT, tmp_path / "copy", ignore=shutil.ignore_patterns(".*", "build", "*.so"))
    environment = os.environ | {"PYTHONSAFEPATH": "1", "HYPOTHESIS_PROFILE": "quick"}
    environment.pop("PYTHONPATH", None)
    selection = "not validate and not huge and not build"
    print(run(python, "-m", "pip", "list", "--format=freeze"))
    print(run(python, "-m", "pytest", "-q", "-m", selection, cwd=tmp_path / "copy", env=environment)[-200:])
