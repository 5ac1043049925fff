"""The command line: what it prints, what it writes, how it tells a mistake."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import eventsim as es
from eventsim import networks
from eventsim.__main__ import main

pytest.importorskip("matplotlib")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_version(capsys):
    assert main(["version"]) == 0
    assert capsys.readouterr().out == es.__version__ + "\n"


def test_info_tells_versions_and_networks(capsys):
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert es.__version__ in out and "numpy" in out
    for name in networks.NAMES:
        assert f"\n  {name} " in out


def test_module_runs_from_any_folder(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(Path(es.__file__).parents[1])}  # the package under test, installed or not
    command = [sys.executable, "-m", "eventsim", "version"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, es.__version__ + "\n", "")


def test_help_lists_commands_and_networks(capsys):
    for arguments, words in (
        (["--help"], ("info", "run", "version")),
        (["run", "--help"], (*networks.NAMES, "--duration", "--out")),
    ):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 0
        out = capsys.readouterr().out
        assert all(word in out for word in words)


def test_run_prints_a_summary_and_writes_the_picture(here, capsys):
    assert main(["run", "celegans", "--duration", "50", "--seed", "3"]) == 0
    out, err = capsys.readouterr()
    picture = here / "celegans.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert f"picture: {picture}" in out and err == ""
    for line in (
        "neurons",
        "synapses",
        "spikes",
        "active neurons",
        "synaptic events",
        "build time",
        "wall time",
        "real-time factor",
    ):
        assert f"\n  {line} " in out
    assert "301  and 3 sources" in out and "3,701  and 3 from sources" in out
    assert "Acetylcholine" in out  # the table of classes


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_out_chooses_file_and_format(here, suffix, capsys):
    assert main(["run", "cuba", "--scale", "0.05", "--duration", "5", "--out", f"{here}/picture.{suffix}"]) == 0
    assert (here / f"picture.{suffix}").stat().st_size > 1000


def test_same_seed_same_summary_for_any_number_of_threads(here, capsys):
    def table(*more):
        assert main(["run", "cuba", "--scale", "0.1", "--duration", "50", *more]) == 0
        return capsys.readouterr().out.split("class ")[1]

    assert table("--seed", "1") == table("--seed", "1", "--threads", "2") != table("--seed", "2")


@pytest.mark.parametrize("name", networks.NAMES)
def test_every_network_runs(name, here, capsys):
    scale = [] if name in ("celegans", "fly_brain", "yin_yang") else ["--scale", "0.01"]
    assert main(["run", name, "--duration", "2", *scale]) == 0
    assert (here / f"{name}.png").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "hydra"], ["hydra", "fly_brain"]),
        (["run", "cuba", "--duration", "-5"], ["-5", "duration"]),
        (["run", "cuba", "--duration", "nan"], ["nan"]),
        (["run", "cuba", "--seed", "-1"], ["seed", "-1"]),
        (["run", "cuba", "--threads", "0"], ["threads", "0"]),
        (["run", "cuba", "--scale", "0"], ["scale = 0", "cuba"]),
        (["run", "microcircuit", "--scale", "3"], ["scale", "3", "1"]),
        (["run", "fly_brain", "--scale", "0.5"], ["--scale", "0.5", "fly_brain"]),
        (["run", "cuba", "--out", "picture.bmp"], ["--out", "picture.bmp", ".png"]),
        (["run", "cuba", "--out", "no/such/folder.png"], ["--out", "no/such"]),
    ],
)
def test_a_mistake_is_told_in_one_line(here, arguments, words, capsys):
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("eventsim: error: ") and err.count("\n") == 1
    assert all(word in err for word in words), err
    assert not list(here.iterdir())


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["run"], ["run", "cuba", "--duration", "long"], ["run", "cuba", "--seed", "1.5"]]
)
def test_a_wrong_command_is_told_in_one_line(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    err = capsys.readouterr().err
    assert "error: " in err and "--help" in err and err.count("\n") == 1


def test_an_interrupted_run_shows_what_it_has(here, monkeypatch, capsys):
    run = es.Simulation.run

    def interrupted(self, duration, *more):
        run(self, duration / 2, *more)
        raise KeyboardInterrupt

    monkeypatch.setattr(es.Simulation, "run", interrupted)
    assert main(["run", "celegans", "--duration", "100"]) == 130
    out, err = capsys.readouterr()
    assert "50 ms" in out and err == "interrupted at t = 50 ms\n"
    assert (here / "celegans.png").exists()


def test_without_matplotlib_the_run_finishes(here, monkeypatch, capsys):
    for module in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["run", "celegans", "--duration", "10"]) == 0
    out, err = capsys.readouterr()
    assert "spikes" in out and "pip install matplotlib" in out and err == ""
    assert not list(here.iterdir())
