"""Google's Gemini API: generateContent and embedContent, on the Gemini API's hosts and on Vertex AI's.

Types: python-genai `types.py` (GenerateContentResponse, GenerateContentResponseUsageMetadata), there in snake case.
"""

from typing import Any, Final

import msgspec

from tokentrail.producers.wire.decoding import (
    LenientDecoder,
    decode_any,
    dict_of,
    json_text,
    list_of,
    number_of,
    raw_value,
    sum_of,
    text_of,
    tokens_of,
)
from tokentrail.producers.wire.errors import error_beside, error_of
from tokentrail.producers.wire.prompts import JsonPrompts
from tokentrail.producers.wire.reading import AnswerFacts, RequestRead, SilentHeaders
from tokentrail.schemas.events import Usage

_OPERATIONS: Final = {
    "generateContent": "generate_content",
    "streamGenerateContent": "generate_content",
    "embedContent": "embeddings",
    "batchEmbedContents": "embeddings",
    "predict": "embeddings",
    "predictLongRunning": "video_generation",
    "countTokens": "count_tokens",
    "computeTokens": "count_tokens",
    "batchGenerateContent": "create_batch",
    "asyncBatchEmbedContent": "create_batch",
}
_BILLED: Final = frozenset((None, "generate_content", "embeddings", "image_generation"))


class _Request(msgspec.Struct, gc=False):
    model: Any = None
    generationConfig: Any = None  # noqa: N815 - as on the wire
    generation_config: Any = None


class _Candidate(msgspec.Struct, gc=False):
    index: Any = 0
    finishReason: Any = None  # noqa: N815 - as on the wire
    content: msgspec.Raw = msgspec.Raw(b"")


class _Answer(msgspec.Struct, gc=False):
    candidates: list[_Candidate] | None = None
    usageMetadata: Any = None  # noqa: N815 - as on the wire
    modelVersion: Any = None  # noqa: N815 - as on the wire
    responseId: Any = None  # noqa: N815 - as on the wire
    promptFeedback: Any = None  # noqa: N815 - as on the wire
    error: Any = None
    predictions: msgspec.Raw = msgspec.Raw(b"")
    metadata: Any = None
    message: Any = None


_request_of: Final = LenientDecoder(_Request)
_answer_of: Final = LenientDecoder(_Answer)


def usage_of(given: dict[str, Any]) -> Usage | None:
    """Return `usageMetadata` as a vector.

    Thoughts and the results of tools stand beside the prompt's and the candidates' counts, not inside them; cached
    content is inside the prompt's.
    """
    prompt = tokens_of(given, "promptTokenCount")
    said = tokens_of(given, "candidatesTokenCount", "responseTokenCount")
    tools, thoughts = tokens_of(given, "toolUsePromptTokenCount"), tokens_of(given, "thoughtsTokenCount")
    if prompt is None and said is None and thoughts is None:
        return None
    return Usage(
        input_tokens=sum_of(prompt, tools),
        output_tokens=sum_of(said, thoughts),
        cache_read_tokens=tokens_of(given, "cachedContentTokenCount"),
        reasoning_tokens=thoughts,
        input_audio_tokens=_audio(given, "promptTokensDetails", "toolUsePromptTokensDetails"),
        output_audio_tokens=_audio(given, "candidatesTokensDetails", "responseTokensDetails"),
    )


def _audio(given: dict[str, Any], *names: str) -> int | None:
    counts = [
        tokens_of(part, "tokenCount")
        for name in names
        for part in list_of(given.get(name))
        if isinstance(part, dict) and part.get("modality") == "AUDIO"
    ]
    return sum_of(*counts)


class Gemini(JsonPrompts):
    """Gemini's API; a `WireFormat`. Model and operation stand in the path: `…/models/gemini-x:generateContent`."""

    def operation(self, endpoint: str) -> str | None:
        """Return the operation."""
        path, _, verb = endpoint.rpartition(":")
        if verb == "predict" and "/imagen" in path:
            return "image_generation"
        if verb in _OPERATIONS:
            return _OPERATIONS[verb]
        return "list_models" if "models" in endpoint.split("/") else None

    def read_request(self, endpoint: str, body: bytes) -> RequestRead:
        """Read a request's fields; a stream is told by the path alone."""
        given = _request_of(body) or _Request()
        config = given.generationConfig if given.generationConfig is not None else given.generation_config
        config = config if isinstance(config, dict) else {}
        verb = endpoint.rpartition(":")[2]
        return RequestRead(
            model=_model_of(endpoint) or _bare(text_of(given.model)),
            stream=verb == "streamGenerateContent" if verb.lower().endswith("generatecontent") else None,
            temperature=number_of(config.get("temperature")),
            max_tokens=tokens_of(config, "maxOutputTokens", "max_output_tokens"),
        )

    def reader(self, operation: str | None, *, keep_text: bool = False) -> "GeminiReader":
        """Return a fresh reader."""
        return GeminiReader(billed=operation in _BILLED, keep_text=keep_text)


class GeminiReader(SilentHeaders):
    """Reads an answer, a stream of answers or a list of them; an `AnswerReader`."""

    def __init__(self, *, billed: bool = True, keep_text: bool = False) -> None:
        self.facts = AnswerFacts(usage_of, billed=billed, keep_text=keep_text)

    def read_answer(self, body: bytes) -> None:
        """Take a whole body: one answer, or a whole stream as a list."""
        answer = _answer_of(body)
        if answer is not None:
            self._take(answer)
        elif body.lstrip()[:1] == b"[":
            for element in list_of(decode_any(body)):
                if isinstance(element, dict):
                    self.read_chunk(json_text(element).encode())
        self.facts.ended = self.facts.ended or answer is not None

    def read_chunk(self, payload: bytes) -> bool:
        """Take one element of a stream; each is an answer of its own, whose counts are totals so far."""
        answer = _answer_of(payload)
        return answer is not None and self._take(answer)

    def _take(self, answer: _Answer) -> bool:
        facts = self.facts
        facts.model = text_of(answer.modelVersion) or facts.model
        facts.provider_request_id = text_of(answer.responseId) or facts.provider_request_id
        if isinstance(answer.usageMetadata, dict):
            told = {name: value for name, value in answer.usageMetadata.items() if value is not None}
            facts.provider_usage = {**(facts.provider_usage or {}), **told} or None
            facts.service_tier = (
                text_of(told.get("serviceTier")) or text_of(told.get("trafficType")) or facts.service_tier
            )
        if answer.error:
            facts.error = error_of(answer.error)
        elif answer.candidates is None and facts.error is None:
            facts.error = error_beside(answer.message, None, None, None)
        spoke = False
        for candidate in answer.candidates or ():
            spoke = self._take_candidate(candidate) or spoke
        if not answer.candidates and isinstance(answer.promptFeedback, dict):
            facts.stop(answer.promptFeedback.get("blockReason"))
            facts.ended = facts.ended or facts.finish_reasons is not None
        if bytes(answer.predictions) and facts.provider_usage is None:
            facts.provider_usage = _vertex_usage(raw_value(answer.predictions))
        return spoke

    def _take_candidate(self, candidate: _Candidate) -> bool:
        facts = self.facts
        index = candidate.index if type(candidate.index) is int else 0
        facts.stop(candidate.finishReason, index)
        facts.ended = facts.ended or bool(candidate.finishReason)
        content = raw_value(candidate.content)
        spoke = False
        for part in list_of(content.get("parts")) if isinstance(content, dict) else ():
            if isinstance(part, dict):
                spoke = _take_part(facts, part, index) or spoke
        return spoke


def _take_part(facts: AnswerFacts, part: dict[str, Any], index: int) -> bool:
    text = part.get("text")
    if isinstance(text, str) and text:
        if part.get("thought") is True:
            facts.mutter(text)
        else:
            facts.say(text, index)
        return True
    call = part.get("functionCall")
    if isinstance(call, dict):
        facts.mutter(text_of(call.get("name")))
        facts.mutter(json_text(call.get("args")) if call.get("args") else None)
    code = part.get("executableCode")
    if isinstance(code, dict):
        facts.mutter(code.get("code"))
    if call or code or "inlineData" in part:
        facts.has_content = True
        return True
    return False


def _vertex_usage(predictions: Any) -> dict[str, Any] | None:
    """Return what Vertex's embedding models say of each text, summed up: `embeddings.statistics.token_count`."""
    statistics = [
        dict_of(dict_of(prediction, "embeddings"), "statistics")
        for prediction in list_of(predictions)
        if isinstance(prediction, dict)
    ]
    counts = [tokens_of(statistic, "token_count") for statistic in statistics]
    total = sum_of(*counts)
    return None if total is None else {"promptTokenCount": total}


def _model_of(endpoint: str) -> str | None:
    for place in ("/models/", "/tunedModels/", "/endpoints/"):
        _, found, rest = endpoint.rpartition(place)
        if found:
            from urllib.parse import unquote

            return text_of(unquote(rest.partition(":")[0]))
    return None


def _bare(name: str | None) -> str | None:
    return name.removeprefix("models/") if name else None
