"""Made-up secrets that must be found nowhere, and a service that puts them wherever a careless one would.

Run as a program it makes calls through the recording client: `python canaries.py SEED CALLS`.
"""

import asyncio
import base64
import json
import logging
import random
import string
import sys
from contextlib import suppress
from typing import Any

MARK = "kQ9wX3rT7zB5"
"""Stands in every canary, in upper or lower case, so that one search finds any of them, or half of one."""
_ALPHANUMERIC = string.ascii_letters + string.digits
A_CALL = 10
"""Canaries in each call."""


def make_canary(chance: random.Random) -> str:
    """Return a secret as its vendor would make it."""

    def some(count: int, alphabet: str = _ALPHANUMERIC) -> str:
        return "".join(chance.choices(alphabet, k=count))

    upper = string.ascii_uppercase + string.digits
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    claims = base64.urlsafe_b64encode(json.dumps({"sub": some(10)}).encode()).decode().rstrip("=")
    return chance.choice([
        f"sk-proj-{some(20)}{MARK}{some(60)}",
        f"sk-{some(10)}{MARK}{some(26)}",
        f"sk-ant-api03-{some(30)}{MARK}{some(50)}AA",
        f"sk-or-v1-{some(30)}{MARK}{some(22)}",
        f"gsk_{some(20)}{MARK}{some(20)}",
        f"xai-{some(40)}{MARK}{some(28)}",
        f"AIza{some(11)}{MARK}{some(12)}",
        f"hf_{some(11)}{MARK}{some(11)}",
        f"ghp_{some(12)}{MARK}{some(12)}",
        f"github_pat_{some(22)}_{some(30)}{MARK}{some(17)}",
        f"glpat-{some(4)}{MARK}{some(4)}",
        f"xoxb-{some(12, string.digits)}-{some(12, string.digits)}-{some(6)}{MARK}{some(6)}",
        f"sk_live_{some(6)}{MARK}{some(6)}",
        f"AKIA{some(4, upper)}{MARK.upper()}",
        f"npm_{some(12)}{MARK}{some(12)}",
        f"SG.{some(22)}.{some(20)}{MARK}{some(11)}",
        f"{head}.{claims}.{some(20)}{MARK}{some(11)}",
    ])  # fmt: skip


async def be_careless(chance: random.Random, calls: int) -> None:
    """Make calls with canaries in prompts, headers, URLs, labels, error texts and exceptions."""
    import httpx2

    import tokentrail

    def answer(request: Any) -> Any:
        said = request.headers["x-answer"]
        kind = chance.randrange(4)
        if kind == 0:
            refusal = {"error": {"message": f"Incorrect API key provided: {said}.", "type": "auth", "code": said}}
            return httpx2.Response(401, json=refusal, headers={"x-request-id": said})
        if kind == 1:
            raise httpx2.ConnectError(f"connecting to https://user:{said}@proxy.example:3128 failed")
        message = {"role": "assistant", "content": f"Your key is {said}"}
        body: Any = {"model": "gpt-4.1", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        return httpx2.Response(200, json={**body, "usage": {"prompt_tokens": 3, "completion_tokens": 2}})

    clients = [
        tokentrail.async_httpx_client(transport=httpx2.MockTransport(answer), content=content, service="careless")
        for content in ("off", "preview", "full")
    ]
    for number in range(calls):
        canaries = [make_canary(chance) for _ in range(A_CALL)]
        await _call(clients[number % 3], *canaries)
        logging.getLogger("careless").debug("made call %d", number)


async def _call(client: Any, *canaries: str) -> None:
    import httpx2

    import tokentrail

    key, prompt, system, header, query, path, said, user, agent, raised = canaries
    body = {
        "model": "gpt-4.1",
        "user": user,
        "messages": [{"role": "system", "content": f"Use {system} for it"}, {"role": "user", "content": prompt}],
    }
    headers = {"Authorization": f"Bearer {key}", "X-Secret": header, "x-answer": said, "User-Agent": f"app {agent}"}
    url = f"https://api.openai.com/v1/{path}/chat/completions?api_key={query}"
    with suppress(httpx2.ConnectError), tokentrail.context(feature=f"token={user}", session_id=system):
        await client.post(url, json=body, headers=headers)
    with (
        suppress(RuntimeError),
        tokentrail.call(endpoint=f"/own/{path}", model="own-model", attributes={"note": header}),
    ):
        raise RuntimeError(f"cannot use {raised}")


def main() -> None:
    """Be a careless service, with everything logged."""
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # the library logs URLs by itself
    logging.getLogger("httpcore2").setLevel(logging.WARNING)
    from tokentrail.producers.trail import default_bus, default_scribe

    asyncio.run(be_careless(random.Random(int(sys.argv[1])), int(sys.argv[2])))
    scribe = default_scribe()
    complete = scribe.flush(60) and (default_bus().flush(60) or "no broker")
    sys.stdout.write(f"{complete} {dict(scribe.dropped)}\n")


if __name__ == "__main__":
    main()
