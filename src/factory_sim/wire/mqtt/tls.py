"""TLS to a broker, and what a connection that failed is to be called."""

from __future__ import annotations

import select
import socket
import ssl
from contextlib import suppress
from typing import Any

_VERDICT_S = 0.2  # servers without tickets say nothing
_ALERTS = {  # about certificates, of RFC 8446, section 6.2, as OpenSSL spells them
    "ALERT_UNKNOWN_CA": "the broker does not trust its authority",
    "ALERT_CERTIFICATE_EXPIRED": "it has expired",
    "ALERT_CERTIFICATE_REVOKED": "it has been revoked",
    "ALERT_CERTIFICATE": "the broker knows why",
    "ALERT_BAD_CERTIFICATE": "the broker knows why",
    "ALERT_HANDSHAKE_FAILURE": "the broker knows why",  # what TLS 1.2 says where a certificate is missing
}


def context(ca_file: str, cert_file: str, key_file: str) -> ssl.SSLContext:
    """A context that demands a trusted certificate that names the host; empty names: the system's authorities, no own.

    Raises OSError or ssl.SSLError when a file cannot be read.
    """
    found = _Context(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file:
        found.load_verify_locations(ca_file)
    else:
        found.load_default_certs()
    if cert_file:
        found.load_cert_chain(cert_file, key_file or None)
    return found


class _Context(ssl.SSLContext):
    """Shakes hands while it wraps: paho does so afterwards and then leaves a refused socket open."""

    def wrap_socket(self, sock: socket.socket, *args: Any, **options: Any) -> ssl.SSLSocket:
        connection = super().wrap_socket(sock, *args, **options | {"do_handshake_on_connect": True})
        if connection.version() == "TLSv1.3":
            try:
                _hear_verdict(connection)
            except BaseException:
                connection.close()
                raise
        return connection


def _hear_verdict(connection: ssl.SSLSocket) -> None:
    """What a server of TLS 1.3 says of our certificate, after the handshake: its tickets, or why it refuses.

    Had we spoken already, its closing with our words unread would take the reason with it.
    """
    timeout_s = connection.gettimeout()
    select.select([connection], [], [], _VERDICT_S)
    connection.settimeout(0.0)
    with suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        connection.recv(1)  # no broker speaks MQTT before its client has
    connection.settimeout(timeout_s)


def is_final(error: Exception) -> bool:
    """Whether TLS itself refused; a connection that only broke meanwhile may heal."""
    return isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)


def refusal(error: Exception, cert_file: str) -> str:
    """Why TLS refused, in words; it will again. `cert_file`: what we showed."""
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
    """Why nobody answered, in words; that may heal."""
    if isinstance(error, socket.gaierror):
        return "no such host. Check the name in --broker mqtt://host:port"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there. Start a broker, or name another with --broker mqtt://host:port"
    if isinstance(error, TimeoutError):
        return "no answer in time. Check host and port in --broker mqtt://host:port, and firewalls between"
    return f"cannot be reached: {error.strerror or error}. Check --broker mqtt://host:port"
