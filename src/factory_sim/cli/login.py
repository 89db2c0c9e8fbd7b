"""Options of commands that connect to a broker: TLS and users; secrets never come from the command line."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from factory_sim.cli.options import refuse_input

_MQTT = "Version of MQTT; auto: 5 if the broker supports it."
_PASSWORD = "File whose first line is the password; else FACTORY_SIM_MQTT_PASSWORD."  # noqa: S105 - a help text
_CERT = "mqtts: PEM of our certificate; with `run` and no --broker, our own broker's."
_CA = "mqtts: PEM of the authorities to trust."


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """How a command identifies itself to a broker."""

    user: Annotated[str, typer.Option(help="User name at the broker.", envvar="FACTORY_SIM_MQTT_USER")] = ""
    password_file: Annotated[Path | None, typer.Option(help=_PASSWORD, envvar="FACTORY_SIM_MQTT_PASSWORD_FILE")] = None
    ca: Annotated[Path | None, typer.Option(help=_CA, envvar="FACTORY_SIM_MQTT_CA")] = None
    cert: Annotated[Path | None, typer.Option(help=_CERT, envvar="FACTORY_SIM_MQTT_CERT")] = None
    key: Annotated[Path | None, typer.Option(help="mqtts: PEM of our key.", envvar="FACTORY_SIM_MQTT_KEY")] = None
    mqtt: Annotated[str, typer.Option(metavar="auto|5|3.1.1", help=_MQTT, envvar="FACTORY_SIM_MQTT_VERSION")] = "auto"


def arguments(given: Login, broker: str) -> dict[str, Any]:
    """Return the options as arguments of the Python calls.

    Raise ConfigError on a password in the URL.
    """
    from factory_sim.wire.mqtt.broker_url import parse
    from factory_sim.wire.mqtt.client_options import PASSWORD_VARIABLE

    if broker and parse(broker).password:
        hint = f"Every user of this machine can read it there. Use {PASSWORD_VARIABLE} or a file: --password-file"
        refuse_input("--broker", "a password must not be on the command line", hint)
    return asdict(given)
