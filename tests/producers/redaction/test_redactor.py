"""The redactor: what goes, what stays, and what holds for any text at all."""

import random
import string
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from labelled_prompts import PromptMaker

from tokentrail.errors import RedactionError, TokentrailError
from tokentrail.producers.redaction import Redactor, engine, finder, nearby_words

redactor = Redactor()
_maker = PromptMaker(8_080)
PLANTED = [
    (kind, getattr(_maker.values, kind)())
    for kind in ("email", "card", "iban", "resident_id", "ip", "jwt", "api_key", "private_key", "webhook")
    for _ in range(25)
]
NEIGHBOURS = st.text(st.characters(exclude_categories=("L", "N", "Cs"), exclude_characters="_@~^<>§]"), max_size=12)
"""Without what makes a version or a section of four numbers."""


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Mail joe.doe+x@example.co.uk.", "Mail [email]."),
        ("Call (415) 555-2671 or +44 20 7946 0958!", "Call [phone] or [phone]!"),
        ("card 4111-1111-1111-1111/12/27", "card [card]/12/27"),
        ("DE89 3704 0044 0532 0130 00", "[iban]"),
        ("SSN 123-45-6789", "SSN [national_id]"),
        ("from 203.0.113.9 and 2001:db8::8a2e:370:7334", "from [ip_address] and [ip_address]"),
        ('{"api_key": "sk-proj-abcdEFGH1234567890abcdEFGH"}', '{"api_key": "[api_key]"}'),
        ("Authorization: Bearer abc123def456ghi789", "Authorization: Bearer [secret]"),
        ("postgres://app:hunter2@db:5432/x", "postgres://app:[password]@db:5432/x"),
        ("DB_PASSWORD=correcthorse", "DB_PASSWORD=[password]"),
        ("the password for the old server is hunter2!x", "the password for the old server is [password]"),
        ("my passphrase Is: hunter2!x", "my passphrase Is: [password]"),
        ("mi contraseña nueva es hunter2!x", "mi contraseña nueva es [password]"),
        ("-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----\nHi", "[private_key]\nHi"),
        ("we sold +1 415 555 2671 918847971590 units", "we sold [phone] 918847971590 units"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "[jwt]"),
    ],
)
def test_a_finding_gives_way_to_the_name_of_its_kind(text: str, redacted: str) -> None:
    assert redactor.redact(text).text == redacted


@pytest.mark.parametrize(
    "text",
    [
        "order 4155552671, invoice 2024-000123, ISBN 978-3-16-148410-0",
        "released 1.2.3.4 of v2.0.0.1; numpy==1.26.4.0",
        "2024-01-15 10:30:45.123456 took 0.123456789 s, 2020-2024",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "550e8400-e29b-41d4-a716-446655440000",
        "4111 1111 1111 1112",
        "@property and sk-learn and task-1234567890 and std::vector",
        "password = get_password(); token: str | None; api_key=os.environ['API_KEY']",
        "hmac1:ab12cd34:9f86d081884c7d659a2feaa0c55ad015 sk-…abcd sk-proj-…wxyz",
        "localhost 127.0.0.1:8080 and ::1, http://localhost:3000/a?b=c",
        "[0.12345678, -0.98765432, 12.3456789] 1e-10 3.14159265358979",
    ],
)
def test_what_only_looks_alike_stays(text: str) -> None:
    assert redactor.redact(text) == (text, {})


def test_findings_are_counted_by_kind() -> None:
    assert redactor.redact("a@b.io, c@d.io, 4111111111111111").counts == {"email": 2, "card": 1}


def test_findings_that_overlap_become_one() -> None:
    own = Redactor({"customer": r"customer-\d+-4111"})
    assert own.redact("customer-17-4111 1111 1111 1111 paid") == ("[customer] paid", {"customer": 1})


def test_a_placeholder_is_no_secret() -> None:
    text = "password: [password], key [api_key], token=[secret], [email]"
    assert redactor.redact(text) == (text, {})


@pytest.mark.parametrize("escape", ["\\n", "\\t", "\\u0000", "\\u001f", "%20", "%3D"])
def test_an_escape_before_a_secret_does_not_hide_it(escape: str) -> None:
    for secret in ("sk-proj-abcdEFGH1234567890abcdEFGH", "4111111111111111", "AKIAIOSFODNN7EXAMPLE", "+14155552671"):
        assert secret not in redactor.redact(f"line{escape}{secret}\\n").text


def test_lone_surrogates_are_replaced() -> None:
    redacted = redactor.redact("\ud83d joe@example.com \udc00")
    assert redacted == ("? [email] ?", {"email": 1})
    redacted.text.encode()


@given(st.text())
@settings(deadline=None)
@example("\ud800\udfff\x00[email")
@example("p=x" * 9)
def test_any_text_is_redacted_and_twice_is_as_once(text: str) -> None:
    once = redactor.redact(text)
    assert redactor.redact(once.text) == (once.text, {})


ALPHABET = st.text(string.digits + " .-/()+@:=_[]\\%" + "abkseyJDEXT", max_size=60)


@given(ALPHABET)
@settings(max_examples=400, deadline=None)
def test_texts_of_telling_characters_too(text: str) -> None:
    once = redactor.redact(text)
    assert redactor.redact(once.text) == (once.text, {})


@given(st.sampled_from(PLANTED), NEIGHBOURS, NEIGHBOURS, st.text(max_size=30), st.text(max_size=30))
@settings(max_examples=300, deadline=None)
def test_a_planted_secret_never_survives(
    planted: tuple[str, str], before: str, after: str, head: str, tail: str
) -> None:
    _, secret = planted
    # The sign in between keeps "version" and the like away from four numbers.
    redacted = redactor.redact(f"{head} ; {before}{secret}{after} {tail}")
    assert secret not in redacted.text
    assert redacted.counts


def test_a_secret_is_found_anywhere_in_a_long_text() -> None:
    chance = random.Random(4)
    filler = "lorem ipsum dolor sit amet 2024 id=17, " * 30_000
    places = [0, *sorted(chance.sample(range(len(filler)), 40)), len(filler)]
    text = " joe@example.com ".join(filler[a:b] for a, b in pairwise(places))
    redacted = redactor.redact(f" joe@example.com {text} joe@example.com ")
    assert redacted.counts == {"email": 42}


@pytest.mark.parametrize(
    "piece",
    [
        "1 ", "1234 ", "12.34.", "0", "0 ", "+1", "(1) ", "1-", "password=", "password: ", "token", "sk-",
        "eyJ", "eyJa.", "-----BEGIN PRIVATE KEY-----", "a@", "@", "a@b.", "a@1234567890-", "://a:", "://", "::", "f:",
        "1.", "[email", "\\n", "DE12", "AB12", "Bearer ", "?key=", "\ud800", "\x00", "é", "密码", "1234567890.",
        "--password ", "basic a", "1:AA",
    ],
)  # fmt: skip
def test_time_is_linear_in_the_text_whatever_it_is_made_of(piece: str) -> None:
    """Counts what is looked at, not seconds: searches, and bytes that they go over."""
    assert _work(piece, 8_000) <= 2.6 * _work(piece, 4_000) + 10_000


def _work(piece: str, chars: int) -> int:
    text = (piece * (chars // len(piece) + 1))[:chars].encode("utf-8", "replace")
    done = 0
    suspect = finder.everything()

    def counted(encoded: bytes, begin: int, end: int) -> tuple[int, int]:
        nonlocal done
        found = suspect(encoded, begin, end)
        done += 20 + (found[1] if found[0] >= 0 else end) - begin
        return found

    from tokentrail.producers.redaction.scan import scan

    scan(text, counted)
    return done


def test_a_failing_engine_fails_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(engine, "import_module", broken)
    for cached in (finder.everything, nearby_words._any_word):
        cached.cache_clear()
    with pytest.raises(RedactionError, match="google-re2") as caught:
        redactor.redact("joe@example.com")
    assert "joe" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert isinstance(caught.value, TokentrailError)


def test_a_release_built_otherwise_inside_is_used_by_its_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(_: object) -> None:
        raise AttributeError

    monkeypatch.setattr(engine, "_direct_search", changed)
    search = engine.search_of(r"\bb+")
    assert search(b"abb bb", 0, 6) == (4, 6)
    assert search(b"abb bb", 5, 6) == (-1, -1)
