"""Settings: defaults, then `tokentrail.toml`, then `TOKENTRAIL_*` in the environment; the last one wins."""

import os
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tokentrail.errors import SettingsError

PREFIX = "TOKENTRAIL_"
CONFIG_FILE = "tokentrail.toml"
_NOT_SETTINGS = frozenset(("TOKENTRAIL_CONFIG",))
_FOUND_OUT = frozenset(("kafka_configured",))
"""Fields that say how the settings came about; nobody sets them."""
_PATHS = (
    "data", "rules", "prices", "budgets", "spool", "events_file", "subject_keys", "kafka_ssl_cafile",
    "kafka_ssl_certfile", "kafka_ssl_keyfile",
)  # fmt: skip


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the parts find each other, and the few numbers that shape the pipeline.

    The same names serve in `tokentrail.toml` (lower case) and in the environment (`TOKENTRAIL_KAFKA=…`).
    """

    kafka: str = "127.0.0.1:9092"
    """Bootstrap servers, comma-separated."""
    kafka_configured: bool = True
    """False where neither file nor environment names a broker: `kafka` is then only where a stack would be."""
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    kafka_sasl_username: str = ""
    kafka_sasl_password: str = ""
    kafka_ssl_cafile: Path | None = None
    """Certificates of the authorities to trust, PEM; without it the system's."""
    kafka_ssl_certfile: Path | None = None
    """This client's own certificate, PEM."""
    kafka_ssl_keyfile: Path | None = None
    kafka_ssl_password: str = ""
    """Of the key file, if it is encrypted."""
    kafka_ssl_check_hostname: bool = True
    delivery: Literal["spool", "memory", "strict"] = "spool"
    """Where events wait for Kafka: on disk, in memory, or on disk with a call refused that cannot be recorded."""
    spool: Path | None = None
    """Where events wait on disk; without it `tokentrail/spool` below XDG_STATE_HOME or `~/.local/state`."""
    spool_max_bytes: Annotated[int, Meta(ge=65_536, le=2**50)] = 1_073_741_824
    """Of all processes that use the directory; what is over is refused and counted."""
    spool_max_age_s: Annotated[float, Meta(ge=1, le=1e9)] = 604_800.0
    """What has waited longer is removed and counted."""
    events_file: Path | None = None
    """A file that every event of a service is appended to as well, one line an event."""
    events_logger: str = ""
    """The name of a logger that gets every event of a service as well, as JSON at level INFO."""
    clickhouse: str = "http://127.0.0.1:8123"
    clickhouse_database: Annotated[str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_]{0,62}$")] = "tokentrail"
    clickhouse_user: str = "default"
    clickhouse_password: str = ""
    clickhouse_reader_user: str = "tokentrail_reader"
    """The account behind `tokentrail query`: read-only, limited in rows and time."""
    clickhouse_reader_password: str = ""
    clickhouse_auditor_user: str = "tokentrail_auditor"
    """An account for an auditor, on a server: the archive and its proofs, and no personal column of `calls`."""
    clickhouse_auditor_password: str = ""
    topic_prefix: Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{0,60}$")] = ""
    """Goes before every topic, consumer group and Faust app id: several trails on one broker."""
    partitions: Annotated[int, Meta(ge=1, le=1024)] = 8
    replication_factor: Annotated[int, Meta(ge=1, le=7)] = 1
    allowed_lateness_ms: Annotated[int, Meta(ge=0, le=600_000)] = 1000
    """How far behind the newest event of its partition an event may come and still be detected on."""
    idle_after_ms: Annotated[int, Meta(ge=100, le=600_000)] = 2000
    """How long a partition must be quiet before it stops holding the others back."""
    flush_interval_s: Annotated[float, Meta(ge=0.1, le=600)] = 5.0
    """How often `watch` writes changed entities to its changelog."""
    rules: Path | None = None
    """A rule file in place of the shipped rules."""
    prices: Path | None = None
    """Your own price list; it goes before the public one."""
    checkpoint_key: Path | None = None
    """The private key that signs what the ledger holds (`tokentrail keys make`); without it, nothing is signed."""
    checkpoint_key_password: str = ""
    """Of the key file, if it is encrypted."""
    checkpoint_interval_s: Annotated[float, Meta(ge=1, le=86_400)] = 60.0
    """How often the ledger signs what it gained."""
    checkpoint_file: Path | None = None
    """Where signed checkpoints are appended to; without it `checkpoints.jsonl` below `data`."""
    budgets: Path | None = None
    """What may be spent, by whom, and how shared cost is split."""
    data: Path = Path("~/.local/share/tokentrail")
    """Data of the one-machine stack."""
    content: Literal["off", "preview", "full"] = "off"
    """What is kept of prompts and answers: nothing, 200 characters, or all, of the redacted text."""
    subject_keys: Path | None = None
    """A directory of keys, one for each person: with it the archive keeps personal fields sealed, and can be erased."""
    kept_attributes: str = "team"
    """Attributes, comma-separated, that are nobody's: they are not sealed, and stay when a person is erased."""
    relays: dict[str, str] = {}
    """Addresses of your own by the name of the provider they stand for; only in the file."""
    retention_days: dict[str, Annotated[int, Meta(ge=8, le=36_500)]] = {}
    """For how many days after the end of its month a table keeps a row, by table; without, forever; only in the file.

    At least 8: an event may be 7 days late."""
    storage_policy: Annotated[str, Meta(pattern="^[A-Za-z0-9_]{0,60}$")] = ""
    """A storage policy of the ClickHouse server, for the ledger's tables."""
    cold_volume: Annotated[str, Meta(pattern="^[A-Za-z0-9_]{0,60}$")] = ""
    """The volume of that policy that old months go to."""
    cold_after_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    """How many days after its end a month goes there; 0: never."""
    redact: dict[str, str] = {}
    """Patterns of your own (RE2) by name, redacted beside the built-in kinds; only in the file."""
    service: str = ""
    environment: str = ""
    key_pepper: str = ""
    """Secret behind key fingerprints and content hashes; without it a random one is kept beside the user's settings."""

    @property
    def checkpoints(self) -> Path:
        """Where signed checkpoints are appended to."""
        return self.checkpoint_file or self.data / "checkpoints.jsonl"

    @property
    def clickhouse_address(self) -> str:
        """The address of ClickHouse to be shown or kept: without user, password and query, which may hold secrets."""
        rest = self.clickhouse.partition("://")[2] or self.clickhouse
        # The last @ of all, not of the part that a parser takes for the host: a password may hold a bare slash.
        return self.clickhouse.removesuffix(rest) + rest.rpartition("@")[2].partition("?")[0]

    def require_two_accounts(self) -> None:
        """Make sure that whoever reads the ledger is not the account that writes it.

        Raises:
            SettingsError: writer and reader have the same name.
        """
        if self.clickhouse_auditor_user in (self.clickhouse_user, self.clickhouse_reader_user):
            raise SettingsError(
                f"clickhouse_auditor_user is {self.clickhouse_auditor_user!r}, and so is another account: give it a "
                "name of its own."
            )
        if self.clickhouse_user == self.clickhouse_reader_user:
            raise SettingsError(
                f"clickhouse_user and clickhouse_reader_user are both {self.clickhouse_user!r}: the reader's limits "
                "would bind the writer, or its rights be the reader's. Give one of them another name."
            )

    def require_consistency(self) -> None:
        """Make sure that the settings of the connection to Kafka go together.

        Raises:
            SettingsError: names the two that do not.
        """
        protocol = self.kafka_security_protocol
        sasl, ssl = protocol.startswith("SASL_"), protocol.endswith("SSL")
        if sasl and not (self.kafka_sasl_username and self.kafka_sasl_password):
            raise SettingsError(
                f"kafka_security_protocol is {protocol}, which needs kafka_sasl_username and kafka_sasl_password: "
                "set both, or another protocol."
            )
        if not sasl and (self.kafka_sasl_username or self.kafka_sasl_password):
            raise SettingsError(
                f"kafka_sasl_username or kafka_sasl_password is set, but kafka_security_protocol is {protocol}, which "
                "sends neither: set it to SASL_SSL or SASL_PLAINTEXT."
            )
        if not ssl and (self.kafka_ssl_cafile or self.kafka_ssl_certfile or self.kafka_ssl_keyfile):
            raise SettingsError(
                f"kafka_ssl_cafile, kafka_ssl_certfile or kafka_ssl_keyfile is set, but kafka_security_protocol is "
                f"{protocol}, which does not encrypt: set it to SSL or SASL_SSL."
            )
        if self.kafka_ssl_keyfile and not self.kafka_ssl_certfile:
            raise SettingsError("kafka_ssl_keyfile is set without kafka_ssl_certfile: name the key's certificate too.")

    def kept_attribute_names(self) -> list[str]:
        """Return the names in `kept_attributes`."""
        return [name for text in self.kept_attributes.split(",") if (name := text.strip())]

    def topic(self, name: str) -> str:
        """Return the full name of a topic."""
        return f"{self.topic_prefix}{name}"

    def group(self, part: str) -> str:
        """Return the consumer group or Faust app id of a part, e.g. `tokentrail-ledger`."""
        return f"{self.topic_prefix}tokentrail-{part}"


def load_settings(environ: Mapping[str, str] | None = None, directory: Path | None = None) -> Settings:
    """Read settings; reads one small file, no network.

    Raises:
        SettingsError: names the source and the field that is wrong.
    """
    environ = os.environ if environ is None else environ
    path = Path(environ.get("TOKENTRAIL_CONFIG") or (directory or Path.cwd()) / CONFIG_FILE)
    values: dict[str, Any] = {}
    if "TOKENTRAIL_CONFIG" in environ or path.exists():
        values.update(_read_file(path))
    overrides = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environ.items()
        if name.startswith(PREFIX) and name not in _NOT_SETTINGS
    }
    known = set(Settings.__struct_fields__) - _FOUND_OUT
    # Unknown variables are let pass: other programs of the same family may share the prefix.
    values.update({name: value for name, value in overrides.items() if name in known})
    return _convert(values, "the environment" if overrides else str(path))


def _read_file(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror}); mend it or unset TOKENTRAIL_CONFIG.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.") from error
    for name in _FOUND_OUT & values.keys():
        raise SettingsError(f"{name} in {path} is no setting: it is found out; take it out.")
    _convert(values, str(path))
    return values


def _convert(values: dict[str, Any], source: str) -> Settings:
    try:
        settings = msgspec.convert(values, Settings, strict=False, dec_hook=lambda kind, value: kind(value))
    except msgspec.ValidationError as error:
        raise SettingsError(f"A setting in {source} cannot be used: {error}.") from error
    settings = msgspec.structs.replace(
        settings,
        kafka_configured="kafka" in values,
        **{name: path.expanduser() for name in _PATHS if (path := getattr(settings, name)) is not None},
    )
    settings.require_consistency()
    return settings


@cache
def current_settings() -> Settings:
    """Return this process's settings, read once."""
    return load_settings()
