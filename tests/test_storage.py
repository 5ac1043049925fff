"""Files: a simulation that was saved continues with the bits of one that was not; no damage to a file is overlooked."""

import errno
import gc
import hashlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from comparing import exact

import eventsim as es
from eventsim import storage

ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join([os.path.dirname(es.__path__[0]), os.path.dirname(__file__)])}
STEPS = es.Steps([5.0, 18.0, 30.0], [[100.0] * 5, [0.0, 300.0, 0.0, -100.0, 200.0], [50.0] * 5])
SOURCE = {"times": [1.0, 12.5, 12.5, 22.0, 22.0, 40.0], "ids": [0, 1, 1, 0, 1, 4]}

#: Every model, with every option, heterogeneous and time-dependent parameters; the weight that makes it busy.
ZOO = {
    "LIF": (es.LIF(tau_m=es.Uniform(8.0, 12.0), I_e=STEPS), 700.0),
    "LIF subtract": (es.LIF(reset="subtract", t_ref=[0.0, 0.5, 1.0, 2.0, 3.0], tau_syn_in=10.0), 700.0),
    "LIF none": (es.LIF(reset="none", t_ref=0.0, I_e=STEPS), 700.0),
    "DeltaLIF": (es.DeltaLIF(V_th=es.Normal(-55.0, 1.0), I_e=STEPS), 8.0),
    "DeltaLIF subtract": (es.DeltaLIF(reset="subtract"), 8.0),
    "DeltaLIF none": (es.DeltaLIF(reset="none", t_ref=0.0), 8.0),
    "DoubleExpLIF": (es.DoubleExpLIF(tau_rise_ex=es.Uniform(0.1, 1.0), I_e=STEPS), 700.0),
    "AlphaLIF": (es.AlphaLIF(reset="subtract"), 700.0),
    "AdaptiveLIF": (es.AdaptiveLIF(q_stc=20.0, q_sfa=es.Uniform(0.0, 2.0), I_e=STEPS), 900.0),
    "PerfectIntegrator": (es.PerfectIntegrator(I_e=es.Steps([3.0], [20.0])), 500.0),
    "LeakyIntegrator": (es.LeakyIntegrator(tau_m=[1.0, 2.0, 3.0, 4.0, 5.0]), 700.0),
    "QIF": (es.QIF(t_ref=es.Uniform(0.0, 1.0)), 9.0),
    "FlyLIF": (es.FlyLIF(tau_syn=es.LogNormal(1.5, 0.2)), 12.0),
    "Poisson": (es.Poisson(rate=es.Steps([0.0, 9.0, 25.0], [[50.0] * 5, [0.0, 900.0, 200.0, 0.0, 100.0], [300.0] * 5])), 0.0),
    "SpikeSource": (es.SpikeSource(**SOURCE), 0.0),
}


def build(name, **options):
    """Five neurons of a model between sources of both kinds and a population that listens."""
    model, weight = ZOO[name]
    net = es.Network()
    drive = net.add("drive", 4, es.Poisson(rate=es.Steps([0.0, 20.0, 35.0], [300.0, 150.0, 400.0])))
    source = net.add("source", 5, es.SpikeSource(**SOURCE))
    cells = net.add("cells", 5, model)
    sink = net.add("sink", 3, es.LIF(), V_m=es.Uniform(-70.0, -60.0))
    net.connect(cells, sink, weight=es.Uniform(-100.0, 500.0), delay=es.Uniform(0.0, 12.0), name="out")
    net.connect(source, sink, es.Pairs([0, 1], [2, 2]), weight=900.0, delay=[0.1, 7.7], name="aside")
    net.connect(drive, sink, es.FixedInDegree(2), weight=400.0, delay=0.75, name="noise")
    if model.receptors:
        net.connect(drive, cells, es.FixedProbability(0.7), weight=weight, delay=es.Uniform(0.5, 15.0), name="in")
        net.connect(source, cells, es.OneToOne(), weight=es.Normal(weight, weight / 9), delay=1.5, name="one")
        net.connect(cells, cells, es.AllToAll(autapses=False), weight=-weight / 9, delay=es.Uniform(1.0, 9.0), name="back")
    record = {"record_V": [cells[:3], "sink"], "record_spikes": ["drive", cells, sink[1:]]} | options
    return net, es.Simulation(net, seed=2**64 - 1, **record)


def meddle(sim, net):
    """Change of everything that can be changed between runs, with spikes on their way."""
    for p in net.projections:
        edges = sim.edges(p)
        rng = np.random.default_rng(len(edges.pre))
        sim.set(p, delay=rng.uniform(0.0, 14.0, len(edges.pre)) if p.name != "one" else 2.25)
        if p.name in ("out", "in"):
            sim.set(p, weight=sim.edges(p).weight * 1.25)
    sim.inject("source", sim.time + np.array([0.0, 3.0, 3.0, 8.5]), [2, 3, 3, 2])
    sim.set("drive", rate=[100.0, 500.0, 0.0, 300.0])
    sim.set("sink", V_m=sim.get("sink", "V_m") + 1.0, tau_m=[9.0, 10.0, 11.0])
    model = net["cells"].model
    if "t_ref" in model.parameters and getattr(model, "reset", "value") != "none":
        sim.set(net["cells"][1:3], t_ref=[0.25, 1.75])


def everything(sim):
    """All that can be seen of a simulation, but for the time it took, as bytes by name."""
    result = sim.result()
    # (how many entries of a heap are moved depends on its layout, which is not saved)
    counters = {name: value for name, value in result.counters.items() if name != "alarm_moves"}
    seen = {"texts": repr((sim, sim.seed, sim.time, result, counters, result.populations, result.n_synapses))}
    seen |= {"spikes": repr(exact(result)), "counts": result.counts(), "recorded": repr(result.recorded())}
    times = np.linspace(result.t_start, result.t_stop, 37)
    for p in sim.network.populations:
        states = [name for name, state in p.model.states.items() if state.user]
        seen |= {f"{p.name}.{name}": sim.get(p, name) for name in {*states, *p.model.parameters}}
        for name in states:
            if len(ids := result.recorded().get(p.name, [])):
                seen[f"trace {p.name}.{name}"] = result.trace(sim.network[p.name][ids], name, times)
    for p in sim.network.projections:
        seen |= {f"{p.name} {part}": array for part, array in sim.edges(p)._asdict().items()}
    return {name: part.encode() if isinstance(part, str) else part.tobytes() for name, part in sorted(seen.items())}


def digest(sim):
    return hashlib.sha256(repr(everything(sim)).encode()).hexdigest()


@pytest.fixture
def saved(tmp_path):
    """A simulation with spikes on their way, and the file it was saved to."""
    _, sim = build("LIF")
    sim.run(20.0)
    sim.save(tmp_path / "sim")
    return sim, tmp_path / "sim"


# ---- to continue


def test_every_model_is_in_the_zoo():
    models = {name for name, thing in vars(es).items() if isinstance(thing, type) and hasattr(thing, "population")}
    assert models == {type(model).__name__ for model, _ in ZOO.values()}


@pytest.mark.parametrize("name", ZOO)
def test_continues_with_the_same_bits(name, tmp_path):
    """At any moment, with everything changed before and after, saved again and again."""
    net, sim = build(name)
    _, never_saved = build(name)
    path = tmp_path / "sim"
    steps = [
        lambda s: s.run(0.0), lambda s: s.run(9.3), lambda s: s.run(3.2), lambda s: meddle(s, net), lambda s: s.run(0.0),
        lambda s: s.run(6.25), lambda s: meddle(s, net), lambda s: s.run(1.0), lambda s: s.run(40.0),
    ]  # fmt: skip
    for step in steps:
        sim.save(path)
        loaded = es.load(path)
        assert everything(loaded) == everything(sim) == everything(never_saved)
        loaded.save(tmp_path / "again")
        assert path.read_bytes() == (tmp_path / "again").read_bytes()
        for each in (sim, loaded, never_saved):
            step(each)
        if step is not steps[-1]:
            sim = loaded  # from now on the copy of the copy
    assert everything(loaded) == everything(sim) == everything(never_saved)
    assert loaded.result().counts("sink").sum() > 3
    assert (loaded.result().counts("cells").sum() > 5) == (name != "LeakyIntegrator")


@pytest.mark.parametrize("options", [
    {"record_spikes": False, "record_V": None}, {"weight_dtype": "float64", "record_V": True}, {"t_start": 0.625, "threads": 3},
], ids=str)  # fmt: skip
def test_options_are_kept(options, tmp_path):
    net, sim = build("AlphaLIF", **options)
    sim.run(12.0)
    meddle(sim, net)
    sim.save(tmp_path / "sim")
    loaded = es.load(tmp_path / "sim")
    for each in (sim, loaded):
        each.run(10.0)
        meddle(each, net)
        each.run(20.0)
    assert everything(loaded) == everything(sim)
    if "weight_dtype" in options:
        assert sim.edges(net.projections[0]).weight.dtype == loaded.edges(net.projections[0]).weight.dtype == np.float64


def test_continues_in_another_process(tmp_path):
    expected = {}
    for name in ZOO:
        net, sim = build(name)
        sim.run(14.7)
        meddle(sim, net)
        sim.run(2.0)
        sim.save(tmp_path / name)
        sim.run(25.0)
        expected[name] = digest(sim)
    code = """
import json, sys
import eventsim as es
from pathlib import Path
from test_storage import digest
found = {}
for path in Path(sys.argv[1]).iterdir():
    sim = es.load(path)
    sim.run(25.0)
    found[path.name] = digest(sim)
print(json.dumps(found))
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected


def test_results_of_runs_after_loading_start_there(saved):
    sim, path = saved
    loaded = es.load(path)
    a, b = sim.run(15.0), loaded.run(15.0)
    assert (b.t_start, b.t_stop) == (20.0, 35.0)
    assert exact(a) == exact(b) and a.counters == b.counters and a.counts().tolist() == b.counts().tolist()
    times = np.linspace(20.0, 35.0, 31)
    assert a.V("sink", times).tolist() == b.V("sink", times).tolist()
    assert a.wall["build"] == b.wall["build"] > 0


def test_saving_changes_nothing_and_two_copies_are_independent(saved):
    sim, path = saved
    copies = [es.load(path) for _ in range(2)]
    copies[0].set("cells", V_m=-56.0, I_e=900.0)
    copies[0].run(20.0)
    assert everything(copies[1]) == everything(sim)
    assert everything(copies[0]) != everything(sim)


@pytest.mark.parametrize("name", ["Ärger/\0\n", "engine/state0", "header", "\ud800", "x" * 300])
def test_names_of_populations_are_any_text(name, tmp_path):
    net = es.Network()
    cell = net.add(name, 2, es.LIF(I_e=500.0))
    net.connect(cell, cell, name=name + "!")
    sim = es.Simulation(net)
    sim.run(5.0)
    sim.save(tmp_path / "sim")
    loaded = es.load(tmp_path / "sim")
    assert loaded.network.populations[0].name == name and loaded.network.projections[0].name == name + "!"
    assert exact(loaded.run(20.0)) == exact(sim.run(20.0)) != []


def test_what_cannot_run_on_cannot_run_on_after_loading_either(tmp_path):
    net = es.Network()
    source, cells = net.add("source", 1, es.SpikeSource([2.0])), net.add("cells", 3, es.LIF(t_ref=0.0))
    net.connect(source, cells, weight=1e300)
    sim = es.Simulation(net)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="fire for ever"):
            sim.run(10.0)
        sim.save(tmp_path / "sim")
        sim = es.load(tmp_path / "sim")
    net = es.Network()
    source, cells = net.add("source", 1, es.SpikeSource([2.0, 3.0])), net.add("cells", 3, es.FlyLIF())
    net.connect(source, cells[1], weight=-1.7e308)
    sim = es.Simulation(net)
    with pytest.raises(RuntimeError, match="not finite any more"):
        sim.run(10.0)
    with pytest.raises(RuntimeError, match=r"cells\[1\] is not finite any more"):
        sim.save(tmp_path / "overflowed")
    assert not (tmp_path / "overflowed").exists()


# ---- to write


def others(path):
    """What else is in the folder of a file."""
    return sorted(p.name for p in path.parent.iterdir() if p != path)


@contextmanager
def at_most(n):
    """No file may grow beyond n bytes: writes fail as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.filterwarnings("ignore:Exception ignored in.*ZipFile")  # NumPy 1 leaves a file behind that cannot be finished
def test_a_write_that_fails_keeps_the_old_file(saved):
    sim, path = saved
    before = path.read_bytes()
    sim.run(10.0)
    expected = everything(sim)
    for n in [*range(0, len(before), len(before) // 40), len(before) - 1]:
        with at_most(n), pytest.raises(OSError) as caught:
            sim.save(path)
        assert caught.value.errno == errno.EFBIG
        assert path.read_bytes() == before and others(path) == []
    assert everything(sim) == expected
    sim.save(path)
    assert everything(es.load(path)) == expected
    del caught  # and with it the frames of the error
    gc.collect()


@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space"), OSError(errno.EIO, "I/O"), KeyboardInterrupt()], ids=repr)
def test_whatever_fails_before_the_end_keeps_the_old_file(saved, monkeypatch, function, error):
    sim, path = saved
    before = path.read_bytes()
    sim.run(1.0)

    def fail(*_):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(os, function, fail)
        with pytest.raises(type(error)) as caught:
            sim.save(path)
    assert caught.value is error
    assert path.read_bytes() == before and others(path) == []
    sim.save(path)


def test_the_file_is_on_disk_before_it_takes_the_place_of_the_old_one(saved, monkeypatch):
    sim, path = saved
    calls = []
    fsync, replace = os.fsync, os.replace

    def flushed(descriptor):
        status = os.fstat(descriptor)
        calls.append(("fsync", status.st_ino, status.st_size))
        fsync(descriptor)

    def moved(a, b):
        calls.append(("replace", os.stat(a).st_ino, os.path.getsize(a)))
        replace(a, b)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", moved)
    sim.save(path)
    assert [call[0] for call in calls] == ["fsync", "replace", "fsync"]
    assert calls[0][1:] == calls[1][1:] == (path.stat().st_ino, path.stat().st_size), "all of it is flushed"
    assert calls[2][1] == path.parent.stat().st_ino


KILLED = """
import os, signal, sys
import eventsim as es
path, at = sys.argv[1:]
sim = es.load(path)
if ":" in at:
    name, when = at.split(":")
    function = getattr(os, name)
    def killing(*arguments):
        if when == "after":
            function(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(os, name, killing)
print("ready", flush=True)
while True:
    sim.run(1.0)
    sim.save(path)
"""


@pytest.mark.parametrize("moment", ["fsync:before", "fsync:after", "replace:before", "replace:after", *range(4)])
def test_killed_while_saving_leaves_the_old_or_the_new_file(moment, tmp_path):
    """...whole, whenever it happens."""
    net = es.Network()
    cells = net.add("cells", 20_000, es.LIF(I_e=es.Uniform(300.0, 500.0)))
    path = tmp_path / "sim"
    es.Simulation(net).save(path)
    command = [sys.executable, "-c", KILLED, path, str(moment)]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        if isinstance(moment, int):
            time.sleep(random.Random(moment).uniform(0.0, 0.2))
            process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=60) == -signal.SIGKILL
    finally:
        process.kill()
        process.stdout.close()
    found = es.load(path)
    if not isinstance(moment, int):
        assert found.time == (1.0 if moment == "replace:after" else 0.0)
    fresh = es.Simulation(net)
    fresh.run(found.time)
    assert everything(found) == everything(fresh)
    assert all(name.startswith("sim.") and name.endswith(".part") for name in others(path))
    assert found.get(cells, "V_m").max() < -54.0


# ---- where to


def test_any_kind_of_path(saved, monkeypatch):
    sim, path = saved
    expected = path.read_bytes()
    monkeypatch.chdir(path.parent)
    for target in (str(path.parent / "0"), Path("1"), "2", os.fsencode(path.parent / "3"), "./4", "x" * 240, "ö\n", "~"):
        sim.save(target)
        assert Path(os.fsdecode(target)).read_bytes() == expected, target
        assert everything(es.load(target)) == everything(sim)
    assert len(others(path)) == 8


def test_links_are_followed_and_stay(saved, tmp_path):
    sim, path = saved
    old = path.read_bytes()
    far = tmp_path / "far"
    far.mkdir()
    path.rename(far / "file")
    path.symlink_to("far/file")
    again = tmp_path / "again"
    again.symlink_to("sim")
    sim.run(1.0)
    sim.save(again)
    assert again.is_symlink() and path.is_symlink() and not (far / "file").is_symlink()
    assert (far / "file").read_bytes() != old and others(far / "file") == []
    assert everything(es.load(path)) == everything(sim)
    dangling = tmp_path / "dangling"
    dangling.symlink_to(far / "new")
    sim.save(dangling)
    assert dangling.is_symlink() and everything(es.load(far / "new")) == everything(sim)
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    with pytest.raises(OSError):
        es.load(loop)


def test_a_folder_is_no_file(saved):
    sim, path = saved
    folder = path.parent / "folder"
    folder.mkdir()
    (folder / "precious").write_text("x")
    with pytest.raises(IsADirectoryError):
        sim.save(folder)
    assert others(path) == ["folder"] and others(folder / "precious") == []
    with pytest.raises(IsADirectoryError):
        es.load(folder)
    for missing in (path.parent / "no" / "sim", path / "sim"):
        with pytest.raises((FileNotFoundError, NotADirectoryError)):
            sim.save(missing)
        with pytest.raises((FileNotFoundError, NotADirectoryError)):
            es.load(missing)


def test_a_folder_that_must_not_be_written(saved):
    sim, path = saved
    before, old = path.read_bytes(), os.geteuid()
    sim.run(1.0)
    path.parent.chmod(0o500)
    if old == 0:
        os.seteuid(65534)  # the superuser may write everywhere
    try:
        with pytest.raises(PermissionError):
            sim.save(path)
    finally:
        os.seteuid(old)
        path.parent.chmod(0o700)
    assert path.read_bytes() == before and others(path) == []


# ---- to read


def refused(path, says=r"load: .* cannot be read: .*; it is damaged or no saved simulation"):
    with pytest.raises(ValueError, match=says) as caught:
        es.load(path)
    assert caught.type is ValueError and str(path) in str(caught.value)


def test_truncated_anywhere(saved):
    _, path = saved
    whole = path.read_bytes()
    rng = random.Random(0)
    for n in {0, 1, 2, 3, 4, 21, 22, len(whole) - 1, len(whole) - 21, len(whole) - 22, *rng.sample(range(len(whole)), 300)}:
        path.write_bytes(whole[:n])
        refused(path)


def test_any_bit_turned_over(saved):
    """...shows, or is one that the zip does not care about."""
    sim, path = saved
    whole, expected = path.read_bytes(), everything(sim)
    rng = random.Random(1)
    ignored = 0
    for position in rng.sample(range(8 * len(whole)), 600):
        damaged = bytearray(whole)
        damaged[position // 8] ^= 1 << position % 8
        path.write_bytes(damaged)
        try:
            loaded = es.load(path)
        except ValueError as error:
            assert "it is damaged or no saved simulation" in str(error) or "newer format" in str(error)
        else:
            assert everything(loaded) == expected, position
            ignored += 1
    assert ignored < 120


@pytest.mark.parametrize("damage", [
    lambda b: b[:700] + b[701:], lambda b: b[:700] + b"x" + b[700:], lambda b: b[:900] + bytes(200) + b[1100:], lambda b: b[1:],
    lambda b: b[::-1], lambda b: bytes(len(b)), lambda b: b"", lambda b: b"PK\x03\x04", lambda b: b"\x93NUMPY", lambda b: b"{}",
    lambda b: b"\x80\x04N.", lambda b: b[:2000] + b[:2000],
])  # fmt: skip
def test_other_damage(saved, damage):
    _, path = saved
    path.write_bytes(damage(path.read_bytes()))
    refused(path)


def parts(path):
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def write_parts(path, contents):
    with zipfile.ZipFile(path, "w") as file:
        for name, content in contents.items():
            file.writestr(name, content)


def test_every_part_is_needed_and_none_may_be_exchanged(saved):
    """The checksums of the zip are right in all of these."""
    sim, path = saved
    good = parts(path)
    write_parts(path, good)
    assert everything(es.load(path)) == everything(sim)
    for name in good:
        write_parts(path, {k: v for k, v in good.items() if k != name})
        refused(path)
    write_parts(path, good | {"extra.npy": good["engine/counts.npy"]})
    refused(path)
    names = sorted(good)
    for a, b in pairwise(names):
        if good[a] != good[b]:
            write_parts(path, good | {a: good[b], b: good[a]})
            refused(path)


def test_nothing_may_be_changed_in_the_header(saved):
    """...and none of the numbers in the arrays; again the checksums of the zip are right."""
    sim, path = saved
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(bytes(arrays["header"]))
    others = {"seed": 1, "time": [30.0, 0.0], "start": [0.0, 0.5], "weight_dtype": "float64", "version": "0", "wall": {},
              "hash": "", "replaced": [0], "eras": [], "rows": header["rows"][::-1], "populations": header["populations"][::-1],
              "projections": header["projections"][::-1], "executor": "windowed", "threads": 2, "more": 0}  # fmt: skip
    assert header.keys() <= others.keys() | {"format"}

    def write(header, arrays):
        with open(path, "wb") as file:
            np.savez(file, **arrays | {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)})

    write(header, arrays)
    assert everything(es.load(path)) == everything(sim)
    for name, value in others.items():
        write(header | {name: value}, arrays)
        refused(path)
        write({k: v for k, v in header.items() if k != name}, arrays)
        if name in header:
            refused(path)
    for name in arrays.keys() - {"header"}:
        if arrays[name].size:
            changed = bytearray(arrays[name].tobytes())
            changed[-1] ^= 1
            write(header, arrays | {name: np.frombuffer(changed, arrays[name].dtype).reshape(arrays[name].shape)})
            refused(path)
        write(header, arrays | {name: arrays[name][..., None]})
        refused(path)


def test_other_files_of_arrays(tmp_path):
    path = tmp_path / "sim"
    with open(path, "wb") as file:
        np.savez(file, a=np.zeros(3))
    refused(path)
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))
    refused(path)
    with open(path, "wb") as file:
        np.savez(file, header=np.array([{}], object), allow_pickle=True)
    refused(path)
    for header in ("", "{}", "[]", "1", '{"format": "1"}', '{"format": 1}', '{"format": NaN}', "[" * 100_000):
        with open(path, "wb") as file:
            np.savez(file, header=np.frombuffer(header.encode(), np.uint8))
        refused(path)


def test_a_newer_format_says_so(saved, monkeypatch):
    sim, path = saved
    monkeypatch.setattr(storage, "FORMAT", storage.FORMAT + 1)
    monkeypatch.setattr(es, "__version__", "9.9.9")
    sim.save(path)
    assert everything(es.load(path)) == everything(sim)
    monkeypatch.undo()
    refused(path, r"load: .* was written by version 9.9.9 in a newer format; upgrade eventsim")


def test_poisson_sources_of_an_older_format_go_on(tmp_path):
    """Until format 2 their rows had the time of the last event and a number; they get new trains, all else stays."""
    net = es.Network()
    source, cell = net.add("source", 50, es.Poisson(rate=2000.0)), net.add("cell", 2, es.LIF())
    net.connect(source, cell, weight=2.0, delay=1.5)
    sim = es.Simulation(net, seed=1)
    sim.run(5.3)
    sim.save(tmp_path / "sim")
    with np.load(tmp_path / "sim") as file:
        arrays = {k: v for k, v in file.items() if k != "header"}
        header = json.loads(bytes(file["header"])) | {"format": 2}
    for name in (k for k in arrays if k.endswith("/state0")):
        arrays[name] = np.ascontiguousarray(arrays[name][:, :5])
    arrays["engine/trace0"] = np.empty((0, 6))
    del header["hash"]
    header["hash"] = storage._digest(header, arrays)
    with open(tmp_path / "old", "wb") as file:
        np.savez(file, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)
    old = es.load(tmp_path / "old")
    assert old.time == sim.time and np.array_equal(old.get(cell, "V_m"), sim.get(cell, "V_m"))
    assert np.array_equal(old._engine.flights.dump(), sim._engine.flights.dump())
    t, _ = old.run(100.0).spikes("source")
    assert abs(len(t) - 10_000) < 4 * np.sqrt(10_000) and t.min() > 5.3


def test_nothing_in_a_file_is_executed(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "exploded"),))

    for name in ("header", "engine/counters"):
        with open(tmp_path / "sim", "wb") as file:
            np.savez(file, **{"header": np.frombuffer(b"{}", np.uint8), name: np.array([Bomb()], object)}, allow_pickle=True)
        refused(tmp_path / "sim")
    assert not (tmp_path / "exploded").exists()
