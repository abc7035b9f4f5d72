"""`tokentrail export`: a stretch of the log in one file for an auditor."""

from pathlib import Path
from typing import Annotated

import typer

from tokentrail.cli.moments import parse_moment
from tokentrail.cli.output import JsonFlag, out, print_json
from tokentrail.errors import SettingsError


def export(
    path: Annotated[Path, typer.Option("--out", help="The file to write.")],
    since: Annotated[
        str | None, typer.Option(help="From then on: 24h, 7d, or an ISO time; else from the beginning.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Until then; else up to the last checkpoint.")] = None,
    signed: Annotated[
        bool, typer.Option("--signed", help="With checkpoints and signatures; there is no other way yet.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write records, rates, checkpoints and public key into one file that anybody can verify offline."""
    from tokentrail.settings import current_settings
    from tokentrail.sinks.clickhouse.log_follower import load_key
    from tokentrail.sinks.clickhouse.signed_export import export_signed

    if not signed:
        raise typer.BadParameter("say --signed: what is exported is what checkpoints have signed.")
    settings = current_settings()
    key = load_key(settings)
    if key is None:
        raise SettingsError(
            "No checkpoint_key is set, and nothing can be signed; make one with `tokentrail keys make`."
        )
    if path.exists():
        raise SettingsError(f"{path} exists already; name another file.")
    begin, end = (parse_moment(text) if text else None for text in (since, until))
    try:
        manifest = export_signed(settings, key, path, begin, end)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written ({error.strerror}); name another file.") from error
    if as_json:
        print_json(manifest)
    else:
        numbers = f"checkpoints {manifest.first_checkpoint} to {manifest.last_checkpoint}"
        out.print(f"{manifest.records:,} records, {numbers}, signed with {key.public.key_id}: {path}", soft_wrap=True)
