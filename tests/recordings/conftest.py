"""A PostgreSQL server of the tests' own, in a temporary folder and without root rights."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT = "postgres"  # PostgreSQL does not start as root
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


class Server:
    """A cluster that listens on 127.0.0.1; it can be killed and started again."""

    def __init__(self, programs: Path, account: str | None) -> None:
        import pwd  # noqa: PLC0415 - does not exist on Windows

        self._programs, self._account = programs, account
        self.folder = Path(mkdtemp(prefix="factory_sim_pg_"))
        self._user = pwd.getpwnam(account) if account else pwd.getpwuid(os.getuid())
        if account:
            shutil.chown(self.folder, account)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._run("initdb", "-D", str(self.folder / "data"), "-A", "trust", "-U", "factory", "-N")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://factory@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start, and wait until it answers: a killed one's children may still be there, which forbids a start."""
        options = ["-p", str(self.port), "-c", "listen_addresses=127.0.0.1", "-k", str(self.folder)]
        command = [str(self._programs / "postgres"), "-D", str(self.folder / "data"), *options]
        for _ in range(600):
            if self._process is None or self._process.poll() is not None:
                with (self.folder / "log").open("ab") as log:
                    self._process = subprocess.Popen(command, stdout=log, stderr=log, **self._as_user())
            words = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
            if subprocess.run(words, check=False).returncode == 0:
                return
            time.sleep(0.1)
        raise AssertionError((self.folder / "log").read_text(encoding="utf-8")[-2000:])

    def kill(self) -> None:
        """Send SIGKILL to the server; its children end when they notice."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        """End everything and delete the folder."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()
        shutil.rmtree(self.folder)

    def sql(self, query: str, database: str = "postgres") -> list[list[str]]:
        """Return the rows of a query by psql, a program other than the one under test."""
        words = [str(self._programs / "psql"), "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-F", "|", "-c", query]
        done = subprocess.run([*words, self.url(database)], check=True, capture_output=True, text=True)
        return [line.split("|") for line in done.stdout.splitlines()]

    def _run(self, program: str, *words: str) -> None:
        subprocess.run([str(self._programs / program), *words], check=True, capture_output=True, **self._as_user())

    def _as_user(self) -> dict[str, object]:
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "cwd": self.folder} if self._account else {}


def accounts() -> set[str]:
    """Return the names of the accounts of this machine."""
    import pwd  # noqa: PLC0415 - does not exist on Windows

    return {each.pw_name for each in pwd.getpwall()}


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    if not PROGRAMS:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    account = None
    if os.getuid() == 0:
        account = ACCOUNT
        if ACCOUNT not in accounts():
            pytest.skip(f"PostgreSQL does not start as root, and there is no account {ACCOUNT}")
    found = Server(PROGRAMS[0], account)
    found.start()
    yield found
    found.stop()


@pytest.fixture
def database(server: Server, request: pytest.FixtureRequest) -> str:
    """A new database; its name."""
    name = f"t{abs(hash(request.node.nodeid))}"
    server.sql(f"CREATE DATABASE {name}")
    return name
