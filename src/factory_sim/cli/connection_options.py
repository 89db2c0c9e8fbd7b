"""Options of commands that connect to a broker: TLS and users; secrets never come from the command line."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory_sim.cli import options as shared
from factory_sim.wire.mqtt.client_options import PASSWORD_VARIABLE, VERSIONS, ClientOptions

if TYPE_CHECKING:
    from factory_sim.wire.mqtt.broker_url import Address

PASSWORD_FILE = "FACTORY_SIM_MQTT_PASSWORD_FILE"  # noqa: S105 - the name of a variable
_OPEN_TO_OTHERS = 0o077

User = Annotated[str, typer.Option(help="User name at the broker.", envvar="FACTORY_SIM_MQTT_USER")]
_PASSWORD = "File whose first line is the password; else FACTORY_SIM_MQTT_PASSWORD."  # noqa: S105 - a help text
PasswordFile = Annotated[Path | None, typer.Option(help=_PASSWORD, envvar=PASSWORD_FILE)]
CaFile = Annotated[
    Path | None, typer.Option("--ca", help="mqtts: PEM of the authorities to trust.", envvar="FACTORY_SIM_MQTT_CA")
]
_CERT = "mqtts: PEM of our certificate; with `run` and no --broker, our own broker's."
CertFile = Annotated[Path | None, typer.Option("--cert", help=_CERT, envvar="FACTORY_SIM_MQTT_CERT")]
_MQTT = "Version of MQTT; auto: 5 if the broker supports it."
MqttVersion = Annotated[
    str, typer.Option("--mqtt", metavar="auto|5|3.1.1", help=_MQTT, envvar="FACTORY_SIM_MQTT_VERSION")
]
Expiry = Annotated[
    float, shared.time_option("24 h", "MQTT 5: how long a broker keeps readings for absent subscribers; 0 s: forever.")
]
KeyFile = Annotated[Path | None, typer.Option("--key", help="mqtts: PEM of our key.", envvar="FACTORY_SIM_MQTT_KEY")]


def options(
    broker: str, user: str, password_file: Path | None, ca: Path | None, cert: Path | None, key: Path | None, mqtt: str
) -> ClientOptions:
    """Return the options of a client of `broker`.

    Raises ConfigError on a password in the URL, on TLS files for a broker without TLS, and on a file that cannot be
    read or that others may read.
    """
    from factory_sim.wire.mqtt.broker_url import parse

    shared.one_of("version of MQTT", mqtt, VERSIONS)
    where = parse(broker) if broker else None
    if where and where.password:
        hint = f"Every user of this machine can read it there. Use {PASSWORD_VARIABLE} or a file: --password-file"
        shared.refuse_input("--broker", "a password must not be on the command line", hint)
    files = {"--ca": ca, "--cert": cert, "--key": key}
    if where and not where.tls:
        _check_no_files(where, [option for option, file in files.items() if file is not None])
    return ClientOptions(
        user=user,
        password=_password(password_file) if password_file else "",
        ca_file=_readable("--ca", ca),
        cert_file=_readable("--cert", cert),
        key_file=_readable("--key", key),
        mqtt=mqtt,
    )


def _check_no_files(where: Address, given: list[str]) -> None:
    """Refuse TLS files for a broker without TLS: the password would be sent in clear text."""
    from factory_sim.wire.mqtt.broker_url import PORTS

    if given:
        port = PORTS["mqtts"] if where.port == PORTS["mqtt"] else where.port
        meant = replace(where, tls=True, port=port).display_url
        hint = f"Did you mean {meant}? Files may also come from FACTORY_SIM_MQTT_CA, ..._CERT and ..._KEY"
        shared.refuse_input("--broker", f"{', '.join(given)}: TLS files need mqtts://", hint, where.display_url)


def _password(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        first = path.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        shared.refuse_input(str(path), f"cannot be read: {error}", key="password file")
    if os.name == "posix" and mode & _OPEN_TO_OTHERS:
        shared.refuse_input(str(path), "others may read it", f"Run: chmod 600 {path}", "password file")
    if not first:
        shared.refuse_input(str(path), "its first line is empty", key="password file")
    return first


def _readable(option: str, path: Path | None) -> str:
    if path is None:
        return ""
    if not os.access(path, os.R_OK) or path.is_dir():
        shared.refuse_input(str(path), "expected a readable PEM file", key=option)
    return str(path)
