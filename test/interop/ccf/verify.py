"""An independent auditor: has CCF's own Python package judge ledgers and receipts, and prints what it says as one JSON object.

usage: verify.py JOB.json          (see `Job`)
Nothing is judged here that the package judges itself; what it leaves to its caller (is this the service I trust, is the node the
one named, are these the claims) is a line each. Whatever the package raises is a refusal; the exit code is 0 all the same.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import os
import sys
import tempfile
from importlib.metadata import version
from typing import Any, Callable, TypedDict

import ccf.cose
import ccf.ledger
import ccf.receipt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import Certificate, load_pem_x509_certificate


class Ledger(TypedDict):
    directory: str
    # Also what is in no committed chunk yet.
    uncommitted: bool
    # Of which the latest state is wanted.
    tables: list[str]


class Change(TypedDict):
    file: str
    offset: int
    # What the byte is combined with.
    xor: int


class ChangedLedger(TypedDict):
    directory: str
    # Each is made alone. They must be in committed chunks.
    changes: list[Change]


class JsonReceipt(TypedDict):
    receipt: dict[str, Any]
    # Text whose SHA-256 the receipt must prove; null: no claims are expected.
    claims: str | None


class CoseReceipt(TypedDict):
    receipt: str  # base64
    claims: str | None


class Job(TypedDict):
    service_certificate: str
    ledgers: list[Ledger]
    changed_ledger: ChangedLedger | None
    receipts: list[JsonReceipt]
    cose_receipts: list[CoseReceipt]
    # Paths.
    snapshots: list[str]


class Refused(Exception):
    """What the package does not check by itself."""


def require(holds: bool, reason: str) -> None:
    if not holds:
        raise Refused(reason)


def spki(certificate: Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def claims_digest(claims: str | None) -> bytes:
    return bytes(32) if claims is None else hashlib.sha256(claims.encode()).digest()


def new_validator() -> ccf.ledger.LedgerValidator:
    validator = ccf.ledger.LedgerValidator(accept_deprecated_entry_types=False)
    # In ccf 6 these belong to the class: what one validator learns, all know.
    validator.node_certificates = {}
    validator.node_activity_status = {}
    return validator


class Auditor:
    def __init__(self, service_certificate: str) -> None:
        self.service = load_pem_x509_certificate(service_certificate.encode())

    def check_service(self, validator: ccf.ledger.LedgerValidator) -> None:
        require(validator.service_cert is not None, "the ledger names no service")
        named = load_pem_x509_certificate(validator.service_cert.encode())
        require(spki(named) == spki(self.service), "the ledger is of another service")

    def ledger(self, job: Ledger) -> dict[str, Any]:
        ledger = ccf.ledger.Ledger([job["directory"]], committed_only=not job["uncommitted"])
        validator = new_validator()
        kinds = {"transactions": 0, "public": 0, "private": 0, "claims": 0, "cose_signatures": 0}
        signers: dict[str, int] = {}
        seqno = 0
        for transaction in ledger.transactions():
            domain = transaction.get_public_domain()
            tables = domain.get_tables()
            seqno += 1
            require(domain.get_seqno() == seqno, f"seqno {domain.get_seqno()} where {seqno} belongs")
            kinds["transactions"] += 1
            kinds["private"] += transaction.get_private_domain_size() > 0
            kinds["public"] += len(tables) > 0
            kinds["claims"] += domain.get_claims_digest() != bytes(32)
            kinds["cose_signatures"] += "public:ccf.internal.cose_signatures" in tables
            for signature in tables.get("public:ccf.internal.signatures", {}).values():
                node = json.loads(signature)["node"]
                signers[node] = signers.get(node, 0) + 1
            validator.add_transaction(transaction)
        self.check_service(validator)
        state, state_seqno = ledger.get_latest_public_state()
        require(state_seqno == seqno, f"the public state ends at {state_seqno}, the ledger at {seqno}")
        return {
            "chunks": len(ledger),
            "signatures": validator.signature_count,
            "verified_until": str(validator.last_verified_txid()),
            "service_status": validator.service_status,
            "signers": signers,
            "tables": {name: hex_table(state.get(name, {})) for name in job["tables"]},
            **kinds,
        }

    def snapshot(self, path: str) -> dict[str, Any]:
        # To open a committed one is to verify its receipt; that the receipt is of these bytes is left to the caller.
        with open(path, "rb") as file:
            content = file.read()
        length = 8 + int.from_bytes(content[2:8], "little")
        claims = json.loads(content[length:])["leaf_components"]["claims_digest"]
        require(claims == hashlib.sha256(content[:length]).hexdigest(), "the receipt is of another snapshot")
        with ccf.ledger.Snapshot(path) as snapshot:
            require(snapshot.is_committed(), "the snapshot is not committed")
            domain = snapshot.get_public_domain()
            tables = domain.get_tables()
            info = json.loads(tables["public:ccf.gov.service.info"][bytes(8)])
            named = load_pem_x509_certificate(info["cert"].encode())
            require(spki(named) == spki(self.service), "the snapshot is of another service")
            return {"seqno": domain.get_seqno(), "tables": len(tables)}

    def receipt(self, job: JsonReceipt) -> dict[str, Any]:
        receipt = job["receipt"]
        node = load_pem_x509_certificate(receipt["cert"].encode())
        leaf = receipt.get("leaf")
        if leaf is None:
            leaf = leaf_of(receipt["leaf_components"], claims_digest(job["claims"]))
        else:
            require(job["claims"] is None, "a bare leaf proves no claims")
        root = ccf.receipt.root(leaf, receipt["proof"])
        ccf.receipt.verify(root, receipt["signature"], node)
        endorsements = [load_pem_x509_certificate(pem.encode()) for pem in receipt.get("service_endorsements", [])]
        ccf.receipt.check_endorsements(node, self.service, endorsements)
        require(hashlib.sha256(spki(node)).hexdigest() == receipt["node_id"], "the certificate is another node's")
        return {"root": root}

    def cose_receipt(self, job: CoseReceipt) -> dict[str, Any]:
        receipt = base64.b64decode(job["receipt"], validate=True)
        header = ccf.cose.verify_receipt(receipt, self.service.public_key(), claims_digest(job["claims"]))
        return {"signed_at": header["ccf.v1"]["txid"]}

    def changes(self, job: ChangedLedger) -> list[str | None]:
        """Why each change is refused; null: nobody noticed. Of the chunks before the changed one, the verdict is known."""
        chunks = list(ccf.ledger.Ledger([job["directory"]]))
        before = [new_validator()]
        for chunk in chunks:
            before.append(audited(before[-1], [chunk]))
        self.check_service(before[-1])
        names = [os.path.basename(chunk.filename()) for chunk in chunks]

        def changed(change: Change) -> dict[str, Any]:
            at = names.index(change["file"])
            with tempfile.TemporaryDirectory() as directory:
                path = os.path.join(directory, change["file"])
                write_changed(chunks[at].filename(), path, change)
                audited(before[at], [ccf.ledger.LedgerChunk(path), *chunks[at + 1 :]])
            return {}

        return [judged(changed, change).get("refused") for change in job["changes"]]


def audited(
    validator: ccf.ledger.LedgerValidator, chunks: list[ccf.ledger.LedgerChunk]
) -> ccf.ledger.LedgerValidator:
    """A copy of the validator that has seen the chunks, too."""
    validator = copy.deepcopy(validator)
    for chunk in chunks:
        for transaction in chunk:
            validator.add_transaction(transaction)
    return validator


def write_changed(original: str, path: str, change: Change) -> None:
    with open(original, "rb") as file:
        content = bytearray(file.read())
    content[change["offset"]] ^= change["xor"]
    with open(path, "wb") as file:
        file.write(content)


def leaf_of(components: dict[str, str], claims: bytes) -> str:
    require(components["claims_digest"] == claims.hex(), "the receipt is for other claims")
    evidence = hashlib.sha256(components["commit_evidence"].encode()).digest()
    return hashlib.sha256(bytes.fromhex(components["write_set_digest"]) + evidence + claims).hexdigest()


def hex_table(table: dict[bytes, bytes]) -> dict[str, str]:
    return {key.hex(): value.hex() for key, value in table.items()}


def judged(judge: Callable[[Any], dict[str, Any]], job: Any) -> dict[str, Any]:
    """What `judge` says, or why it refuses: for each fault the package raises another exception, so all of them count."""
    try:
        return judge(job)
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {str(error).strip() or 'no reason given'}"[:200]}


def main(path: str) -> None:
    with open(path, encoding="utf-8") as file:
        job: Job = json.load(file)
    auditor = Auditor(job["service_certificate"])
    changed = job["changed_ledger"]
    outcome = {
        "ccf": version("ccf"),
        "ledgers": [judged(auditor.ledger, ledger) for ledger in job["ledgers"]],
        "changes": [] if changed is None else auditor.changes(changed),
        "receipts": [judged(auditor.receipt, receipt) for receipt in job["receipts"]],
        "cose_receipts": [judged(auditor.cose_receipt, receipt) for receipt in job["cose_receipts"]],
        "snapshots": [judged(auditor.snapshot, path) for path in job["snapshots"]],
    }
    print(json.dumps(outcome))


if __name__ == "__main__":
    main(sys.argv[1])
