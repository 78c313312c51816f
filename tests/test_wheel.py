"""The wheel holds what it needs and nothing else, and runs where there is no checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.cli.shared import ROOT, once


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def build(folder: Path) -> None:
        call = [sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", "--quiet", "--wheel-dir", str(folder)]
        if find_spec("hatchling"):
            call.append("--no-build-isolation")
        done = subprocess.run(call, capture_output=True, text=True)
        if "hatchling" in done.stderr and done.returncode:
            pytest.skip("hatchling, which builds the wheel, is not installed and cannot be fetched")
        assert done.returncode == 0, done.stderr

    [found] = once(tmp_path_factory, "wheel", build).glob("*.whl")
    return found


def tracked(folder: str, ending: str) -> set[str]:
    return {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob(f"*{ending}")}


def test_what_the_wheel_holds(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        about = archive.read(next(n for n in archive.namelist() if n.endswith("entry_points.txt"))).decode()
        sizes = sum(info.compress_size for info in archive.infolist())
    assert "curate = curate.cli.main:main" in about
    wanted = tracked("curate", ".py") | tracked("curate", ".sql") | tracked("curate", ".css")
    wanted |= tracked("curate", ".js") | tracked("curate", ".svg")
    wanted |= tracked("curate/wordnet/data", "") | tracked("curate/vision/data", "")
    wanted |= {f"curate/{name}" for name in tracked("schemas", ".sql") | tracked("pipelines", ".yaml")}
    wanted = {name for name in wanted if (ROOT / name).is_file() or name.startswith(("curate/schemas", "curate/pipe"))}
    assert names == {*wanted, "curate/py.typed"}
    assert not [name for name in names if name.endswith((".jpg", ".jpeg", ".png", ".pt", ".pt2", ".npy", ".tar"))]
    assert sizes < 8_000_000


def test_the_demo_runs_from_the_wheel(wheel: Path, example: Path, tmp_path: Path):
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    folder = elsewhere / "curate-demo" / "tiny-0"
    shutil.copytree(example / "notebook-demo", folder)  # the same corpus; what takes seconds has run
    call = [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--target", str(site), str(wheel)]
    subprocess.run(call, check=True, capture_output=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CURATE")}
    environment = {**kept, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}

    def run(*line: str) -> str:
        command = [str(site / "bin" / "curate"), *line]
        done = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = (
        "import curate, curate.schema as s; from curate.wordnet import lexicon; from curate.vision import builtin; "
        "print(curate.__file__, s.data_folder('schemas')); assert lexicon.synset_rows().num_rows > 80_000; "
        "builtin.network()"
    )
    done = subprocess.run(
        [sys.executable, "-c", where], cwd=elsewhere, env=environment, capture_output=True, text=True, check=True
    )
    assert all(Path(path).is_relative_to(site) for path in done.stdout.split())
    said = run("demo", "--tiny")
    manifests = folder / "workspace" / "manifests"
    assert (folder / "demo.png").stat().st_size > 10_000
    for part in ("12 of 12 planted classes found", "trained", "model-based, no guarantee"):
        assert part in " ".join(said.split())
    [manifest] = [path for path in manifests.iterdir() if f"manifest  {path}" in said]
    assert (manifest / "provenance.json").is_file()
    assert "tiger" in run("sql", "-w", str(folder / "workspace"), "FROM label_stats ORDER BY precision")
