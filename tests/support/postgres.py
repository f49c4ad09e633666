"""A PostgreSQL server for tests: TEST_POSTGRES_URL, or one that is started from Debian's package."""

from __future__ import annotations

import ctypes
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from storage.postgres_server import prepare_database

DEBIAN_FOLDER = Path("/usr/lib/postgresql")
SYSTEM_USER = "postgres"
# Nothing of a test has to survive a power cut; tests that kill the server ask for a durable one.
QUICK = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "autovacuum=off",
    "shared_buffers=32MB",
)
# Where `shared_template` has put the files of a new server.
TEMPLATE_VARIABLE = "TEST_POSTGRES_TEMPLATE"
PR_SET_PDEATHSIG = 1  # Linux, prctl(2)


class PostgresServer:
    """A server on a Unix socket in a folder of its own; or the one of TEST_POSTGRES_URL, which is left running."""

    def __init__(self, *, durable: bool = False, port: int | None = None) -> None:
        """`port`: on loopback, besides the socket. Raises LookupError if there is none."""
        self._durable = durable
        self._port = port
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self._template: str | None = None
        self._schema: Any = None
        self._emptied: list[str] = []
        if url := os.environ.get("TEST_POSTGRES_URL"):
            self.url = url
        else:
            self._programs = find_programs()
            self._create()
            self.start()

    @property
    def can_restart(self) -> bool:
        """Whether the server is our own."""
        return self._folder is not None

    @property
    def is_running(self) -> bool:
        """Whether our own server runs."""
        return self._process is not None and self._process.poll() is None

    def _create(self) -> None:
        self._folder = _create_folder()
        if template := os.environ.get(TEMPLATE_VARIABLE):
            copy = ["cp", "-a", template, str(self._folder / "data")]
            subprocess.run(copy, check=True, **_process_options(self._folder))
        else:
            _create_cluster(self._programs, self._folder)
        self.url = f"postgresql://buildbell@/postgres?host={quote(str(self._folder))}"
        if self._port is not None:
            self.url += f"&port={self._port}"

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        assert self._folder is not None
        settings = [f"unix_socket_directories={self._folder}", "max_connections=300"]
        settings += (
            ["listen_addresses="]
            if self._port is None
            else ["listen_addresses=127.0.0.1", f"port={self._port}"]
        )
        settings += () if self._durable else QUICK
        with (self._folder / "log.txt").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._programs / "postgres", "-D", self._folder / "data",
                    *itertools.chain.from_iterable(("-c", setting) for setting in settings),
                ],
                stdout=log, stderr=log, preexec_fn=_die_with_parent,  # noqa: PLW1509 - it only calls the kernel
                **_process_options(self._folder),
            )  # fmt: skip
        port = () if self._port is None else ("--port", str(self._port))
        subprocess.run(
            [self._programs / "pg_isready", "--quiet", "--host", self._folder, "--timeout", "30", *port],
            check=False,
        )
        for _ in range(600):
            with suppress(psycopg.OperationalError), psycopg.connect(self.url):
                return
            # There is no event for it.
            subprocess.run(["sleep", "0.05"], check=True)
        raise TimeoutError((self._folder / "log.txt").read_text())

    def require_password(self, user: str, password: str) -> None:
        """Add a user who has to give a password."""
        assert self._folder is not None
        rules = self._folder / "data" / "pg_hba.conf"
        rules.write_text(f"local all {user} scram-sha-256\n{rules.read_text()}")
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE USER {} PASSWORD {}").format(sql.Identifier(user), sql.Literal(password))
            )
            connection.execute("SELECT pg_reload_conf()")

    def connect(self) -> psycopg.Connection[Any]:
        """Connect as an administrator, with autocommit."""
        return psycopg.connect(self.url, autocommit=True)

    def end_connections(self, url: str) -> int:
        """End all connections to a database, as an administrator or a failover does. Returns how many."""
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        with psycopg.connect(self.url, autocommit=True) as connection:
            return len(connection.execute(query, [urlsplit(url).path.removeprefix("/")]).fetchall())

    def kill(self) -> None:
        """Stop the server as a power cut would, but for what it has written; all connections break."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(timeout=60)

    def stop(self) -> None:
        """Stop the server and delete its data."""
        self.kill()
        if self._folder is not None:
            shutil.rmtree(self._folder)

    def new_database(self, *, migrated: bool = True) -> str:
        """Return the URL of a new database, with the current schema or empty."""
        if migrated and self._emptied:
            return self._emptied.pop()
        name = f"buildbell_{os.getpid()}_{next(self._numbers)}"
        if not migrated:
            self._create_database(name)
        else:
            if self._template is None:
                template = f"{name}_template"
                self._create_database(template)
                prepare_database(self._url_of(template))
                with psycopg.connect(self._url_of(template)) as connection:
                    self._schema = _describe_schema(connection)
                self._template = template
            self._create_database(name, template=self._template)
        return self._url_of(name)

    def recycle_database(self, url: str) -> None:
        """Empty a database for the next test, which takes less than a new one; or drop it, if its schema was changed."""
        with psycopg.connect(url, autocommit=True) as connection:
            can_be_emptied = not _is_used(connection) and _describe_schema(connection) == self._schema
            if can_be_emptied:
                empty_database(connection)
        if can_be_emptied:
            self._emptied.append(url)
        else:
            self.drop_database(url)

    def drop_database(self, url: str) -> None:
        """Delete a database, also if it is still used."""
        name = urlsplit(url).path.removeprefix("/")
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _url_of(self, name: str) -> str:
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    def _create_database(self, name: str, *, template: str = "template0") -> None:
        statement = "CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(name), sql.Identifier(template)))


_SCHEMA = """
    SELECT (SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace),
        (SELECT COUNT(*) FROM pg_attribute), (SELECT COUNT(*) FROM pg_trigger), (SELECT COUNT(*) FROM pg_proc),
        (SELECT string_agg(name, ' ' ORDER BY name) FROM buildbell_migrations)"""
_EMPTY = """
    DO $$
    DECLARE name TEXT; has_rows BOOLEAN; used TEXT[];
    BEGIN
        FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
            AND relname <> 'buildbell_migrations'
        LOOP
            EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', name) INTO has_rows;
            IF has_rows THEN used := used || quote_ident(name); END IF;
        END LOOP;
        IF used IS NOT NULL THEN EXECUTE 'TRUNCATE ' || array_to_string(used, ', '); END IF;
        SET LOCAL search_path = procrastinate;
        IF EXISTS (SELECT 1 FROM procrastinate_workers) OR EXISTS (SELECT 1 FROM procrastinate_periodic_defers)
            OR EXISTS (SELECT 1 FROM procrastinate_jobs)
        THEN
            TRUNCATE procrastinate_jobs, procrastinate_workers, procrastinate_periodic_defers, procrastinate_events;
        END IF;
        SET LOCAL search_path = public;
        FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S'
        LOOP
            PERFORM setval(quote_ident(name)::regclass, 1, false);
        END LOOP;
        INSERT INTO audit_register (id) VALUES (1);
    END $$"""


def empty_database(connection: psycopg.Connection[Any]) -> None:
    """Delete all rows, and let numbers begin again with 1."""
    connection.execute(_EMPTY)


def _describe_schema(connection: psycopg.Connection[Any]) -> Any:
    return connection.execute(_SCHEMA).fetchone()


def _is_used(connection: psycopg.Connection[Any]) -> bool:
    """Return whether others are connected to the database; closed connections end a little later."""
    query = (
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    for _ in range(50):
        row = connection.execute(query).fetchone()
        if row == (0,):
            return False
        connection.execute("SELECT pg_sleep(0.01)")
    return True


def find_programs() -> Path:
    """Return the folder of PostgreSQL's programs. Raises LookupError."""
    if initdb := shutil.which("initdb"):
        return Path(initdb).resolve().parent
    versions = sorted(
        (folder / "bin" for folder in DEBIAN_FOLDER.glob("*") if (folder / "bin" / "initdb").exists()),
        key=lambda folder: int(folder.parent.name),
    )
    if not versions:
        raise LookupError("needs PostgreSQL: install Debian's package postgresql, or set TEST_POSTGRES_URL")
    return versions[-1]


def start_or_skip(*, durable: bool = False, port: int | None = None) -> PostgresServer:
    """Return a server; skip the test if there is none, or fail it in CI."""
    try:
        return PostgresServer(durable=durable, port=port)
    except LookupError as problem:
        if os.environ.get("CI"):
            pytest.fail(str(problem))
        pytest.skip(str(problem))


@contextmanager
def shared_template() -> Iterator[None]:
    """Create the files of a new server once for all that start meanwhile, in this process or its children."""
    try:
        programs = find_programs()
    except LookupError:  # The tests say so.
        yield
        return
    folder = _create_folder()
    _create_cluster(programs, folder)
    os.environ[TEMPLATE_VARIABLE] = str(folder / "data")
    try:
        yield
    finally:
        del os.environ[TEMPLATE_VARIABLE]
        shutil.rmtree(folder)


def _create_folder() -> Path:
    # Sockets have short paths (unix(7)), so the folder is not one of pytest's.
    folder = Path(tempfile.mkdtemp(prefix="bb-pg-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")))
    if os.geteuid() == 0:
        shutil.chown(folder, SYSTEM_USER)
    return folder


def _create_cluster(programs: Path, folder: Path) -> None:
    subprocess.run(
        [
            programs / "initdb", "--pgdata", folder / "data", "--username", "buildbell",
            "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions",
        ],
        check=True, stdout=subprocess.DEVNULL, **_process_options(folder),
    )  # fmt: skip


def _process_options(folder: Path) -> dict[str, Any]:
    # PostgreSQL refuses to run as root.
    options: dict[str, Any] = {"cwd": folder}
    return options | ({"user": SYSTEM_USER, "extra_groups": []} if os.geteuid() == 0 else {})


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)
