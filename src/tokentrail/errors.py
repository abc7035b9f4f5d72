"""Every error that Tokentrail raises, in one tree.

TokentrailError
├── SettingsError        a setting is missing, unknown or unusable
├── RuleError            a rule file cannot be used
├── PriceListError       a price file cannot be used
├── RedactionError       a text cannot be redacted and must not be kept
├── RecordingRefusedError  a call was not made, because it could not be recorded
├── SourceError          a file or a stretch of the log that shall be read again cannot be
├── BrokerError          Kafka cannot be reached or refuses
├── EngineError          ClickHouse cannot be reached or refuses
├── LedgerError          the ledger's tables need a hand before they can be written to
├── QueryError           a named query, or what it was asked with, cannot be used
├── AttributionError     a mapping, a split or a budget cannot be used
├── ErasureError         a subject cannot be erased, or not wholly
├── KeyStoreError        the keys of sealed fields cannot be used
├── ReportError          a report cannot be written
├── MigrationError       the database's schema is not the one expected
└── StackError           the one-machine stack cannot start or go on
    ├── AlreadyRunningError  another stack owns the data directory
    ├── PortTakenError       a port is in use by somebody else
    ├── DiskFullError        no room is left for the data
    └── DownloadError        Kafka's jars cannot be had or are not the expected ones

A message says what happened, to which thing, and what to do next. The command line prints it without a traceback.
"""


class TokentrailError(Exception):
    """Root of all errors raised on purpose."""


class SettingsError(TokentrailError):
    """A setting is missing, unknown or unusable."""


class RuleError(TokentrailError):
    """A rule file cannot be used; names file, rule and field."""


class PriceListError(TokentrailError):
    """A price file cannot be used; names file, entry and field."""


class RedactionError(TokentrailError):
    """A text cannot be redacted; who holds it drops it and keeps the rest."""


class RecordingRefusedError(TokentrailError):
    """A call was not made: the delivery is `strict`, and the call could not be recorded."""


class SourceError(TokentrailError):
    """A file, or a stretch of the log, that shall be read again cannot be; names file and line."""


class BrokerError(TokentrailError):
    """Kafka cannot be reached or refuses what was asked."""


class EngineError(TokentrailError):
    """ClickHouse cannot be reached or refuses what was asked."""


class LedgerError(TokentrailError):
    """The ledger's tables hold what no attempt mends; names the statement that does."""


class QueryError(TokentrailError):
    """A named query, or a parameter of one, cannot be used."""


class AttributionError(TokentrailError):
    """A mapping, a split or a budget cannot be used; names file, entry and field."""


class ErasureError(TokentrailError):
    """A subject cannot be erased, or is not wholly erased yet; says how to go on."""


class KeyStoreError(TokentrailError):
    """The keys of sealed personal fields cannot be used; says what to restore."""


class ReportError(TokentrailError):
    """A report cannot be written where it was to go."""


class MigrationError(TokentrailError):
    """The database's schema is not the one this version expects."""


class StackError(TokentrailError):
    """The one-machine stack cannot start or go on."""


class AlreadyRunningError(StackError):
    """Another stack owns the data directory."""


class PortTakenError(StackError):
    """A port is in use by somebody else."""


class DiskFullError(StackError):
    """No room is left for the data."""


class DownloadError(StackError):
    """Kafka's jars cannot be had, or are not the expected ones."""
