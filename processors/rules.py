"""Rules: read from TOML, checked, and versioned by their content."""

import hashlib
import tomllib
from importlib.resources import files
from pathlib import Path

import msgspec

from tokentrail.errors import RuleError
from tokentrail.processors.groupings import SEPARATOR
from tokentrail.schemas.rules import RatioToBaseline, Rule, RuleFile

DEFAULT_RULES = "default_rules.toml"


def load_rules(path: Path | None = None) -> list[Rule]:
    """Read a rule file, or the shipped rules. Returns the enabled rules, sorted by name.

    Raises:
        RuleError: names file, rule and field.
    """
    source = str(path) if path else f"the shipped {DEFAULT_RULES}"
    try:
        text = path.read_text(encoding="utf-8") if path else _read_shipped()
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError(f"The rules in {source} cannot be read: {error}. Check the setting `rules`.") from error
    return parse_rules(text, source)


def parse_rules(text: str, source: str) -> list[Rule]:
    """Check a rule file's text. `source` goes into messages.

    Raises:
        RuleError: names source, rule and field.
    """
    try:
        document = tomllib.loads(text)
        rules = msgspec.convert(document, RuleFile).rule
    except tomllib.TOMLDecodeError as error:
        raise RuleError(f"{source} is not valid TOML: {error}.") from error
    except msgspec.ValidationError as error:
        raise RuleError(f"{source} has a rule that cannot be used: {error}.") from error
    _check(rules, source)
    return sorted((rule for rule in rules if rule.enabled), key=lambda rule: rule.name)


def version_rule(rule: Rule) -> str:
    """Return the version of a rule: the first 12 hex digits of SHA-256 over its content; any change changes it."""
    return hashlib.sha256(msgspec.json.encode(rule, order="sorted")).hexdigest()[:12]


def summarize(rule: Rule, dimension: str, entity: str, value: float, baseline: float | None) -> str:
    """Fill the rule's summary template.

    Raises:
        KeyError, ValueError, IndexError, AttributeError: the template is not one; `parse_rules` has refused it.
    """
    template = rule.summary or "{dimension} {entity}: {metric} is {value:.6g} over {window_s} s"
    return template.format(
        dimension=dimension,
        entity=entity.replace(SEPARATOR, " / "),
        metric=rule.metric,
        value=value,
        baseline=baseline or 0.0,
        window_s=rule.window_s,
    )


def _check(rules: list[Rule], source: str) -> None:
    seen: set[str] = set()
    for rule in rules:
        where = f"{source}: rule {rule.name!r}"
        if rule.name in seen:
            raise RuleError(f"{where} stands there twice; give each rule a name of its own.")
        seen.add(rule.name)
        if isinstance(rule.condition, RatioToBaseline) and rule.metric == "error_ratio":
            raise RuleError(f"{where}: error_ratio wants a condition of type 'threshold', with a baseline if need be.")
        try:
            summarize(rule, "user_id", "x", 1.0, 1.0)
        except (KeyError, ValueError, IndexError, AttributeError) as error:
            raise RuleError(
                f"{where}: its summary cannot be filled ({error!r}); "
                "known names are dimension, entity, metric, value, baseline, window_s."
            ) from error


def _read_shipped() -> str:
    return files("tokentrail.processors").joinpath(DEFAULT_RULES).read_text(encoding="utf-8")
