"""The examples run, print something and write their picture, to the current folder or where they are told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import eventsim as es

pytest.importorskip("matplotlib")

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
# The very package under test, installed or not.
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(es.__file__).parents[1])}


def test_there_are_examples():
    assert len(EXAMPLES) >= 10


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example(path, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", path], cwd=tmp_path, capture_output=True, text=True, timeout=120, env=ENVIRONMENT
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() and "nan" not in done.stdout.lower().split()
    pictures = list(tmp_path.iterdir())
    assert [picture.suffix for picture in pictures] == [".png"]
    assert pictures[0].read_bytes().startswith(b"\x89PNG")


def test_an_example_takes_the_path_of_its_picture(tmp_path):
    subprocess.run([sys.executable, EXAMPLES[2], tmp_path / "here.pdf"], cwd=tmp_path, check=True, timeout=120, env=ENVIRONMENT)
    assert [path.name for path in tmp_path.iterdir()] == ["here.pdf"]
