"""An ordinary installation, not an editable one, has everything the app shows."""

import os
import subprocess
import sys
import zipfile

import pytest

from explorer.core import locations


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel, unpacked as an installer would."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        str(locations.root()),
        "--no-deps",
        "--no-build-isolation",
        "--quiet",
        "--wheel-dir",
        str(folder),
    ]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("explorer-*.whl")
    site = folder / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def test_the_wheel_carries_the_app_its_pages_and_the_samples(installed):
    """Every file of the checkout's top level that the app needs, and the manifest of the component."""
    shipped = installed / "explorer" / "shipped"
    for name in ("app.py", ".streamlit/config.toml", "sample_models/samples.sqlite", "sample_models/char-gpt/text.txt"):
        assert (shipped / name).read_bytes() == (locations.root() / name).read_bytes()
    for folder, pattern in (("pages", "*.py"), ("sample_models", "*/*.safetensors")):
        assert len(list((shipped / folder).glob(pattern))) == len(list((locations.root() / folder).glob(pattern))) > 0
    assert (installed / "explorer" / "pyproject.toml").is_file()
    assert (installed / "explorer" / "ui" / "charts" / "frontend" / "curve.js").is_file()


def test_the_installed_command_measures_its_own_samples(installed, tmp_path):
    """From a folder that knows nothing of the checkout: the shipped problem, by name."""
    samples = installed / "explorer" / "shipped" / "sample_models" / "digits-mlp"
    environment = os.environ | {"PYTHONPATH": str(installed), "LOSS_EXPLORER_HOME": str(tmp_path), "COLUMNS": "200"}
    command = [sys.executable, "-m", "explorer", "barrier", samples / "seed-0.safetensors", samples / "seed-1.safetensors", "-p", "digits-mlp"]
    result = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
    assert "95 % interval" in result.stdout
    where = subprocess.run(
        [sys.executable, "-c", "from explorer.core import locations; print(locations.root())"],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert where.stdout.strip() == str(installed / "explorer" / "shipped")
