"""TLS to a broker, and what a connection that failed is to be called."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket


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
        return super().wrap_socket(sock, *args, **options | {"do_handshake_on_connect": True})


def untrusted(error: ssl.SSLError) -> str:
    """Why a handshake failed, in words; it will fail again."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    return f"no TLS connection: {error.reason or error}. Is this the broker's TLS port?"


def unreachable(error: OSError) -> str:
    """Why nobody answered, in words; that may heal."""
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there. Start a broker, or name another with --broker mqtt://host:port"
    if isinstance(error, TimeoutError):
        return "no answer in time. Check host and port in --broker mqtt://host:port, and firewalls between"
    return f"cannot be reached: {error.strerror or error}. Check --broker mqtt://host:port"
