"""`tokentrail keys`: the key that signs checkpoints."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokentrail.cli.output import JsonFlag, out, print_json
from tokentrail.errors import SettingsError

if TYPE_CHECKING:
    from tokentrail.sinks.integrity.signing_keys import PublicKey

app = typer.Typer(no_args_is_help=True, help="Make the key that signs checkpoints, and show its public half.")


@app.command()
def make(
    path: Annotated[Path, typer.Argument(help="A new file for the private key; only its owner may read it.")],
    as_json: JsonFlag = False,
) -> None:
    """Make a key. Encrypted where the setting `checkpoint_key_password` has a passphrase."""
    from tokentrail.settings import current_settings
    from tokentrail.sinks.integrity.signing_keys import make_signing_key

    key = make_signing_key(path, current_settings().checkpoint_key_password)
    _show(key.public, as_json=as_json)
    if not as_json:
        out.print(
            f"The private key is in {path}. Let the ledger sign with it: checkpoint_key = {str(path)!r}", soft_wrap=True
        )
        warning = "Give the public key to whoever verifies, by a way that the ledger's keepers do not control."
        out.print(warning, soft_wrap=True)


@app.command()
def show(as_json: JsonFlag = False) -> None:
    """Show the public half of the key in the setting `checkpoint_key`."""
    from tokentrail.settings import current_settings
    from tokentrail.sinks.clickhouse.log_follower import load_key

    key = load_key(current_settings())
    if key is None:
        raise SettingsError("No checkpoint_key is set; make one with `tokentrail keys make`.")
    _show(key.public, as_json=as_json)


def _show(public: "PublicKey", *, as_json: bool) -> None:
    if as_json:
        print_json({"key_id": public.key_id, "public_key": public.text})
    else:
        out.print(f"key id      {public.key_id}")
        out.print(f"public key  {public.text}", soft_wrap=True)
