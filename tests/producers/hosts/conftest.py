"""Where the programs of these tests run."""

from pathlib import Path

import pytest
from host_program import host_environ


@pytest.fixture
def environ(provider_url: str, tmp_path: Path) -> dict[str, str]:
    """Environment of a program that spools below this test's folder."""
    return host_environ(provider_url, tmp_path)
