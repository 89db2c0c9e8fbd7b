"""TCP and TLS connections to a broker, and the messages for those that fail."""

from __future__ import annotations

import select
import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factory_sim.wire.mqtt.broker_url import Address

_VERDICT_S = 0.2  # servers without tickets send nothing
_ALERTS = {  # about certificates, of RFC 8446, section 6.2, in OpenSSL's spelling
    "ALERT_UNKNOWN_CA": "the broker does not trust its authority",
    "ALERT_CERTIFICATE_EXPIRED": "it has expired",
    "ALERT_CERTIFICATE_REVOKED": "it has been revoked",
    "ALERT_CERTIFICATE": "see the broker's log",
    "ALERT_BAD_CERTIFICATE": "see the broker's log",
    "ALERT_HANDSHAKE_FAILURE": "see the broker's log",  # sent by TLS 1.2 where a certificate is missing
}


def trust(ca_file: str, cert_file: str, key_file: str) -> ssl.SSLContext:
    """Return a context that requires a trusted certificate for the host; empty names: the system's authorities.

    Raises OSError or ssl.SSLError when a file cannot be read.
    """
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file:
        found.load_verify_locations(ca_file)
    else:
        found.load_default_certs()
    if cert_file:
        found.load_cert_chain(cert_file, key_file or None)
    return found


def connect(address: Address, timeout_s: float, context: ssl.SSLContext | None) -> socket.socket:
    """Return a connected socket, after the TLS handshake if there is a context. Raises OSError."""
    plain = socket.create_connection((address.host, address.port), timeout_s)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if context is None:
        return plain
    connection = context.wrap_socket(plain, server_hostname=address.host)
    if connection.version() == "TLSv1.3":
        try:
            _await_verdict(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def _await_verdict(connection: ssl.SSLSocket) -> None:
    """Read a TLS 1.3 server's verdict on the client's certificate, after the handshake: tickets, or an alert.

    If the client had sent data before, the server's closing with unread data would discard the alert.
    """
    timeout_s = connection.gettimeout()
    select.select([connection], [], [], _VERDICT_S)
    connection.settimeout(0.0)
    with suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        connection.recv(1)  # a broker sends no MQTT before its client has
    connection.settimeout(timeout_s)


def is_final(error: Exception) -> bool:
    """Return whether TLS itself refused; a connection that only broke meanwhile may recover."""
    return isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)


def refusal(error: Exception, cert_file: str) -> str:
    """Return the reason why TLS refused, which a retry does not change. cert_file : the certificate presented."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    reason = getattr(error, "reason", None) or str(error)
    why = next((words for part, words in _ALERTS.items() if part in reason), "")
    if not why:
        return f"no TLS connection: {reason}. Is this the broker's TLS port?"
    if not cert_file:
        return f"it demands a certificate of its clients: {reason}. Give --cert and --key"
    return f"our certificate {cert_file} is not accepted, {why}: {reason}"


def unreachable(error: OSError) -> str:
    """Return the reason why there is no connection, which a retry may change."""
    if isinstance(error, socket.gaierror):
        return "no such host. Check the name in --broker mqtt://host:port"
    if isinstance(error, ConnectionRefusedError):
        return "nothing is listening there. Start a broker, or name another with --broker mqtt://host:port"
    if isinstance(error, TimeoutError):
        return "no answer in time. Check host and port in --broker mqtt://host:port, and firewalls between"
    return f"cannot be reached: {error.strerror or error}. Check --broker mqtt://host:port"
