import importlib.util
import pathlib
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGES = {"mmaudit": ROOT / "mmaudit", "pytest_mmaudit": ROOT / "plugin" / "pytest_mmaudit"}
PACKAGES["mmaudit_checks"] = ROOT / "checks" / "mmaudit_checks"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    for tool in ("build", "hatchling"):
        if importlib.util.find_spec(tool) is None:
            pytest.skip(f"building a wheel without a network needs {tool} installed")
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.iterdir()
    with zipfile.ZipFile(built) as archive:
        yield archive


def test_its_top_level_is_the_three_packages(wheel):
    top = {name.split("/")[0] for name in wheel.namelist()}
    (about,) = {name for name in top if name.endswith(".dist-info")}
    assert about.startswith("mmaudit-")
    assert top - {about} == set(PACKAGES)


def test_it_holds_every_file_of_the_packages(wheel):
    shipped = {name for name in wheel.namelist() if ".dist-info/" not in name}
    kept = {
        f"{package}/{path.relative_to(folder).as_posix()}"
        for package, folder in PACKAGES.items()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and ".mypy_cache" not in path.parts
    }
    assert shipped == kept
    ends = {name.rpartition(".")[2] for name in shipped}
    assert ends >= {"py", "typed", "json", "css", "j2"}
    assert {f"{package}/py.typed" for package in PACKAGES} <= shipped


def test_it_names_its_entry_points(wheel):
    (path,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    text = wheel.read(path).decode()
    assert "[console_scripts]\nmmaudit = mmaudit.cli:main" in text
    assert "[pytest11]\npytest_mmaudit = pytest_mmaudit" in text
