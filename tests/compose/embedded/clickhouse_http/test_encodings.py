import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.compose.embedded.clickhouse_http.encodings import SUPPORTED, Encoder, choose, decompress
from tokentrail.compose.embedded.clickhouse_http.failures import ClickHouseFailure


def encode(encoding: str, *pieces: bytes) -> bytes:
    encoder = Encoder(encoding)
    return b"".join([encoder.compress(piece) for piece in pieces]) + encoder.finish()


def decode(encoding: str, body: bytes) -> bytes:
    plain = io.BytesIO()
    decompress(encoding, io.BytesIO(body), plain)
    return plain.getvalue()


@pytest.mark.parametrize("encoding", SUPPORTED)
@given(pieces=st.lists(st.binary(), max_size=4))
def test_what_is_encoded_is_decoded(encoding: str, pieces: list[bytes]) -> None:
    assert decode(encoding, encode(encoding, *pieces)) == b"".join(pieces)


@pytest.mark.parametrize("encoding", ["lz4", "zstd", "gzip"])
@given(frames=st.lists(st.binary(min_size=1), min_size=1, max_size=5))
def test_every_frame_of_a_body_is_decoded(encoding: str, frames: list[bytes]) -> None:
    body = b"".join(encode(encoding, frame) for frame in frames)
    assert decode(encoding, body) == b"".join(frames)


@pytest.mark.parametrize("encoding", SUPPORTED)
@pytest.mark.parametrize("lost", [1, 5, 40])
def test_a_body_cut_short_is_refused(encoding: str, lost: int) -> None:
    body = encode(encoding, bytes(range(256)) * 40)
    with pytest.raises(ClickHouseFailure, match=f"Cannot decompress {encoding} body"):
        decode(encoding, body[:-lost])


def test_an_unknown_encoding_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ClickHouseFailure, match="lz4, zstd, gzip"):
        decode("snappy", b"x")


def test_the_clients_order_of_encodings_decides() -> None:
    assert choose("zstd;q=0.5, lz4") == "zstd"
    assert choose("identity") is None
