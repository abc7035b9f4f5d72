"""`tokentrail checkpoint`: sign what the ledger holds, now."""

import asyncio

from tokentrail.cli.output import JsonFlag, out, print_json
from tokentrail.errors import SettingsError


def checkpoint(as_json: JsonFlag = False) -> None:
    """Sign what the ledger gained since the last checkpoint, without waiting for the next one."""
    from tokentrail.settings import current_settings
    from tokentrail.sinks.clickhouse.follower_worker import publish_checkpoints
    from tokentrail.sinks.clickhouse.log_follower import LogFollower, load_key

    settings = current_settings()
    key = load_key(settings)
    if key is None:
        raise SettingsError("No checkpoint_key is set; make one with `tokentrail keys make`.")
    lines: list[bytes] = []
    follower = LogFollower(settings, key, lines.append, findings=False)
    try:
        follower.recover()
        signed = follower.checkpoint()
    finally:
        follower.close()
    asyncio.run(publish_checkpoints(settings, lines))
    content = signed.read() if signed else None
    if as_json:
        print_json(content)
    elif content is None:
        out.print("Nothing has come since the last checkpoint.")
    else:
        records = sum(one.records for one in content.ranges)
        out.print(
            f"Checkpoint {content.number} signs {records:,} records; it is in {settings.checkpoints}.", soft_wrap=True
        )
