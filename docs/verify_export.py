"""Checks a file of `tokentrail export --signed` with Python and the package `cryptography`, and nothing of Tokentrail.

    python verify_export.py FILE ed25519:PUBLIC_KEY

Exit status 0: every record in the file is what was signed. 1: it is not; each line says what is wrong.
"""
# ruff: noqa: ANN001, ANN201, B905, INP001, T201 - a script to be read and run alone, by any Python 3

import base64
import json
import struct
import sys
import zipfile
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def is_signed(raw_key, signature, message):
    """Whether the key's owner signed this message."""
    try:
        Ed25519PublicKey.from_public_bytes(raw_key).verify(bytes.fromhex(signature), message)
    except InvalidSignature:
        return False
    return True


def merkle_root(nodes):
    """RFC 9162, section 2.1.1; leaves have no prefix, being hashes of 84 bytes where nodes are hashes of 65."""
    if not nodes:
        return sha256(b"").digest()
    while len(nodes) > 1:
        odd = nodes[-1:] if len(nodes) % 2 else []
        nodes = [sha256(b"\x01" + left + right).digest() for left, right in zip(nodes[::2], nodes[1::2])] + odd
    return nodes[0]


def read_record(partition, line, wrong):
    """Return offset, leaf and rate of a record."""
    record = json.loads(line)
    stored, original = sha256(base64.b64decode(record["payload"])).digest(), bytes.fromhex(record["payload_sha256"])
    if (stored != original) != record.get("sealed", False):
        wrong.append(f"partition {partition} offset {record['offset']}: payload and payload_sha256 do not fit")
    if record.get("cleaned"):  # erased after it was signed: whoever exported it has checked the receipt
        stored = original
    place = struct.pack(">IQq", partition, record["offset"], record["appended_ms"])
    return record["offset"], sha256(place + original + stored).digest(), record["rate_id"]


def rates_sha256(rate_ids, contents):
    """What was applied to each record, and what that was."""
    digest = sha256(b"".join(struct.pack(">Q", rate_id) for rate_id in rate_ids))
    for rate_id in sorted(set(rate_ids) - {0}):
        content = contents.get(str(rate_id), "").encode()
        digest.update(struct.pack(">I", len(content)) + content)
    return digest.hexdigest()


def check_range(number, signed, records, contents, wrong):
    """Compare the records of one partition with what a checkpoint says of them."""
    part = [one for one in records if signed["first_offset"] <= one[0] < signed["next_offset"]]
    place = f"partition {signed['partition']} offsets {signed['first_offset']}-{signed['next_offset'] - 1}"
    if [one[0] for one in part] != sorted({one[0] for one in part}) or len(part) != signed["records"]:
        wrong.append(f"{place}: {len(part)} records, checkpoint {number} signed {signed['records']}")
    elif merkle_root([one[1] for one in part]).hex() != signed["root"]:
        wrong.append(f"{place}: not the records that checkpoint {number} signed")
    elif rates_sha256([one[2] for one in part], contents) != signed["rates_sha256"]:
        wrong.append(f"{place}: not the rates that checkpoint {number} signed")
    return len(part)


def check_checkpoints(lines, raw_key, manifest, wrong):
    """Check signatures and order; return the bodies."""
    bodies, previous, ends = [], None, {}
    for line in lines:
        signed = json.loads(line)
        body = json.loads(signed["body"])
        label = f"checkpoint {body['number']}"
        if not is_signed(raw_key, signed["signature"], b"tokentrail checkpoint v1\n" + signed["body"].encode()):
            wrong.append(f"{label}: not signed with this key")
        if body["topic"] != manifest["topic"] or body["number"] != manifest["first_checkpoint"] + len(bodies):
            wrong.append(f"{label}: not the one that belongs here")
        if previous is not None and body["previous_sha256"] != previous:
            wrong.append(f"{label}: not chained to the one before it")
        starts = {one["partition"]: one["first_offset"] for one in body["ranges"]}
        if any(starts.get(partition) != end for partition, end in ends.items()):
            wrong.append(f"{label}: does not begin where the one before it ended")
        ends = {one["partition"]: one["next_offset"] for one in body["ranges"]}
        previous = sha256(signed["body"].encode()).hexdigest()
        bodies.append(body)
    if not bodies or bodies[-1]["number"] != manifest["last_checkpoint"]:
        wrong.append("checkpoints are missing at the end")
    return bodies


def main(path, key):
    """Check a file; return what is wrong, and how many records were checked."""
    wrong, checked, raw_key = [], 0, base64.b64decode(key.removeprefix("ed25519:"))
    with zipfile.ZipFile(path) as archive:
        body = archive.read("manifest.json")
        manifest = json.loads(body)
        if not is_signed(raw_key, archive.read("manifest.sig").decode(), b"tokentrail export v1\n" + body):
            return ["manifest.json: not signed with this key, so nothing else was checked"], 0
        names = set(archive.namelist()) - {"manifest.json", "manifest.sig"}
        held = {name: sha256(archive.read(name)).hexdigest() for name in names}
        differing = {name for name, _ in held.items() ^ manifest["members"].items()}
        wrong.extend(f"{name}: not the one that the manifest names" for name in sorted(differing))
        bodies = check_checkpoints(archive.read("checkpoints.jsonl").splitlines(), raw_key, manifest, wrong)
        contents = json.loads(archive.read("rates.json"))
        for partition in sorted({one["partition"] for body in bodies for one in body["ranges"]}):
            name = f"records/partition-{partition}.jsonl"
            lines = archive.read(name).splitlines() if name in names else []
            records = [read_record(partition, line, wrong) for line in lines]
            for body in bodies:
                for one in (one for one in body["ranges"] if one["partition"] == partition):
                    checked += check_range(body["number"], one, records, contents, wrong)
        if checked != manifest["records"]:
            wrong.append(f"{checked} records were signed, the manifest says {manifest['records']}")
    return wrong, checked


if __name__ == "__main__":
    if len(sys.argv) != 3:  # noqa: PLR2004 - the script, the file, the key
        sys.exit("python verify_export.py FILE ed25519:PUBLIC_KEY")
    found, count = main(sys.argv[1], sys.argv[2])
    print("\n".join(found) or f"{count} records, and nothing is wrong.")
    sys.exit(1 if found else 0)
