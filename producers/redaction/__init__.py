"""Content policy: what is personal or secret is replaced before a text is hashed, cut, queued or written."""

from tokentrail.producers.redaction.metadata import holds_secret, redact_secrets
from tokentrail.producers.redaction.policy import ContentPolicy, preview
from tokentrail.producers.redaction.redactor import Redacted, Redactor

__all__ = ["ContentPolicy", "Redacted", "Redactor", "holds_secret", "preview", "redact_secrets"]
