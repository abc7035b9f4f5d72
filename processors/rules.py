"""Rules: read from TOML, checked, and versioned by their content."""

import hashlib
import re
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from tokentrail.errors import RuleError
from tokentrail.processors.rule_checks import check_rule
from tokentrail.processors.rule_mistakes import Mistake
from tokentrail.processors.rule_places import find_line
from tokentrail.processors.rule_reading import read_table
from tokentrail.processors.silences import understand_maintenance
from tokentrail.processors.views import SEPARATOR
from tokentrail.schemas.rules import Maintenance, Rule, RuleFile

DEFAULT_RULES: Final = "default_rules.toml"
PLAIN_SUMMARY: Final = "{dimension} {entity}: {metric} is {value:.6g} over {window_s} s"
_AT_LINE: Final = re.compile(r" \(at line (\d+), column \d+\)$")
_Table = TypeVar("_Table", Rule, Maintenance)


def load_rules(path: Path | None = None) -> list[Rule]:
    """Read a rule file, or the shipped rules. Returns the enabled rules, sorted by name.

    Raises:
        RuleError: names file, line, rule and field.
    """
    return enabled_rules(load_rule_file(path))


def load_rule_file(path: Path | None = None) -> RuleFile:
    """Read a rule file, or the shipped one: its rules, disabled ones too, and maintenance windows, in its order.

    Raises:
        RuleError: names file, line, rule or window, and field.
    """
    return _accept(*check_rules(read_rule_text(path), name_source(path)))


def parse_rules(text: str, source: str) -> list[Rule]:
    """Check a rule file's text and return its enabled rules, sorted by name. `source` goes into messages.

    Raises:
        RuleError: names source, line, rule and field.
    """
    return enabled_rules(_accept(*check_rules(text, source)))


def read_rule_text(path: Path | None = None) -> str:
    """Return the text of a rule file, or of the shipped one.

    Raises:
        RuleError: the file cannot be read.
    """
    if path is None:
        return files("tokentrail.processors").joinpath(DEFAULT_RULES).read_text(encoding="utf-8")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError(f"The rules in {path} cannot be read: {error}. Check the setting `rules`.") from error


def name_source(path: Path | None) -> str:
    """Return what a rule file is called in messages."""
    return str(path) if path else f"the shipped {DEFAULT_RULES}"


def check_rules(text: str, source: str) -> tuple[RuleFile, list[Mistake]]:
    """Return what of a rule file's text can be used, and every mistake, by line."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = _AT_LINE.search(str(error))
        line = int(at[1]) if at else len(text.splitlines())
        message = f"this is not valid TOML: {_AT_LINE.sub('', str(error))}"
        return RuleFile(rule=[]), [Mistake(source, line, "", "", message)]
    reading = _Reading(text, source, document)
    found = RuleFile(rule=reading.tables("rule", Rule), maintenance=reading.tables("maintenance", Maintenance))
    reading.look_around()
    return found, sorted(reading.mistakes, key=lambda mistake: mistake.line)


def enabled_rules(found: RuleFile) -> list[Rule]:
    """Return the enabled rules of a file, sorted by name."""
    return sorted((rule for rule in found.rule if rule.enabled), key=lambda rule: rule.name)


def version_rule(rule: Rule) -> str:
    """Return the version of a rule: the first 12 hex digits of SHA-256 over its content; any change changes it.

    Fields that have their default are left out: a field that is new in Tokentrail makes no new version of old rules.
    """
    return hashlib.sha256(msgspec.json.encode(_content_of(rule), order="sorted")).hexdigest()[:12]


def summarize(rule: Rule, dimension: str, entity: str, value: float, baseline: float | None) -> str:
    """Fill the rule's summary template; the values of a combined entity are joined by " / ".

    Raises:
        KeyError, ValueError, IndexError, AttributeError: the template is not one; `parse_rules` has refused it.
    """
    return (rule.summary or PLAIN_SUMMARY).format(
        dimension=dimension,
        entity=entity.replace(SEPARATOR, " / "),
        metric=rule.metric,
        value=value,
        baseline=baseline or 0.0,
        window_s=rule.window_s,
    )


def _content_of(struct: msgspec.Struct) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        default = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
        if value != default:
            content[field.encode_name] = _content_of(value) if isinstance(value, msgspec.Struct) else value
    tag = struct.__struct_config__.tag
    return content if tag is None else {**content, "type": tag}


def _accept(found: RuleFile, mistakes: list[Mistake]) -> RuleFile:
    if not mistakes:
        return found
    others = len(mistakes) - 1
    more = f" ({others} more: `tokentrail rules check` names them all.)" if others else ""
    raise RuleError(f"{mistakes[0]}.{more}")


class _Reading:
    """One reading of one text: collects what is wrong."""

    def __init__(self, text: str, source: str, document: dict[str, Any]) -> None:
        self._text = text
        self._source = source
        self._document = document
        self.mistakes: list[Mistake] = []

    def tables(self, array: str, kind: type[_Table]) -> list[_Table]:
        """Return the tables of an array that can be used."""
        content = self._document.get(array, [])
        if not isinstance(content, list):
            self.mistakes.append(Mistake(self._source, 1, "", array, f"write [[{array}]], with two brackets"))
            return []
        found: list[_Table] = []
        names: set[str] = set()
        for number, table in enumerate(content):
            item, mistakes = read_table(table, kind)
            for mistake in mistakes:
                self._tell(array, number, *mistake)
            if item is None:
                continue
            if item.name in names:
                self._tell(array, number, "name", f"this name stands there twice; give each {array} a name of its own")
            names.add(item.name)
            for finding in _check(item):
                self._tell(array, number, *finding)
            found.append(item)
        return found

    def look_around(self) -> None:
        """Look at what stands beside the two arrays."""
        for name in self._document:
            if name not in {"rule", "maintenance"}:
                message = "there is no such table; known are [[rule]] and [[maintenance]]"
                self.mistakes.append(Mistake(self._source, find_line(self._text, name, 0), "", name, message))
        if not self._document.get("rule") and not self.mistakes:
            message = "there is no [[rule]]: a rule file takes the place of the shipped rules"
            self.mistakes.append(Mistake(self._source, 1, "", "", message))

    def _tell(self, array: str, number: int, field: str, message: str) -> None:
        table = self._document[array][number]
        name = table.get("name") if isinstance(table, dict) else None
        line = find_line(self._text, array, number, field.split(".") if field else ())
        thing = f"{array} {name!r}" if name else f"{array} {number + 1}"
        self.mistakes.append(Mistake(self._source, line, thing, field, message))


def _check(item: Rule | Maintenance) -> list[tuple[str, str]]:
    return [*check_rule(item), *_check_summary(item)] if isinstance(item, Rule) else _check_maintenance(item)


def _check_summary(rule: Rule) -> list[tuple[str, str]]:
    try:
        summarize(rule, "user_id", "x", 1.0, 1.0)
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        names = "dimension, entity, metric, value, baseline, window_s, e.g. {value:.0f}"
        return [("summary", f"it cannot be filled ({error!r}); known names are {names}")]
    return []


def _check_maintenance(maintenance: Maintenance) -> list[tuple[str, str]]:
    try:
        understand_maintenance(maintenance)
    except ValueError as error:
        field = "to" if str(error).startswith("`to`") else "from"
        return [(field, str(error))]
    return []
