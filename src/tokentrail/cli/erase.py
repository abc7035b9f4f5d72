"""`tokentrail erase` and `tokentrail access`: what a person may ask of whoever keeps the trail."""

from pathlib import Path
from typing import Annotated

import typer

from tokentrail.cli.output import JsonFlag, err, json_bytes, out, print_json, print_table

SubjectOption = Annotated[str, typer.Option("--subject", help="user:ID, session:ID or ip:ADDRESS.")]
OutOption = Annotated[Path | None, typer.Option("--out", help="A file to write to; it must not exist.")]


def erase(
    subject: SubjectOption,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be erased, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    out_file: OutOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Erase a person from the ledger, and give a signed receipt; what cannot be reached is named in it."""
    from tokentrail.settings import current_settings
    from tokentrail.sinks.erasure.erasing import Eraser
    from tokentrail.sinks.erasure.subject import read_subject
    from tokentrail.sinks.integrity.signing_keys import load_signing_key

    settings = current_settings()
    named = read_subject(subject)
    key = None
    if settings.checkpoint_key is not None:
        key = load_signing_key(settings.checkpoint_key, settings.checkpoint_key_password)
    eraser = Eraser(settings, key)
    try:
        if dry_run or not yes:
            counts = eraser.preview(named)
            if dry_run and as_json:
                print_json(counts)
                return
            print_table("Would be erased" if dry_run else "Will be erased", ["what", "rows"], counts.items(), ["rows"])
            if dry_run:
                return
            typer.confirm(f"Erase {named.name} from {settings.clickhouse_database}? Nobody brings it back", abort=True)
        signed = eraser.erase(named)
    finally:
        eraser.close()
    if out_file is not None:
        _write_new(out_file, json_bytes(signed))
    if as_json:
        print_json(signed)
        return
    print_table(
        f"Erasure {signed.receipt.erasure_id}", ["table", "rows", "what was done"],
        [(one.table, one.rows, one.done) for one in signed.receipt.cleaned], ["rows"],
    )  # fmt: skip
    out.print(f"Keys destroyed: {signed.receipt.keys_destroyed}. Not reached: {'; '.join(signed.receipt.not_reached)}.")
    if not signed.signature:
        err.print("The receipt is not signed: set checkpoint_key (`tokentrail keys make` makes one).")


def access(subject: SubjectOption, out_file: OutOption = None) -> None:
    """Give a person all that the ledger holds of them, as JSON."""
    from tokentrail.settings import current_settings
    from tokentrail.sinks.erasure.access import read_everything
    from tokentrail.sinks.erasure.subject import read_subject

    everything = read_everything(current_settings(), read_subject(subject))
    if out_file is None:
        print_json(everything)
        return
    _write_new(out_file, json_bytes(everything))
    counts = ", ".join(f"{len(rows)} {name}" for name, rows in everything.items() if isinstance(rows, list))
    out.print(f"{out_file}: {counts}.")


def _write_new(path: Path, content: bytes) -> None:
    from tokentrail.errors import SettingsError

    try:
        with path.open("xb") as file:
            file.write(content + b"\n")
        path.chmod(0o600)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written ({error.strerror}): name another file.") from error
