"""The wheel, built and opened: the licences of the files that pages carry, and the plants and examples."""

from __future__ import annotations

import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from factory_sim.plant.yaml.files import packaged
from factory_sim.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message

wheel_builder = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed")
ROOT = Path(__file__).parents[1]
VENDORED = sorted(path for path in (ROOT / "src").rglob("vendor/*") if path.is_file())
ABOUT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    folder = tmp_path_factory.mktemp("wheel")
    [path] = wheel_builder.WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return message_from_bytes(wheel.read(name))


def is_licence(path: Path) -> bool:
    return "LICENSE" in path.name or "NOTICE" in path.name


def test_the_licence_of_every_vendored_file_is_in_the_wheel(wheel: zipfile.ZipFile, metadata: Message) -> None:
    stated = metadata.get_all("License-File") or []
    names = set(wheel.namelist())
    for path in VENDORED:
        if is_licence(path):
            listed = path.relative_to(ROOT).as_posix()
            assert listed in stated
            assert any(name.endswith(f".dist-info/licenses/{listed}") for name in names)
        else:
            library = path.name.partition(".")[0]
            assert any(is_licence(each) and library in each.name for each in VENDORED), f"no licence of {path.name}"
    assert "LICENSE" in stated


def test_the_wheel_contains_every_plant_and_example(wheel: zipfile.ZipFile) -> None:
    data = {Path(name).name for name in wheel.namelist() if name.startswith("factory_sim/plant/data/")}
    assert {path.name for path in packaged().values()} <= data
    assert {path.name for path in (ROOT / "docs" / "examples").glob("*.yaml")} <= data


def test_the_wheel_states_its_version_and_pythons(metadata: Message) -> None:
    assert metadata["Version"] == VERSION == ABOUT["version"]
    assert metadata["Requires-Python"] == ABOUT["requires-python"]
    pythons = [line.rpartition(" ")[2] for line in metadata.get_all("Classifier") or () if "Python :: 3." in line]
    assert pythons == ["3.11", "3.12", "3.13", "3.14"]


def test_the_wheel_carries_the_addresses_of_the_project(metadata: Message) -> None:
    stated = dict(line.split(", ", 1) for line in metadata.get_all("Project-URL") or ())
    assert stated == ABOUT["urls"]
    assert stated
    for label, address in stated.items():
        assert len(label) <= 32, "package indexes refuse longer labels"
        assert address.startswith("https://")
