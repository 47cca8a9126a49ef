// A node that joins at a snapshot: a rekey may have come between what it was welcomed with and the snapshot, whose entry it then never sees.
// The rule to remember: it learns that secret from the snapshot, or does not use the snapshot; it never takes a wrong one for the right one.
import { describe, expect, it } from 'vitest'
import { concat, toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import { nativeCrypto as crypto } from '../../../protocols/crypto/native.ts'
import { seqno, view, type NodeId } from '../../../protocols/ids.ts'
import { decodeEntry, decodeEntryHeader } from '../../../protocols/ledger/entry.ts'
import { commitEvidence, commitSecret, entryLeaf } from '../../../protocols/ledger/leaf.ts'
import { parseSignature } from '../../../protocols/ledger/signature.ts'
import { encodeJson, INTERNAL_TABLES, singleWrite } from '../../../protocols/ledger/tables.ts'
import { buildReceipt } from '../../../protocols/receipts/receipt.ts'
import type { LedgerSecret } from '../../../protocols/secrets/ledger-secrets.ts'
import { openSnapshot } from '../../../protocols/snapshot/beginning.ts'
import { encodeSnapshot } from '../../../protocols/snapshot/encode.ts'
import { PublicState } from '../../../protocols/snapshot/public-state.ts'
import { executor } from '../../../actors/executor/executor.ts'
import { RekeyedLedger } from '../../support/made-secrets.ts'
import { rsaKeyOf } from '../../../runtime/models/service/rsa-keys.ts'
import { Executor, setup } from '../executor/world.ts'

const JOINER = 'joiner' as NodeId

/** A snapshot right after `rekeys` rekeys, with its receipt. */
function snapshotAfter(rekeys: number, nodes: readonly string[] = ['other', JOINER]) {
  const made = new RekeyedLedger('joining')
  const { writer: w } = made
  for (let i = 0; i < rekeys; i++) made.rekey(nodes)
  w.writePrivate(1).sign()
  const at = w.entries.length
  const state = new PublicState()
  w.entries.forEach((entry, i) => state.apply(i + 1, decodeEntry(entry).publicWrites))
  const last = w.entries[at - 1]!
  const entryBytes = encodeSnapshot(crypto, w.secret, {
    seqno: seqno(at),
    leaf: entryLeaf(crypto, last, decodeEntryHeader(last)),
    viewHistory: [1, 1],
    maps: state.maps,
  })
  const digest = crypto.sha256(entryBytes)
  const evidence = encodeJson({ hash: toHex(digest), version: at })
  w.add([singleWrite(INTERNAL_TABLES.snapshotEvidence, evidence)], 0, digest).sign()
  const receipt = buildReceipt(crypto, {
    entryBytes: w.entries[at]!,
    commitEvidence: commitEvidence(crypto, commitSecret(crypto, w.secret), view(2), seqno(at + 1)),
    signature: parseSignature(decodeEntry(w.entries[at + 1]!))!,
  })
  const fileName = `snapshot_${at}_${at + 1}.committed`
  return { made, fileName, bytes: concat(entryBytes, utf8(JSON.stringify(receipt))) }
}

function trustOf({ made }: ReturnType<typeof snapshotAfter>, secrets: readonly LedgerSecret[], nodeId = JOINER) {
  const { pem: serviceCertificatePem } = made.writer.service
  return { nodeId, encryptionKey: rsaKeyOf(nodeId).pkcs8, serviceCertificatePem, secrets }
}

const hexOf = (secrets: readonly LedgerSecret[]) => secrets.map(({ version, secret }) => `${version}: ${toHex(secret)}`)

describe('a node that was welcomed before a rekey and begins at a snapshot after it', () => {
  it('learns the new secret from the snapshot', () => {
    const snapshot = snapshotAfter(1)
    const { made, fileName, bytes } = snapshot
    const { secrets } = openSnapshot(crypto, trustOf(snapshot, made.secrets.slice(0, 1)), fileName, bytes)
    expect(hexOf(secrets)).toEqual(hexOf(made.secrets))
  })

  it('uses it from there on, and passes it on to whoever joins after it', () => {
    const snapshot = snapshotAfter(1)
    const { made, fileName, bytes } = snapshot
    const { config } = new Executor(setup(1), 0).s
    const trust = trustOf(snapshot, made.secrets.slice(0, 1))
    const { state } = executor.start({ ...config, ...trust, genesis: undefined, snapshot: { fileName, bytes } })
    expect(hexOf(state.s.secrets.all)).toEqual(hexOf(made.secrets))
    expect(state.s.secretsTold).toBe(1)
  })

  it('with all secrets given, learns nothing', () => {
    const snapshot = snapshotAfter(2)
    const { made, fileName, bytes } = snapshot
    const { secrets } = openSnapshot(crypto, trustOf(snapshot, made.secrets), fileName, bytes)
    expect(secrets).toEqual(made.secrets)
  })

  it('does not use a snapshot that cannot tell it every secret: one between is missing, or the latest is not for it', () => {
    const twice = snapshotAfter(2)
    const given = twice.made.secrets.slice(0, 1)
    const open = (snapshot: typeof twice, nodeId = JOINER) =>
      openSnapshot(crypto, trustOf(snapshot, given, nodeId), snapshot.fileName, snapshot.bytes)
    expect(() => open(twice)).toThrow(/ledger secrets before version 4 are missing/)
    expect(() => open(snapshotAfter(1, ['other']))).toThrow(/of version 3 was not given to this node/)
  })
})
