"""Whether a broker answers."""

import asyncio
from contextlib import suppress

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

_RETRY_S = 0.1


async def until_kafka_answers(host: str, port: int) -> None:
    """Return once the broker there tells its cluster's metadata and counts itself as alive."""
    while not (await _listens(host, port) and await _answers(f"{host}:{port}")):  # noqa: ASYNC110 # Kafka tells nobody
        await asyncio.sleep(_RETRY_S)


async def _listens(host: str, port: int) -> bool:
    # A client that finds no listener logs an error; here that is what is expected for seconds.
    with suppress(OSError):
        _, writer = await asyncio.open_connection(host, port)
        writer.close()
        return True
    return False


async def _answers(address: str) -> bool:
    client = AIOKafkaClient(bootstrap_servers=address, request_timeout_ms=2000)
    try:
        await client.bootstrap()
        return bool(client.cluster.brokers())
    except (KafkaError, OSError):
        return False
    finally:
        await client.close()
