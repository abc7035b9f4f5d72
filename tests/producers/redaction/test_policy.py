"""How much of a text is kept, and that it is redacted before it is cut."""

import random

import pytest
from labelled_prompts import PromptMaker

from tokentrail.errors import RedactionError
from tokentrail.producers.redaction import ContentPolicy, Redacted, Redactor, finder, preview

redactor = Redactor()


def test_off_keeps_nothing_and_reads_nothing() -> None:
    assert preview("joe@example.com", redactor, ContentPolicy.OFF) == (None, {})
    assert ContentPolicy.OFF.reading_chars == 0


@pytest.mark.parametrize(("policy", "limit"), [(ContentPolicy.PREVIEW, 200), (ContentPolicy.FULL, 20_000)])
def test_what_is_kept_is_redacted_and_bounded(policy: ContentPolicy, limit: int) -> None:
    kept, counts = preview("joe@example.com " + "word " * 10_000, redactor, policy)
    assert kept is not None
    assert kept.startswith("[email] word")
    assert limit - 10 <= len(kept) <= limit
    assert counts == {"email": 1}
    assert preview("short", redactor, policy) == ("short", {})
    assert preview(None, redactor, policy) == (None, {})


@pytest.mark.parametrize("kind", ["email", "card", "iban", "jwt", "api_key", "private_key", "ip", "password"])
def test_a_secret_across_the_limit_is_redacted_whole(kind: str) -> None:
    values = PromptMaker(3).values
    chance = random.Random(kind)
    for _ in range(30):
        secret = getattr(values, kind)()
        named = f"password={secret}" if kind == "password" else secret
        text = "x " * chance.randint(60, 110) + named + " y" * 2000
        kept, _ = preview(text, redactor, ContentPolicy.PREVIEW)
        assert kept is not None
        assert secret[:6] not in kept


def test_a_text_that_was_cut_for_reading_shows_nothing_of_its_last_secret() -> None:
    limit = ContentPolicy.PREVIEW.reading_chars
    secrets = "4111 1111 1111 1111 " * 200
    for cut in range(limit - 20, limit + 1):
        kept, _ = preview(secrets[:cut], redactor, ContentPolicy.PREVIEW)
        assert kept is not None
        assert "1111" not in kept or cut < limit


def test_nothing_is_read_beyond_what_is_needed() -> None:
    read = []

    class Watched(Redactor):
        def redact(self, text: str) -> Redacted:
            read.append(len(text))
            return super().redact(text)

    preview("word " * 100_000, Watched(), ContentPolicy.PREVIEW)
    assert read == [ContentPolicy.PREVIEW.reading_chars]


def test_a_failing_redactor_is_told_to_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise MemoryError

    monkeypatch.setattr(finder, "everything", broken)
    with pytest.raises(RedactionError):
        preview("joe@example.com", redactor, ContentPolicy.PREVIEW)
