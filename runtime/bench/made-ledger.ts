// Makes ledgers with keys of our own, for the bench and for tests: a genesis, private and public transactions, signature transactions,
// and on request a recovery under a new service identity. Deterministic: all keys come from seeds,
// and noble's signatures are those of RFC 6979.
import { concat, toBase64, toHex, utf8 } from '../../protocols/codec/bytes.ts'
import { formatPem } from '../../protocols/codec/pem.ts'
import { parseCertificate, nodeIdOf } from '../../protocols/crypto/certificate.ts'
import {
  assembleRootSignature,
  coseAlgorithm,
  encodeSign1,
  rootToBeSigned,
  serviceKeyId,
} from '../../protocols/crypto/cose.ts'
import { issueCertificate } from '../../protocols/crypto/issue.ts'
import { type EcKeyPair, ecKeyPairFromSeed, nobleCrypto as crypto } from '../../protocols/crypto/noble.ts'
import { seqno, view } from '../../protocols/ids.ts'
import { decodeEntryHeader, encodeEntry } from '../../protocols/ledger/entry.ts'
import { commitEvidenceDigest, commitSecret, entryLeaf } from '../../protocols/ledger/leaf.ts'
import { signatureWrites } from '../../protocols/ledger/signature.ts'
import { encodeJson, GOV_TABLES, INTERNAL_TABLES, singleWrite } from '../../protocols/ledger/tables.ts'
import type { MapWrites, WriteSet } from '../../protocols/ledger/write-set.ts'
import { type EndorsementToSign, endorsementToBeSigned } from '../../protocols/receipts/endorsements.ts'
import { append, emptyTree, flush, type MerkleTree, root, serialiseTree } from '../../protocols/merkle/tree.ts'

const validity = { notBeforeSeconds: 1_700_000_000, notAfterSeconds: 1_800_000_000, signatureHash: 'sha384' as const }

export interface Identity extends EcKeyPair {
  readonly pem: string
}

export function makeService(name: string): Identity {
  const pair = ecKeyPairFromSeed('P-384', utf8(`service ${name}`))
  const subject = 'CN=CCF Service'
  const fields = { ...validity, subject, issuer: subject, spki: pair.spki, issuerSpki: pair.spki, isCa: true }
  return { ...pair, pem: formatPem('CERTIFICATE', issueCertificate(crypto, fields, pair.pkcs8)) }
}

/** A certificate for `subjectSpki` issued by a service: a node's, or (isCa) the endorsement of an older service. */
export function endorse(issuer: Identity, subjectSpki: Uint8Array, subject: string, isCa: boolean): string {
  const issuerName = parseCertificate(issuer.pem).subjectDer
  const fields = { ...validity, subject, issuer: issuerName, spki: subjectSpki, issuerSpki: issuer.spki, isCa }
  return formatPem('CERTIFICATE', issueCertificate(crypto, fields, issuer.pkcs8))
}

export function makeNode(name: string, service: Identity): Identity {
  const pair = ecKeyPairFromSeed('P-384', utf8(`node ${name}`))
  return { ...pair, pem: endorse(service, pair.spki, 'CN=CCF Node', false) }
}

/** The COSE endorsement of a service key by a newer one (CCF facts §4.5); of itself when there is no `end`. */
export function endorseEpoch(issuer: Identity, epoch: Omit<EndorsementToSign, 'curve' | 'iatSeconds'>): Uint8Array {
  const fields = { ...epoch, curve: 'P-384' as const, iatSeconds: 1_750_000_000 }
  const { protectedHeader, toBeSigned } = endorsementToBeSigned(fields)
  const signature = crypto.signEcdsa(issuer.pkcs8, coseAlgorithm('P-384').hash, toBeSigned, 'raw')
  return encodeSign1(protectedHeader, new Map(), epoch.spki, signature)
}

const write = (name: string, key: string, value: Uint8Array): MapWrites => ({
  name,
  writes: [{ key: utf8(key), value }],
  removes: [],
})

export class LedgerWriter {
  service: Identity
  node: Identity
  view = 2
  /** In force at the next seqno. */
  secret: Uint8Array = new Uint8Array(32).fill(5)
  readonly entries: Uint8Array[] = []
  tree: MerkleTree = emptyTree
  #begin = { view: view(2), seqno: seqno(1) }
  #previous: Omit<EndorsementToSign, 'curve' | 'iatSeconds'> | undefined

  constructor(name: string) {
    this.service = makeService(name)
    this.node = makeNode(name, this.service)
  }

  get nodeId() {
    return nodeIdOf(crypto, this.node.spki)
  }

  get nextSeqno() {
    return seqno(this.entries.length + 1)
  }

  add(writes: WriteSet, flags = 0, claimsDigest?: Uint8Array): this {
    const [inView, at] = [view(this.view), this.nextSeqno]
    const digest = commitEvidenceDigest(crypto, commitSecret(crypto, this.secret), inView, at)
    const content = { view: inView, seqno: at, flags, claimsDigest, commitEvidenceDigest: digest, writes }
    const { bytes } = encodeEntry(crypto, this.secret, content)
    this.entries.push(bytes)
    this.tree = append(crypto, this.tree, entryLeaf(crypto, bytes, decodeEntryHeader(bytes)))
    return this
  }

  /** Service info (and, for a new identity, this node) as the service's first transaction writes it. */
  begin(status: string, more: WriteSet = []): this {
    const maps = [
      write(GOV_TABLES.nodesEndorsedCertificates, this.nodeId, utf8(this.node.pem)),
      write(GOV_TABLES.nodesInfo, this.nodeId, encodeJson({ status: 'Trusted' })),
      singleWrite(GOV_TABLES.serviceInfo, encodeJson({ cert: this.service.pem, status })),
    ]
    return this.add([...maps, ...more])
  }

  status(status: string): this {
    return this.add([singleWrite(GOV_TABLES.serviceInfo, encodeJson({ cert: this.service.pem, status }))])
  }

  writePrivate(count: number): this {
    for (let i = 0; i < count; i++) this.add([write('records', `key ${this.nextSeqno}`, utf8(`value ${i}`))])
    return this
  }

  /** `writes` name the new secret; it seals from the next entry on. */
  rekey(writes: WriteSet, secret: Uint8Array): this {
    this.add(writes)
    this.secret = secret
    return this
  }

  /** `flushTo`: what the signer knows as committed. */
  sign(flushTo = 0, flags = 0): this {
    this.tree = flush(this.tree, flushTo)
    const signed = root(crypto, this.tree)
    const preimage = signed.preimage!
    const [inView, at] = [view(this.view), this.nextSeqno]
    const kid = serviceKeyId(crypto, this.service.spki)
    const names = { issuer: 'service.example.com', subject: 'ledger' }
    const cose = {
      curve: 'P-384' as const,
      kid,
      iatSeconds: 1_750_000_000,
      ...names,
      view: inView,
      seqno: at,
      root: signed.root,
    }
    const { protectedHeader, toBeSigned } = rootToBeSigned(cose)
    const serviceSignature = crypto.signEcdsa(this.service.pkcs8, coseAlgorithm('P-384').hash, toBeSigned, 'raw')
    const message = concat(preimage.left, preimage.right)
    const writes = signatureWrites({
      nodeId: this.nodeId,
      nodeCertPem: this.node.pem,
      root: signed.root,
      view: inView,
      seqno: at,
      signatureDer: crypto.signEcdsa(this.node.pkcs8, 'sha256', message, 'der'),
      coseSign1: assembleRootSignature(protectedHeader, serviceSignature),
      treeBytes: serialiseTree(this.tree),
    })
    return this.add(writes, flags)
  }

  /** Disaster recovery under a new identity (CCF facts §16), continuing from `lastRoot`. */
  recover(name: string, lastRoot: Uint8Array): this {
    const end = { txId: { view: view(this.view), seqno: seqno(this.entries.length) }, root: lastRoot }
    this.#previous = { spki: this.service.spki, begin: this.#begin, end }
    this.#begin = { view: view(this.view + 2), seqno: this.nextSeqno }
    this.service = makeService(name)
    this.node = makeNode(name, this.service)
    this.view += 2
    return this.begin('Recovering', [
      singleWrite(INTERNAL_TABLES.previousServiceLastSignedRoot, encodeJson(toHex(lastRoot))),
    ])
  }

  /** Opens the service, endorsing the one before it; the first service endorses itself. */
  open(): this {
    const endorsement = endorseEpoch(this.service, this.#previous ?? { spki: this.service.spki, begin: this.#begin })
    const record = { endorsement: toBase64(endorsement), endorsing_key: toBase64(this.service.spki) }
    return this.add([
      singleWrite(GOV_TABLES.serviceInfo, encodeJson({ cert: this.service.pem, status: 'Open' })),
      singleWrite(INTERNAL_TABLES.previousServiceIdentityEndorsement, encodeJson(record)),
    ])
  }
}
