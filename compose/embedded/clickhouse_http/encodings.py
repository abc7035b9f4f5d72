"""Content encodings of request and response bodies: every one that ClickHouse's clients offer."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import cramjam
import lz4.frame
import zstandard

from tokentrail.compose.embedded.clickhouse_http.failures import refusal

_CHUNK_BYTES = 1 << 20
# Cheapest levels: a loopback connection is limited by CPU, not by bytes.
_GZIP_LEVEL = 1
_ZSTD_LEVEL = 1
_BROTLI_LEVEL = 1
_GZIP_WINDOW = 31
_ANY_ZLIB_WINDOW = 47

# In order of preference; lz4 costs the least CPU.
SUPPORTED = ("lz4", "zstd", "gzip", "deflate", "br")


class Source(Protocol):
    """What a body is read from."""

    def read(self, size: int = -1, /) -> bytes:
        """Read at most so many bytes, all of them without a size."""
        ...


class Sink(Protocol):
    """What a body is written to."""

    def writelines(self, pieces: Iterable[bytes], /) -> object:
        """Append pieces as they come."""
        ...


def decompress(encoding: str, source: Source, sink: Sink) -> None:
    """Write the decompressed source to the sink; blocks.

    A body may be several frames one after the other; every one of them must be whole.

    Raises:
        ClickHouseFailure: the encoding is unknown, or the data is damaged or cut short.
    """
    try:
        if encoding == "br":
            sink.writelines([bytes(cramjam.brotli.decompress(source.read()))])
            return
        new_decoder = _DECODERS.get(encoding)
        if new_decoder is None:
            raise refusal(
                48, "NOT_IMPLEMENTED", f"Unknown compression '{encoding}': this interface knows {', '.join(SUPPORTED)}."
            )
        sink.writelines(_frames(source, new_decoder))
    except (RuntimeError, zlib.error, zstandard.ZstdError, cramjam.DecompressionError, EOFError) as error:
        raise _damaged(encoding, str(error)) from error


def _frames(source: Source, new_decoder: Callable[[], Any]) -> Iterator[bytes]:
    decoder = None
    while chunk := source.read(_CHUNK_BYTES):
        while chunk:
            decoder = decoder or new_decoder()
            yield decoder.decompress(chunk)
            if not decoder.eof:
                break
            chunk, decoder = decoder.unused_data, None
    if decoder is not None:
        raise EOFError("the last frame is cut short")


def _damaged(encoding: str, detail: str) -> Exception:
    return refusal(
        432, "UNKNOWN_CODEC" if not detail else "CANNOT_DECOMPRESS", f"Cannot decompress {encoding} body: {detail}."
    )


_DECODERS: dict[str, Callable[[], Any]] = {
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj(),
    "gzip": lambda: zlib.decompressobj(_GZIP_WINDOW),
    "deflate": lambda: zlib.decompressobj(_ANY_ZLIB_WINDOW),
}


def choose(accepted: str) -> str | None:
    """Return the first of the client's accepted encodings that is known here; None means send it plain."""
    offers = [offer.partition(";")[0].strip() for offer in accepted.split(",")]
    return next((offer for offer in offers if offer in SUPPORTED), None)


class Encoder:
    """Compresses one response body; one frame from first to last byte, as clients expect."""

    def __init__(self, encoding: str) -> None:
        self._compress, self._finish = _ENCODERS[encoding]()

    def compress(self, data: bytes) -> bytes:
        """Return what can be sent so far; may be empty."""
        return self._compress(data)

    def finish(self) -> bytes:
        """Return the end of the body."""
        return self._finish()


_Pair = tuple[Callable[[bytes], bytes], Callable[[], bytes]]


def _lz4() -> _Pair:
    encoder = lz4.frame.LZ4FrameCompressor()
    pending = [encoder.begin()]

    def compress(data: bytes) -> bytes:
        head = pending.pop() if pending else b""
        return bytes(head + encoder.compress(data))

    return compress, lambda: (pending.pop() if pending else b"") + bytes(encoder.flush())


def _zstd() -> _Pair:
    encoder = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj()
    return encoder.compress, encoder.flush


def _zlib(window: int) -> Callable[[], _Pair]:
    def start() -> _Pair:
        encoder = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, window)
        return encoder.compress, encoder.flush

    return start


def _brotli() -> _Pair:
    encoder = cramjam.brotli.Compressor(_BROTLI_LEVEL)

    def compress(data: bytes) -> bytes:
        encoder.compress(data)
        return bytes(encoder.flush())

    return compress, lambda: bytes(encoder.finish())


_ENCODERS: dict[str, Callable[[], _Pair]] = {
    "lz4": _lz4,
    "zstd": _zstd,
    "gzip": _zlib(_GZIP_WINDOW),
    "deflate": _zlib(zlib.MAX_WBITS),
    "br": _brotli,
}
