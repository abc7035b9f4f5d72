"""Accounts: who may ask, and what each may do."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from tokentrail.compose.embedded.clickhouse_http.failures import ClickHouseFailure, refusal
from tokentrail.settings import Settings

OWNER = "owner"
READER = "reader"

# What one reader's query may cost on a machine that also writes the ledger.
READER_LIMITS: Mapping[str, str] = {
    "max_execution_time": "30",
    "max_result_rows": "1000000",
    "max_result_bytes": "268435456",
    "max_rows_to_read": "1000000000",
    "max_memory_usage": "1073741824",
    "max_ast_elements": "50000",
    "max_threads": "2",
    "priority": "1",
}


@dataclass(frozen=True, slots=True)
class Account:
    """A name with a password, and the role its connections have (accounts.xml)."""

    user: str
    password: str = field(repr=False)
    role: str

    @property
    def read_only(self) -> bool:
        """Whether this account may only read, within `READER_LIMITS`."""
        return self.role == READER


class Accounts:
    """The two accounts of the embedded engine."""

    def __init__(self, settings: Settings) -> None:
        """Take both from the settings.

        Raises:
            SettingsError: they have the same name.
        """
        settings.require_two_accounts()
        owner = Account(settings.clickhouse_user, settings.clickhouse_password, OWNER)
        reader = Account(settings.clickhouse_reader_user, settings.clickhouse_reader_password, READER)
        self.owner = owner
        self._by_user = {reader.user: reader, owner.user: owner}

    def authenticate(self, headers: Mapping[str, str], query: Mapping[str, str]) -> Account:
        """Return the account whose user and password a request carries.

        Like a server, it takes them from X-ClickHouse-User and -Key, from basic authorization, or from `user` and
        `password` in the query string; without any of them the user is `default`.

        Raises:
            ClickHouseFailure: 516, without telling whether the user or the password is wrong.
        """
        user, password = _credentials(headers, query)
        account = self._by_user.get(user)
        expected = account.password if account else ""
        matches = hmac.compare_digest(password.encode(), expected.encode())
        if account is None or not matches:
            raise _denied(user)
        return account


def _credentials(headers: Mapping[str, str], query: Mapping[str, str]) -> tuple[str, str]:
    if "X-ClickHouse-User" in headers or "X-ClickHouse-Key" in headers:
        return headers.get("X-ClickHouse-User", "default"), headers.get("X-ClickHouse-Key", "")
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise _denied("default") from error
        return user, password
    if scheme:
        raise refusal(
            516,
            "AUTHENTICATION_FAILED",
            f"The embedded engine knows no {scheme} authentication: send user and password.",
        )
    return query.get("user", "default"), query.get("password", "")


def _denied(user: str) -> ClickHouseFailure:
    reason = f"{user}: Authentication failed: password is incorrect, or there is no user with such name."
    return refusal(516, "AUTHENTICATION_FAILED", reason)
