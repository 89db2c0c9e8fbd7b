"""The connection to a broker, and what is kept of a feed, from arguments."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from factory_sim.api.arguments import one_of, optional_path, path_of, refuse, seconds, storage
from factory_sim.errors import ConfigError, Problem
from factory_sim.live.sinks.opening import Keeping, check_sink
from factory_sim.recordings.retention import Retention
from factory_sim.wire.mqtt.broker_url import PORTS, parse
from factory_sim.wire.mqtt.client_options import VERSIONS, ClientOptions

if TYPE_CHECKING:
    from collections.abc import Iterable
    from threading import Event

    from factory_sim.api.arguments import Duration
    from factory_sim.wire.mqtt.broker_url import Address

_OPEN_TO_OTHERS = 0o077
PathLike: TypeAlias = "str | os.PathLike[str]"


def client_options(  # noqa: PLR0913 - one argument per argument of the calls
    broker: str,
    stop: Event,
    user: str,
    password: str,
    password_file: PathLike | None,
    ca: PathLike | None,
    cert: PathLike | None,
    key: PathLike | None,
    mqtt: str,
    expiry: Duration = 0.0,
) -> ClientOptions:
    """Return the options of a client of `broker`. Raise ConfigError about an argument."""
    if not isinstance(broker, str):
        refuse("broker", f"expected a URL, got {broker!r}", "Example: 'mqtt://127.0.0.1:1883'.")
    files = {name: os.fspath(file) for name, file in (("ca", ca), ("cert", cert), ("key", key)) if file}
    address = parse(broker) if broker else None
    if address and files and not address.tls:
        raise _without_tls(address, files)
    for name, file in files.items():
        if not (Path(file).is_file() and os.access(file, os.R_OK)):
            refuse(name, f"expected a readable PEM file, got {file!r}")
    return ClientOptions(
        user=user,
        password=first_line("password_file", password_file) if password_file is not None else password,
        ca_file=files.get("ca", ""),
        cert_file=files.get("cert", ""),
        key_file=files.get("key", ""),
        mqtt=one_of("mqtt", mqtt, VERSIONS),
        expiry_s=min(math.ceil(seconds("expiry", expiry)), 2**32 - 1),  # 32 bits
        is_stopped=stop.is_set,
    )


def keeping_of(
    record: PathLike | None,
    keep: Duration,
    keep_size: str | float,
    sink: str,
    sink_buffer: PathLike,
    sink_limit: str | float,
) -> Keeping:
    """Return what is kept of a feed. Raise ConfigError about an argument."""
    retention = Retention(days=seconds("keep", keep) / 86400, size=storage("keep_size", keep_size))
    if retention and record is None:
        refuse("keep" if retention.days else "keep_size", "applies to a recording", "Name its folder: record.")
    if sink:
        check_sink(sink)
    return Keeping(
        record=optional_path("record", record),
        retention=retention,
        sink=sink,
        buffer=path_of("sink_buffer", sink_buffer),
        limit=storage("sink_limit", sink_limit),
    )


def first_line(argument: str, file: PathLike) -> str:
    """Return the password in a file. Raise ConfigError if other users can read it."""
    path = Path(file)
    try:
        mode = path.stat().st_mode
        first = path.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        refuse(argument, f"{path} cannot be read: {error}")
    if os.name == "posix" and mode & _OPEN_TO_OTHERS:
        refuse(argument, f"{path}: other users can read it", f"Run: chmod 600 {path}")
    if not first:
        refuse(argument, f"the first line of {path} is empty")
    return first


def _without_tls(address: Address, names: Iterable[str]) -> ConfigError:
    """Return the error of TLS files for a broker without TLS: the password would be sent in clear text."""
    port = PORTS["mqtts"] if address.port == PORTS["mqtt"] else address.port
    meant = replace(address, tls=True, port=port).display_url
    hint = f"Did you mean {meant}? Files may also come from FACTORY_SIM_MQTT_CA, ..._CERT and ..._KEY"
    return ConfigError([Problem(name, 0, 0, address.display_url, "TLS files need mqtts://", hint) for name in names])
