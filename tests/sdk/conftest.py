"""Failing checks show what they compared, as tests do."""

import pytest

pytest.register_assert_rewrite("sdk_checks")
