"""Saving and loading a simulation: one zip of arrays and a JSON header, no pickles, checked on the way in."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import eventsim

from . import _core
from .connectivity import CSR
from .model import Model
from .network import Network, Projection

if TYPE_CHECKING:
    from .simulation import Simulation

FORMAT = 3  # raised whenever what is stored changes
ROWS = {  # of a projection: attributes of its rows by the names they are stored under
    "indptr": "indptr",
    "indices": "indices",
    "weight": "weight",
    "delay": "delay_data",
    "delay_table": "delay_table",
}


def save(sim: Simulation, path: Any) -> None:
    """Write `sim` to `path`: to a temporary file beside it, flushed to disk, then renamed over it; links are followed."""
    path = Path(os.path.realpath(_file_name("Simulation.save", path)))
    engine = sim._engine
    if engine.overflowed >= 0:
        raise RuntimeError(f"Simulation.save: there is nothing to continue from. {sim._overflow_message()}")
    arrays: dict[str, np.ndarray] = {f"engine/{k}": v for k, v in engine.snapshot().items()}
    header: dict[str, Any] = {
        "format": FORMAT,
        "version": eventsim.__version__,
        "seed": sim.seed,
        "time": sim._time,
        "start": sim._start,
        "weight_dtype": sim._weight_dtype,
        "executor": sim._executor,
        "threads": sim._threads,
        "wall": sim._wall,
        "populations": [],
        "projections": [p.name for p in sim.network.projections],
        "rows": [],
        "replaced": [owner for owner, _ in sim._replaced],
        "eras": [],
    }
    for p, core in zip(sim.network.populations, engine.populations, strict=True):
        options = {k: getattr(core.model, k) for k in core.model.options}
        header["populations"].append({"name": p.name, "n": p.n, "model": type(core.model).__name__, "options": options})
        header["eras"].append([start for start, _ in sim._eras[p.index]])
        for e, (_, parameters) in enumerate(sim._eras[p.index]):
            arrays |= {f"population{p.index}/era{e}/{k}": v for k, v in parameters.items()}
        arrays |= {f"population{p.index}/input/{k}": v for k, v in core.inputs().items()}
    for k, rows in enumerate(engine.projections):
        header["rows"].append({"pre": rows.pre, "post": rows.post.index, "port": rows.port})
        arrays |= {f"rows{k}/{name}": getattr(rows, part) for name, part in ROWS.items()}
    if sim._origin is not None:
        arrays |= {f"origin/{k}": v for k, v in sim._origin.items()}
    arrays |= {f"replaced{k}/place": place for k, (_, place) in enumerate(sim._replaced)}
    header["hash"] = _digest(header, arrays)
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)

    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with open(partial, "xb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def load(path: Any) -> Simulation:
    """The simulation saved in a file; it continues bit for bit.

    Raises
    ------
    OSError
        If the file does not exist or must not be read.
    ValueError
        If the file is damaged, is not of this program, or was written by a newer version.
    """
    name = _file_name("load", path)
    with open(name, "rb") as stream:
        try:
            with np.load(stream, allow_pickle=False) as file:
                header = json.loads(bytes(file["header"]))
                if header["format"] <= FORMAT:
                    arrays = {k: file[k] for k in file.files if k != "header"}
                    if _digest({k: v for k, v in header.items() if k != "hash"}, arrays) != header["hash"]:
                        raise ValueError("its contents do not match its hash")
                    return _restore(header, arrays)
                newer = f"by version {header['version']} in a newer format"
        except MemoryError:
            raise
        except Exception as error:  # damage shows in the zip, in the numpy headers, in JSON, or in compressed data
            raise ValueError(f"load: {name!r} cannot be read: {error}; it is damaged or no saved simulation") from None
    raise ValueError(f"load: {name!r} was written {newer}; upgrade eventsim")


def _file_name(who: str, path: Any) -> str:
    try:
        return os.fsdecode(path)
    except TypeError:
        raise TypeError(f"{who}: path = {path!r} must be a file name, a str or a Path") from None


def _digest(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> str:
    """SHA-256. The checksums of the zip do not see a header of an array that pretends to be shorter."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def _restore(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> Simulation:
    from .simulation import Simulation

    models = {name: getattr(_core, name) for name in _core.__all__}

    def group(prefix: str) -> dict[str, np.ndarray]:
        return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}

    network, cores, eras = Network(), [], []
    start = tuple(header["start"])
    for i, spec in enumerate(header["populations"]):
        eras.append([(tuple(t), group(f"population{i}/era{e}/")) for e, t in enumerate(header["eras"][i])])
        inputs, parameters = group(f"population{i}/input/"), eras[-1][-1][1]
        model: Model = models[spec["model"]].restored(parameters, inputs, spec["options"])
        population = network.add(spec["name"], spec["n"], model)
        core = model.population(model, population.n, parameters, population.first, i, *start)
        core.set_inputs(inputs)
        cores.append(core)
    if header["format"] < 2:  # before delays were kept in codes
        arrays |= {f"rows{k}/delay_table": np.empty(0) for k in range(len(header["rows"]))}
    parts = [[arrays[f"rows{k}/{name}"] for name in ROWS] for k in range(len(header["rows"]))]
    rows = [_core.Rows(cores[r["pre"]], cores[r["post"]], r["port"], *p) for r, p in zip(header["rows"], parts, strict=True)]
    for name, r in zip(header["projections"], rows[: len(header["projections"])], strict=True):
        pops = network.populations
        rule = CSR(r.indptr, r.indices)
        projection = Projection(len(network.projections), name, pops[r.pre], pops[r.post.index], rule, r.weight, r.delay, r.port)
        network.projections.append(projection)
    engine = _core.Engine(cores, rows, *start)
    engine.set_projections(rows, list(range(len(network.projections))))
    changed = [i for i, core in enumerate(cores) if header["format"] < 3 and "rate" in core.parameters]
    for i in changed:  # before Poisson trains were functions of time
        rows, old = cores[i].state.copy(), arrays[f"engine/state{i}"]
        rows[:, : _core.HEAD_WIDTH] = old[:, : _core.HEAD_WIDTH]
        arrays[f"engine/state{i}"] = rows
        arrays[f"engine/trace{i}"] = np.empty((0, 1 + rows.shape[1]))
    engine.restore(group("engine/"))
    for i in changed:
        cores[i].restart(header["time"], start)
        engine.reset_alarms(i)
    sim = Simulation.__new__(Simulation)
    sim.seed = header["seed"]
    executor, threads = header.get("executor", "auto"), header.get("threads", 1)  # older files have none
    sim._begin(network, engine, start, header["weight_dtype"], executor, threads)
    sim._time, sim._eras, sim._wall = tuple(header["time"]), eras, header["wall"]
    sim._origin = None if changed else group("origin/") or None
    sim._replaced = [(owner, arrays[f"replaced{k}/place"]) for k, owner in enumerate(header["replaced"])]
    return sim
