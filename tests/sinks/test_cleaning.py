"""What an erasure may say of when nothing was readable any more."""

import uuid
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from tokentrail.sinks.erasure.cleaning import Cleaning
from tokentrail.sinks.erasure.subject import read_subject


@pytest.mark.parametrize("refused", ["", "UPDATE `trail`.alerts "])
def test_values_that_the_engine_did_not_replace_are_not_called_hidden(refused: str) -> None:
    class Client:
        def command(self, statement: str, **_: object) -> None:
            if refused and statement.startswith(refused):
                raise DatabaseError("no lightweight updates here")

    client: Any = Client()
    cleaning = Cleaning(client, "trail", read_subject("user:ann"), [uuid.uuid4().hex], ())
    assert cleaning.hide() is not bool(refused)
