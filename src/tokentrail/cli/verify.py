"""`tokentrail verify`: whether the ledger is what was written and signed."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokentrail.cli.moments import parse_moment
from tokentrail.cli.output import JsonFlag, err, out, print_json
from tokentrail.errors import BrokerError, SettingsError

if TYPE_CHECKING:
    from tokentrail.settings import Settings
    from tokentrail.sinks.clickhouse.ledger_verifier import Witnesses
    from tokentrail.sinks.integrity.signing_keys import PublicKey
    from tokentrail.sinks.integrity.verification import Verdict

_LISTED_NOTES = 20


def verify(  # noqa: PLR0913, PLR0917 - each is an option of its own
    since: Annotated[
        str | None, typer.Option(help="From the last checkpoint before then: 24h, 7d, or an ISO time.")
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(help="A public key to trust, ed25519:… or a PEM file; may be repeated. Without it, your own."),
    ] = None,
    checkpoints: Annotated[
        Path | None, typer.Option(help="A copy of the checkpoint file; without it, that of the settings.")
    ] = None,
    kafka: Annotated[bool, typer.Option(help="Compare with what Kafka has.")] = True,
    processes: Annotated[int, typer.Option(min=1, max=64, help="How many cores to use.")] = 2,
    export: Annotated[
        Path | None, typer.Option(help="Verify this file of `tokentrail export --signed`, and nothing else.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Say whether anything in the ledger was edited, deleted, added, reordered, cut off, rolled back or signed anew.

    Exit status 0: no. 1: yes, one line for each finding.
    """
    from tokentrail.garbage import collect_rarely
    from tokentrail.settings import current_settings
    from tokentrail.sinks.clickhouse.ledger_verifier import verify_ledger

    collect_rarely()
    settings = current_settings()
    if export is not None:
        from tokentrail.sinks.integrity.export_file import verify_export

        keys = _keys(settings, key, required=False)
        verdict = verify_export(export, keys)
        if keys and not as_json:
            named = ", ".join(one.key_id for one in keys)
            out.print(
                f"Trusted key: {named}, {'as --key says' if key else 'your own (checkpoint_key); no --key was given'}."
            )
    else:
        moment = parse_moment(since) if since else None
        witnesses = _witnesses(settings, _keys(settings, key), checkpoints, kafka=kafka)
        verdict = verify_ledger(settings, witnesses, moment, processes)
    _show(verdict, as_json=as_json)
    raise typer.Exit(0 if verdict.sound else 1)


def _keys(settings: "Settings", words: list[str] | None, *, required: bool = True) -> "list[PublicKey]":
    from tokentrail.sinks.clickhouse.log_follower import load_key
    from tokentrail.sinks.integrity.signing_keys import read_public_key

    if words:
        return [read_public_key(word) for word in words]
    own = load_key(settings)
    if own is None and required:
        err.print("No key is named (--key) and none is set (checkpoint_key): no checkpoint is trusted.")
    return [own.public] if own else []


def _witnesses(settings: "Settings", keys: "list[PublicKey]", checkpoints: Path | None, *, kafka: bool) -> "Witnesses":
    from tokentrail.sinks.clickhouse.checkpoint_topic import read_checkpoint_topic, read_committed, read_ends
    from tokentrail.sinks.clickhouse.ledger_verifier import Witnesses
    from tokentrail.sinks.integrity.checkpoint_file import CheckpointFile

    if checkpoints is not None and not checkpoints.exists():
        raise SettingsError(f"{checkpoints} is not there; name the file that the ledger's checkpoints are kept in.")
    topic, committed = None, {}
    if kafka:
        try:
            committed = asyncio.run(read_committed(settings))
            topic = asyncio.run(read_checkpoint_topic(settings))
        except BrokerError as error:
            err.print(f"Not compared with Kafka: {error}", soft_wrap=True)
    file = CheckpointFile(checkpoints or settings.checkpoints)

    def ask_ends() -> dict[int, int]:
        return asyncio.run(read_ends(settings)) if topic is not None else {}

    return Witnesses(keys=keys, file=file, topic=topic, committed=committed, ask_ends=ask_ends)


def _show(verdict: "Verdict", *, as_json: bool) -> None:
    if as_json:
        print_json({"sound": verdict.sound, **{name: getattr(verdict, name) for name in verdict.__struct_fields__}})
        return
    for found in verdict.findings:
        out.print(found.line, soft_wrap=True, markup=False)
    if verdict.untold:
        out.print(f"and {verdict.untold:,} findings more")
    for note in verdict.notes[:_LISTED_NOTES]:
        out.print(f"note: {note.line}", soft_wrap=True, markup=False)
    if len(verdict.notes) > _LISTED_NOTES:
        out.print(f"and {len(verdict.notes) - _LISTED_NOTES:,} notes more; --json has them all")
    counted = (
        f"{verdict.records:,} records, {verdict.unsigned:,} of them not signed yet, {verdict.checkpoints:,} checkpoints"
    )
    said = "nothing is wrong" if verdict.sound else f"{len(verdict.findings) + verdict.untold:,} findings"
    out.print(f"{counted}: {said}.")
