"""`--storage postgresql://...`: the same record in a real server, which may go away for a while."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
from contextlib import closing
from pathlib import Path

import pytest

from regexp.study.sweep.events import Progress
from regexp.study.sweep.records import Store
from tests.study.lab import in_order, records_of, run, sweeping
from tests.study.test_killed import command, table

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed: pip install '.[postgresql]'")
pytestmark = pytest.mark.slow


class Server:
    """PostgreSQL in a folder of its own, without a password, on a free port; root runs it as nobody."""

    def __init__(self, folder: Path):
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self.run("initdb", "--pgdata", str(folder / "data"), "--auth", "trust", "--username", "postgres", "--no-sync")

    def run(self, *command: str) -> None:
        who = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60,
                       cwd=self.folder, **who)  # fmt: skip

    def start(self) -> None:
        options = f"-k {self.folder} -h 127.0.0.1 -p {self.port} -F"
        self.control("start", "-o", options, "-l", str(self.folder / "log"))

    def stop(self) -> None:
        self.control("stop", "-m", "immediate")

    def control(self, *what: str) -> None:
        self.run("pg_ctl", "--wait", "--pgdata", str(self.folder / "data"), *what)


@pytest.fixture(scope="module")
def server():
    if shutil.which("initdb") is None or shutil.which("pg_ctl") is None:
        pytest.skip("no PostgreSQL server: initdb and pg_ctl are not on the PATH")
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # short: a socket's path has a limit
    try:
        if os.getuid() == 0:
            shutil.chown(folder, "nobody", "nogroup")
        one = Server(folder)
        one.start()
    except (OSError, LookupError, subprocess.SubprocessError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"no PostgreSQL server can be started: {error}")
    yield one
    one.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_the_server_stops_and_starts_in_mid_sweep(server, tmp_path):
    """It is away while a stage ends, which waits for it; the record is that of an undisturbed sweep in SQLite."""
    whole, one = sweeping(), sweeping()
    run(whole, tmp_path)
    again = threading.Timer(3.0, server.start)
    with closing(Store.create(tmp_path, "away", server.url, one.space, one.smaller)) as store:
        for event in one.events(store):
            if isinstance(event, Progress) and event.ended and again.ident is None:
                server.stop()
                again.start()
        assert again.finished.is_set()
        assert in_order(store.records()) == records_of(whole, tmp_path)


def test_a_killed_sweep_goes_on_from_the_server(server, tmp_path):
    where = ("--storage", server.url)
    whole, part = tmp_path / "whole", tmp_path / "part"
    whole.mkdir(), part.mkdir()
    assert command(whole, "0").returncode == 0
    assert command(part, "40", *where).returncode == -9
    assert not (part / "runs" / "wine" / "study.db").exists()
    refused = command(part, "0")
    assert refused.returncode == 2
    assert "give --storage again" in refused.stderr
    done = command(part, "0", *where)
    assert done.returncode == 0, done.stderr
    assert table(part, server.url) == table(whole)
