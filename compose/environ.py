"""Settings as environment variables, for the processes that shall work with them."""

import os
from collections.abc import Mapping

from tokentrail.settings import PREFIX, Settings


def worker_environ(settings: Settings, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a whole environment in which `load_settings` gives these settings.

    `base` (default: this process's environment) gives the rest; its own Tokentrail variables are left out.
    """
    base = os.environ if base is None else base
    values = {name: getattr(settings, name) for name in settings.__struct_fields__}
    return {
        **{name: value for name, value in base.items() if not name.startswith(PREFIX)},
        # A table (`redact`) has no form in the environment: what it is for happens in the services, not in the workers.
        **{
            PREFIX + name.upper(): str(value)
            for name, value in values.items()
            if value is not None and not isinstance(value, dict)
        },
        # A tokentrail.toml in the current directory was read once already; what it says is in these settings.
        "TOKENTRAIL_CONFIG": os.devnull,
    }
