// How fast an auditor verifies: entries of a ledger made for it, and beside them the hashes alone that no verifier can do without.
// The ledger: small private transactions, a signature after every 1999 of them, as a busy service writes it.
import { concat, utf8 } from '../../protocols/codec/bytes.ts'
import { formatPem } from '../../protocols/codec/pem.ts'
import { nodeIdOf, parseCertificate } from '../../protocols/crypto/certificate.ts'
import { assembleRootSignature, coseAlgorithm, rootToBeSigned, serviceKeyId } from '../../protocols/crypto/cose.ts'
import { issueCertificate } from '../../protocols/crypto/issue.ts'
import { nativeCrypto as crypto } from '../../protocols/crypto/native.ts'
import { ecKeyPairFromSeed, type EcKeyPair } from '../../protocols/crypto/noble.ts'
import { seqno, view } from '../../protocols/ids.ts'
import { encodeChunk } from '../../protocols/ledger/chunk.ts'
import { decodeEntryHeader, encodeEntry } from '../../protocols/ledger/entry.ts'
import { commitEvidenceDigest, commitSecret, entryLeaf } from '../../protocols/ledger/leaf.ts'
import { signatureWrites } from '../../protocols/ledger/signature.ts'
import { encodeJson, GOV_TABLES, singleWrite } from '../../protocols/ledger/tables.ts'
import { finishVerification, startVerification, verifyChunk } from '../../protocols/ledger/verify.ts'
import type { WriteSet } from '../../protocols/ledger/write-set.ts'
import { append, emptyTree, flush, root, serialiseTree } from '../../protocols/merkle/tree.ts'

const ENTRIES = 100_000
const SIGNATURE_EVERY = 2000
const CURVE = 'P-384'
const SECRET = new Uint8Array(32).fill(5)
const VIEW = view(2)

function certificate(issuer: EcKeyPair, subject: string, spki: Uint8Array, isCa: boolean): string {
  const dates = { notBeforeSeconds: 1_700_000_000, notAfterSeconds: 1_800_000_000, signatureHash: 'sha384' as const }
  const fields = { ...dates, subject, issuer: 'CN=CCF Service', spki, issuerSpki: issuer.spki, isCa }
  return formatPem('CERTIFICATE', issueCertificate(crypto, fields, issuer.pkcs8))
}

function makeChunk(): Uint8Array {
  const service = ecKeyPairFromSeed(CURVE, utf8('bench service'))
  const node = ecKeyPairFromSeed(CURVE, utf8('bench node'))
  const serviceCertificate = certificate(service, 'CN=CCF Service', service.spki, true)
  const nodeCertPem = certificate(service, 'CN=CCF Node', node.spki, false)
  const nodeId = nodeIdOf(crypto, parseCertificate(nodeCertPem).spki)
  const secret = commitSecret(crypto, SECRET)
  const entries: Uint8Array[] = []
  let tree = emptyTree
  const add = (writes: WriteSet): void => {
    const at = seqno(entries.length + 1)
    const digest = commitEvidenceDigest(crypto, secret, VIEW, at)
    const content = { view: VIEW, seqno: at, flags: 0, claimsDigest: undefined, commitEvidenceDigest: digest, writes }
    const { bytes } = encodeEntry(crypto, SECRET, content)
    entries.push(bytes)
    tree = append(crypto, tree, entryLeaf(crypto, bytes, decodeEntryHeader(bytes)))
  }
  const sign = (): void => {
    tree = flush(tree, Math.max(0, tree.size - 10))
    const { root: rootHash, preimage } = root(crypto, tree)
    const ids = { view: VIEW, seqno: seqno(entries.length + 1), root: rootHash }
    const kid = serviceKeyId(crypto, service.spki)
    const cose = rootToBeSigned({ curve: CURVE, kid, iatSeconds: 1_750_000_000, issuer: '', subject: '', ...ids })
    const raw = crypto.signEcdsa(service.pkcs8, coseAlgorithm(CURVE).hash, cose.toBeSigned, 'raw')
    const signatureDer = crypto.signEcdsa(node.pkcs8, 'sha256', concat(preimage!.left, preimage!.right), 'der')
    const coseSign1 = assembleRootSignature(cose.protectedHeader, raw)
    add(signatureWrites({ nodeId, nodeCertPem, ...ids, signatureDer, coseSign1, treeBytes: serialiseTree(tree) }))
  }
  const row = (name: string, key: string, value: Uint8Array) => ({
    name,
    writes: [{ key: utf8(key), value }],
    removes: [],
  })
  add([
    row(GOV_TABLES.nodesEndorsedCertificates, nodeId, utf8(nodeCertPem)),
    row(GOV_TABLES.nodesInfo, nodeId, encodeJson({ status: 'Trusted' })),
    singleWrite(GOV_TABLES.serviceInfo, encodeJson({ cert: serviceCertificate, status: 'Opening' })),
  ])
  while (entries.length < ENTRIES) {
    for (let i = 1; i < SIGNATURE_EVERY; i++) add([row('records', `key ${entries.length}`, utf8(`value ${i}`))])
    sign()
  }
  return encodeChunk(entries)
}

export interface AuditFigures {
  readonly entries: number
  /** Entries a CPU second, all checks. */
  readonly verifiedPerSecond: number
  /** The same entries, if only hashed: a write set digest, a leaf and an inner node each. */
  readonly hashedPerSecond: number
}

/** Best of three runs, so that the first one warms up. */
export function auditFigures(): AuditFigures {
  const chunk = makeChunk()
  let count = 0
  const verify = (): void => {
    count = finishVerification(verifyChunk(startVerification({ crypto }), 'ledger_1', chunk)).lastSeqno
  }
  const verifySeconds = best(verify)
  const [entry, leaf] = [new Uint8Array(chunk.length / count), new Uint8Array(32)]
  const hashSeconds = best(() => {
    for (let i = 0; i < count; i++) {
      crypto.sha256(entry)
      crypto.sha256(leaf, leaf, leaf)
      crypto.sha256(leaf, leaf)
    }
  })
  return { entries: count, verifiedPerSecond: count / verifySeconds, hashedPerSecond: count / hashSeconds }
}

/** CPU seconds. */
function best(run: () => void): number {
  const times = [1, 2, 3].map(() => {
    const began = process.cpuUsage()
    run()
    const { user, system } = process.cpuUsage(began)
    return (user + system) / 1e6
  })
  return Math.min(...times)
}
