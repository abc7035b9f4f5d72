"""A client of the engine, and its errors in our terms."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver import httputil
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from tokentrail.errors import EngineError
from tokentrail.settings import Settings

CONNECT_TIMEOUT_S = 5
_LOOPBACK = frozenset(("127.0.0.1", "::1", "localhost"))


def connect(settings: Settings, *, as_reader: bool = False, timeout_s: int = 300) -> Client:
    """Open a client of its own connection pool; blocking, may be used by several threads at once.

    Raises:
        EngineError: nobody answers at the address, or the account is refused.
    """
    user = settings.clickhouse_reader_user if as_reader else settings.clickhouse_user
    password = settings.clickhouse_reader_password if as_reader else settings.clickhouse_password
    with engine_errors(settings):
        return clickhouse_connect.get_client(
            dsn=settings.clickhouse,
            username=user,
            password=password,
            # No session: statements of one client may run at the same time.
            autogenerate_session_id=False,
            connect_timeout=CONNECT_TIMEOUT_S,
            send_receive_timeout=timeout_s,
            # Compression on one machine is work for nothing.
            compress=False if urlsplit(settings.clickhouse).hostname in _LOOPBACK else "lz4",
            # Retries are the caller's: a repeated insert may have landed already.
            query_retries=0,
            pool_mgr=httputil.get_pool_manager(retries=False, maxsize=8, num_pools=2),
        )


@contextmanager
def engine_errors(settings: Settings) -> Iterator[None]:
    """Turn the client's errors into EngineError.

    Raises:
        EngineError: with the engine's own first line, or that it cannot be reached.
    """
    try:
        yield
    except OperationalError as error:
        raise EngineError(
            f"ClickHouse at {settings.clickhouse_address} cannot be reached ({_root(error)}); "
            f"check TOKENTRAIL_CLICKHOUSE and that it runs."
        ) from error
    except ClickHouseError as error:
        raise EngineError(f"ClickHouse at {settings.clickhouse_address} refused: {_first_line(error)}") from error
    except OSError as error:
        raise EngineError(f"The connection to ClickHouse at {settings.clickhouse_address} broke: {error}") from error


def _root(error: BaseException) -> str:
    """Return what lies at the bottom: "Connection refused", not the client's account of its attempts."""
    while (deeper := error.__cause__ or error.__context__) is not None:
        error = deeper
    return getattr(error, "strerror", None) or _first_line(error)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:2000]
