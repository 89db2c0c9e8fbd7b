from __future__ import annotations

import os
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from factory_sim.api.arguments import one_level
from factory_sim.api.client_arguments import client_options
from factory_sim.cli.login import Login, arguments
from factory_sim.errors import ConfigError
from factory_sim.live.delivery import Delivery, numbers

if TYPE_CHECKING:
    from factory_sim.wire.mqtt.client_options import ClientOptions

BROKER = "mqtt://127.0.0.1:1883"


def options(broker: str = BROKER, **given: Any) -> ClientOptions:
    """The options of a client, as `listen` and `run` make them."""
    return client_options(broker, Event(), password="", **arguments(Login(**given), broker))


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError, match="command line") as caught:
        options("mqtt://user:s3cret@127.0.0.1")
    assert "s3cret" not in str(caught.value)


def test_a_password_comes_from_the_first_line_of_a_private_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.touch(mode=0o600)
    file.write_text("s3cret\nand more\n")
    assert options(password_file=file).password == "s3cret"  # noqa: S105


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_a_password_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("s3cret\n")
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="other users can read it") as caught:
        options(password_file=file)
    assert "s3cret" not in str(caught.value)


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing"):
        options(password_file=tmp_path / "nothing")
    with pytest.raises(ConfigError, match="nothing"):
        options("mqtts://127.0.0.1", ca=tmp_path / "nothing")


def test_an_empty_password_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.touch(mode=0o600)
    with pytest.raises(ConfigError, match="empty"):
        options(password_file=file)


def test_a_version_of_mqtt_that_does_not_exist_is_refused() -> None:
    assert options(mqtt="3.1.1").mqtt == "3.1.1"
    with pytest.raises(ConfigError, match=r"'6' is not a known mqtt\n  Known: 3\.1\.1, 5, auto"):
        options(mqtt="6")


@pytest.mark.parametrize("name", ["my host", "a/b", "a+", "#", "a\0"])
def test_a_host_s_or_a_consumer_s_name_is_one_level_of_a_topic(name: str, tmp_path: Path) -> None:
    assert one_level("host_id", "scada-1") == "scada-1"
    assert one_level("host_id", "") == ""
    with pytest.raises(ConfigError, match="Did you mean"):
        one_level("host_id", name)
    Delivery(journal=tmp_path, ack="consumer:scada-1").check("machine")
    with pytest.raises(ConfigError, match="Did you mean"):
        Delivery(journal=tmp_path, ack=f"consumer:{name}").check("machine")


@pytest.mark.parametrize("option", ["ca", "cert", "key"])
def test_a_file_of_tls_does_not_go_with_a_broker_without_tls(option: str, tmp_path: Path) -> None:
    file = tmp_path / "file.pem"
    file.touch()
    with pytest.raises(ConfigError, match=rf"{option}: .*TLS files need mqtts://\n.*Did you mean mqtts://plc:8883\?"):
        options("mqtt://plc", **{option: file})
    with pytest.raises(ConfigError, match=r"Did you mean mqtts://plc:2000\?"):
        options("mqtt://plc:2000", **{option: file})
    for broker in ("mqtts://plc", ""):  # empty: our own, which shows the certificate
        assert getattr(options(broker, **{option: file}), f"{option}_file") == str(file)


def test_an_address_to_bind_is_for_our_own_broker() -> None:
    Delivery(bind="127.0.0.1").check("machine")
    with pytest.raises(ConfigError, match="--bind applies to our own broker"):
        Delivery(bind="127.0.0.1", url=BROKER).check("machine")


def test_without_a_home_directory_sparkplug_keeps_no_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", homeless)
    assert numbers() is None
