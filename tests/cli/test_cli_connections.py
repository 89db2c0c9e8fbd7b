from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import typer

from factory_sim.cli import connections
from factory_sim.cli.options import host_id
from factory_sim.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

BROKER = "mqtt://127.0.0.1:1883"


def options(
    broker: str = BROKER, password_file: Path | None = None, ca: Path | None = None, mqtt: str = "auto"
) -> dict[str, object]:
    return connections.options(broker, "user", password_file, ca, None, None, mqtt)


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError, match="command line") as caught:
        options("mqtt://user:s3cret@127.0.0.1")
    assert "s3cret" not in str(caught.value)


def test_a_password_comes_from_the_first_line_of_a_private_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.touch(mode=0o600)
    file.write_text("s3cret\nand more\n")
    assert options(password_file=file)["password"] == "s3cret"  # noqa: S105


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_a_password_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("s3cret\n")
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="others may read it") as caught:
        options(password_file=file)
    assert "s3cret" not in str(caught.value)


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing"):
        options(password_file=tmp_path / "nothing")
    with pytest.raises(ConfigError, match="nothing"):
        options(ca=tmp_path / "nothing")


def test_an_empty_password_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.touch(mode=0o600)
    with pytest.raises(ConfigError, match="empty"):
        options(password_file=file)


def test_a_version_of_mqtt_that_does_not_exist_is_refused() -> None:
    assert options(mqtt="3.1.1")["mqtt"] == "3.1.1"
    with pytest.raises(typer.BadParameter, match=r"'6' is no version of MQTT. Known: 3\.1\.1, 5, auto"):
        options(mqtt="6")


@pytest.mark.parametrize("name", ["my host", "a/b", "a+", "#"])
def test_a_host_s_name_is_one_level_of_a_topic(name: str) -> None:
    assert host_id("scada-1") == "scada-1"
    assert host_id("") == ""
    with pytest.raises(typer.BadParameter, match="Did you mean"):
        host_id(name)
