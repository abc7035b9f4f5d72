"""Uploads: the fields of a form are read, the files are left to the library."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import aiohttp.web
import httpx
import httpx2
import openai
import pytest
from aiohttp.web import FileField

import tokentrail
from tokentrail.producers.captures import capture
from tokentrail.producers.transport import wrap_transport


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_an_upload_names_its_model_and_is_sent_as_it_is(trail: Any, library: Any) -> None:
    form = {"data": {"model": "transcribe-x", "temperature": "0.5"}, "files": {"file": ("a.mp3", b"ID3", "audio/mpeg")}}
    seen: list[bytes] = []

    def answer(request: Any) -> Any:
        seen.append(request.read())
        return library.Response(200, json={"text": "Hello."})

    url = "https://api.openai.com/v1/audio/transcriptions"
    transport = wrap_transport(library.MockTransport(answer), capture(recorder=trail.recorder))
    request = library.Request("POST", url, **form, headers={"content-type": "multipart/form-data; boundary=b"})
    with library.Client(transport=transport) as client:
        client.send(request)

    assert seen == [library.Request("POST", url, **form, headers=dict(request.headers)).read()]
    assert (trail.only.request_model, trail.only.temperature, trail.only.operation) == (
        "transcribe-x", 0.5, "transcription",
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["form", "mapping"])
def test_an_upload_by_aiohttp_names_its_model_and_no_file_is_touched(trail: Any, kind: str, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"ID3 sound")
    seen: list[dict[str, Any]] = []

    async def answer(request: aiohttp.web.Request) -> aiohttp.web.Response:
        form = await request.post()
        seen.append(
            {name: value.file.read() if isinstance(value, FileField) else value for name, value in form.items()}
        )
        return aiohttp.web.json_response({"text": "Hello."})

    async def ask() -> None:
        async with _served(answer) as url, aiohttp.ClientSession() as session:
            tokentrail.install(recorder=trail.recorder, relays={"openai": url}, libraries=("aiohttp",))
            with (tmp_path / "a.mp3").open("rb") as file:
                fields: dict[str, Any] = {"model": "transcribe-x", "file": file}
                data = fields if kind == "mapping" else aiohttp.FormData(fields)
                async with session.post(
                    f"{url}/audio/transcriptions", data=data, headers={"Authorization": "Bearer sk-x"}
                ) as response:
                    await response.read()

    try:
        asyncio.run(ask())
    finally:
        tokentrail.uninstall()
    assert seen == [{"model": "transcribe-x", "file": b"ID3 sound"}]
    assert (trail.only.request_model, trail.only.operation) == ("transcribe-x", "transcription")


@asynccontextmanager
async def _served(answer: Any) -> AsyncIterator[str]:
    app = aiohttp.web.Application()
    app.router.add_post("/v1/audio/transcriptions", answer)
    runner = aiohttp.web.AppRunner(app)
    await runner.setup()
    site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize(("second", "calls"), [(b"ID3 one", 1), (b"ID3 two", 2)])
def test_an_upload_that_is_repeated_after_a_failure_is_one_call(
    trail: Any, library: Any, second: bytes, calls: int
) -> None:
    codes = [503, 200]
    transport = wrap_transport(
        library.MockTransport(lambda _request: library.Response(codes.pop(0), json={"text": "Hello."})),
        capture(recorder=trail.recorder),
    )
    with library.Client(transport=transport) as client:
        for sound in (b"ID3 one", second):
            form = {"data": {"model": "transcribe-x"}, "files": {"file": ("a.mp3", sound, "audio/mpeg")}}
            client.post("https://api.openai.com/v1/audio/transcriptions", **form)

    assert len({call.logical_call_id for call in trail.completed}) == calls
    assert [call.retry_count for call in trail.completed] == [None, 1 if calls == 1 else None]


@pytest.mark.parametrize("in_memory", [True, False])
def test_an_upload_that_an_sdk_repeats_is_one_call(trail: Any, tmp_path: Path, in_memory: bool) -> None:  # noqa: FBT001 - as parametrized
    codes = [503, 200]
    answer = httpx2.MockTransport(lambda _request: httpx2.Response(codes.pop(0), json={"text": "Hello."}))
    recording = wrap_transport(answer, capture(recorder=trail.recorder))
    (tmp_path / "a.mp3").write_bytes(b"ID3 sound")
    with (
        (tmp_path / "a.mp3").open("rb") as file,
        openai.OpenAI(api_key="sk-x", http_client=httpx2.Client(transport=recording), max_retries=1) as client,
    ):
        sound = b"ID3 sound" if in_memory else file
        client.audio.transcriptions.create(model="transcribe-x", file=("a.mp3", sound), timeout=5)

    assert [call.retry_count for call in trail.completed] == [0, 1]
    assert len({call.logical_call_id for call in trail.completed}) == 1
