// The decoders of texts, DER, PEM and CBOR: keys, certificates, signatures, receipts.
import {
  fromBase64,
  fromByteString,
  fromHex,
  fromUtf8,
  toBase64,
  toByteString,
  toHex,
  utf8,
} from '../../../protocols/codec/bytes.ts'
import { type DerElement, DerReader, ecdsaDerToRaw, ecdsaRawToDer, tryDecode } from '../../../protocols/codec/der.ts'
import { formatPem, parsePem, parsePemBlocks, parsePemMany, type PemBlock } from '../../../protocols/codec/pem.ts'
import {
  parseCertificate,
  parseEcCertificate,
  readExtensions,
  readSignatureHash,
  readSigned,
  tryParseCertificate,
} from '../../../protocols/crypto/certificate.ts'
import {
  type CoseSign1,
  decodeCbor,
  encodeCbor,
  encodeSign1,
  parseSign1,
  verifyRootSignature,
} from '../../../protocols/crypto/cose.ts'
import { encodeEcSpki, parseEcPkcs8, parseEcSpki } from '../../../protocols/crypto/ec-keys.ts'
import { parseRequest } from '../../../protocols/crypto/issue.ts'
import { nativeCrypto } from '../../../protocols/crypto/native.ts'
import { nobleCrypto } from '../../../protocols/crypto/noble.ts'
import { encodeAltNames, encodeName, readAltNames, readName } from '../../../protocols/crypto/x509-name.ts'
import { encodeTime, readTime } from '../../../protocols/crypto/x509-time.ts'
import {
  buildCoseReceipt,
  decodeCoseReceipt,
  decodeInclusionProof,
  encodeInclusionProof,
  type InclusionProof,
} from '../../../protocols/receipts/cose-receipt.ts'
import { buildReceipt, commitEvidenceTxId, parseReceipt, proofSteps } from '../../../protocols/receipts/receipt.ts'
import {
  decodeEndorsement,
  endorsementToBeSigned,
  parseEndorsements,
} from '../../../protocols/receipts/endorsements.ts'
import { verifyCoseReceipt } from '../../../protocols/receipts/verify-cose-receipt.ts'
import { verifyReceipt } from '../../../protocols/receipts/verify-receipt.ts'
import { formatTxId, parseTxId, seqno, view } from '../../../protocols/ids.ts'
import { decodeEntryHeader } from '../../../protocols/ledger/entry.ts'
import { commitEvidence, commitSecret, writeSetDigest } from '../../../protocols/ledger/leaf.ts'
import { deserialiseTree, proof as proofOf } from '../../../protocols/merkle/tree.ts'
import { decodeJson, encodeJson } from '../../../protocols/ledger/tables.ts'
import { type Decoder, ofBytes, ofText } from './decoder.ts'
import { certificates, json, key, madeLedger, ownSignature, pems, requests, signatures, texts } from './seeds.ts'

const BYTES = 'protocols/codec/bytes.ts'
const PEM = 'protocols/codec/pem.ts'
const CERTIFICATE = 'protocols/crypto/certificate.ts'
const COSE = 'protocols/crypto/cose.ts'
const KEYS = 'protocols/crypto/ec-keys.ts'
const NAME = 'protocols/crypto/x509-name.ts'
const COSE_RECEIPT = 'protocols/receipts/cose-receipt.ts'
const ENDORSEMENTS = 'protocols/receipts/endorsements.ts'
const RECEIPT = 'protocols/receipts/receipt.ts'

const rootSignatures = (): Uint8Array[] => signatures().flatMap(({ coseSign1 }) => coseSign1 ?? [])
const proof = {
  writeSetDigest: new Uint8Array(32).fill(1),
  commitEvidence: `ce:2.7:${'ab'.repeat(32)}`,
  claimsDigest: new Uint8Array(32),
  path: [
    { side: 'left', hash: new Uint8Array(32).fill(2) },
    { side: 'right', hash: new Uint8Array(32).fill(3) },
  ] as const,
}

/** Of a transaction of the ledger that we made. */
function ownProof(): InclusionProof {
  const entry = madeLedger().entries[1]!
  const { view, seqno } = decodeEntryHeader(entry)
  const tree = deserialiseTree(nativeCrypto, ownSignature().treeBytes)
  return {
    writeSetDigest: writeSetDigest(nativeCrypto, entry),
    commitEvidence: commitEvidence(nativeCrypto, commitSecret(nativeCrypto, madeLedger().secret), view, seqno),
    claimsDigest: new Uint8Array(32),
    path: proofOf(nativeCrypto, tree, seqno)!,
  }
}

const coseReceipts = (): Uint8Array[] => [
  buildCoseReceipt(ownSignature().coseSign1!, [ownProof(), ownProof()]),
  ...rootSignatures().map((sign1) => buildCoseReceipt(sign1, [proof, proof])),
]

function endorsements(): Uint8Array[] {
  const { spki, pkcs8 } = key()
  const begin = { view: view(2), seqno: seqno(1) }
  const end = { txId: { view: view(2), seqno: seqno(9) }, root: new Uint8Array(32).fill(4) }
  return [{ end }, {}].map((epoch) => {
    const endorsed = { curve: 'P-256' as const, iatSeconds: 1_750_000_000, spki, begin, ...epoch }
    const { protectedHeader, toBeSigned } = endorsementToBeSigned(endorsed)
    const signature = nobleCrypto.signEcdsa(pkcs8, 'sha256', toBeSigned, 'raw')
    return encodeSign1(protectedHeader, new Map(), spki, signature)
  })
}
/** Imported keys are handles, which compare by identity. */
const withoutKey = ({ key: { curve }, ...rest }: ReturnType<typeof decodeEndorsement>) => ({ ...rest, curve })

function receipts(): unknown[] {
  const evidence = { entryBytes: madeLedger().entries[1]!, signature: ownSignature(), commitEvidence: undefined }
  const leaf = buildReceipt(nativeCrypto, evidence)
  const components = {
    claims_digest: 'ab'.repeat(32),
    commit_evidence: proof.commitEvidence,
    write_set_digest: 'ef'.repeat(32),
  }
  return [
    leaf,
    {
      cert: pems()[0],
      leaf_components: components,
      node_id: 'cd'.repeat(32),
      proof: [{ left: 'ab'.repeat(32) }, { right: 'cd'.repeat(32) }],
      service_endorsements: pems(),
      signature: 'AAAA',
    },
  ]
}

/** Reads what a DER function reads, and nothing behind it. */
const inDer =
  <T>(read: (reader: DerReader) => T) =>
  (bytes: Uint8Array): T => {
    const reader = new DerReader(bytes)
    const value = read(reader)
    reader.end()
    return value
  }

/** The first element with a tag in the signed part of a certificate: 30 its algorithm, a3 its extensions. */
function partOf(certificate: Uint8Array, tag: number): DerElement {
  const body = new DerReader(certificate).inside().inside()
  for (;;) {
    const element = body.element()
    if (element.tag === tag) return element
  }
}

const names = (): Uint8Array[] => ['CN=a', 'CN=Fuzz\\, x,O=\\#e,DC=test', ''].map(encodeName)
const first = (): Uint8Array => certificates()[0]!
const plain = ({ publicKey, ...rest }: ReturnType<typeof parseEcCertificate>) => ({ ...rest, curve: publicKey.curve })

const codecDecoders: readonly Decoder[] = [
  ofBytes({
    name: 'utf8',
    of: [`${BYTES}#fromUtf8`],
    seeds: texts('aé漢😀', '\ufeffx'),
    decode: fromUtf8,
    encode: utf8,
    oneSpelling: true,
    bytesPerByte: 4,
  }),
  ofText({
    name: 'hex',
    of: [`${BYTES}#fromHex`],
    seeds: texts('00ff', 'aBcD'),
    decode: fromHex,
    encode: toHex,
    bytesPerByte: 24,
  }),
  ofText({
    name: 'base64',
    of: [`${BYTES}#fromBase64`],
    seeds: texts('AAECAw==', 'AAEC', 'AAA=', ''),
    decode: fromBase64,
    encode: toBase64,
    oneSpelling: true,
  }),
  ofBytes({
    name: 'byte-string',
    of: [`${BYTES}#fromByteString`],
    seeds: texts('aé'),
    decode: toByteString,
    encode: fromByteString,
    oneSpelling: true,
  }),
  ofText({
    name: 'pem-blocks',
    of: [`${PEM}#parsePemBlocks`],
    seeds: pemSeeds,
    bytesPerByte: 64,
    decode: parsePemBlocks,
    encode: writePems,
  }),
  ofText({
    name: 'pem',
    bytesPerByte: 64,
    of: [`${PEM}#parsePem`],
    seeds: pemSeeds,
    decode: (text) => parsePem(text, 'CERTIFICATE'),
    encode: (der) => formatPem('CERTIFICATE', der),
  }),
  ofText({
    name: 'pem-many',
    bytesPerByte: 64,
    of: [`${PEM}#parsePemMany`],
    seeds: pemSeeds,
    decode: (text) => parsePemMany(text, 'CERTIFICATE'),
  }),
  ofBytes({
    name: 'ecdsa-signature',
    of: ['protocols/codec/der.ts#ecdsaDerToRaw', 'protocols/codec/der.ts#tryDecode'],
    format: 'der',
    seeds: () => signatures().map(({ signatureDer }) => signatureDer),
    decode: (bytes) => tryDecode(() => ecdsaDerToRaw(bytes, 48)),
    encode: ecdsaRawToDer,
    oneSpelling: true,
  }),
  ofText({
    name: 'tx-id',
    of: ['protocols/ids.ts#parseTxId'],
    seeds: texts('2.17', '2147483647.9007199254740991'),
    decode: parseTxId,
    encode: formatTxId,
  }),
]

function pemSeeds(): Uint8Array[] {
  return [...pems(), pems().join(''), pems()[0]!.replaceAll('\n', '\r\n')].map(utf8)
}
function writePems(blocks: readonly PemBlock[]): string {
  return blocks.map(({ label, der }) => formatPem(label, der)).join('')
}

const x509Decoders: readonly Decoder[] = [
  ofBytes({
    name: 'certificate',
    of: [`${CERTIFICATE}#parseCertificate`, `${CERTIFICATE}#tryParseCertificate`, `${CERTIFICATE}#readSigned`],
    format: 'der',
    seeds: certificates,
    decode: (bytes) => ({
      parsed: parseCertificate(bytes),
      tried: tryParseCertificate(bytes),
      outer: readSigned(bytes).body,
    }),
    encode: ({ parsed }) => parsed.der,
    oneSpelling: true,
    bytesPerByte: 200,
  }),
  ofText({
    name: 'certificate-pem',
    of: [`${CERTIFICATE}#parseCertificate`, `${CERTIFICATE}#parseEcCertificate`],
    seeds: pemSeeds,
    decode: (text) => plain(parseEcCertificate(nativeCrypto, text)),
    bytesPerByte: 200,
  }),
  ofBytes({
    name: 'certificate-request',
    of: ['protocols/crypto/issue.ts#parseRequest'],
    format: 'der',
    seeds: requests,
    decode: parseRequest,
    encode: ({ der }) => der,
    oneSpelling: true,
    bytesPerByte: 200,
  }),
  ofBytes({
    name: 'x509-name',
    of: [`${NAME}#readName`],
    format: 'der',
    seeds: names,
    decode: inDer(readName),
    encode: ({ der }: ReturnType<typeof readName>) => der,
    oneSpelling: true,
    bytesPerByte: 200,
  }),
  ofText({
    name: 'x509-name-text',
    of: [`${NAME}#encodeName`],
    seeds: texts('CN=a', 'CN=Fuzz\\, x,O=\\#e\\20,DC=test', 'C=CH'),
    decode: encodeName,
    encode: (bytes) => inDer(readName)(bytes).text,
    bytesPerByte: 200,
  }),
  ofBytes({
    name: 'x509-alt-names',
    of: [`${NAME}#readAltNames`],
    format: 'der',
    seeds: () => [encodeAltNames(['dNSName:a.example', 'iPAddress:10.0.0.1', 'iPAddress:fe80::1'])],
    decode: inDer(readAltNames),
    encode: encodeAltNames,
    bytesPerByte: 200,
  }),
  ofText({
    name: 'x509-alt-name-text',
    of: [`${NAME}#encodeAltNames`],
    seeds: texts('dNSName:a.example', 'iPAddress:10.0.0.1', 'iPAddress:fe80::1', 'iPAddress:::'),
    decode: (text) => encodeAltNames([text]),
    bytesPerByte: 200,
  }),
  ofBytes({
    name: 'x509-extensions',
    of: [`${CERTIFICATE}#readExtensions`],
    format: 'der',
    seeds: () => certificates().map((der) => partOf(der, 0xa3).content),
    decode: inDer(readExtensions),
    bytesPerByte: 200,
  }),
  ofBytes({
    name: 'x509-algorithm',
    of: [`${CERTIFICATE}#readSignatureHash`],
    format: 'der',
    seeds: () => [partOf(first(), 0x30).raw, Uint8Array.of(0x30, 3, 6, 1, 42)],
    decode: inDer(readSignatureHash),
    bytesPerByte: 200,
  }),
  ofBytes({
    name: 'x509-time',
    of: ['protocols/crypto/x509-time.ts#readTime'],
    format: 'der',
    seeds: () => [0, 1_700_000_000, 2_600_000_000].map(encodeTime),
    decode: inDer(readTime),
  }),
  ofBytes({
    name: 'ec-spki',
    of: [`${KEYS}#parseEcSpki`],
    format: 'der',
    seeds: () => [key().spki],
    decode: parseEcSpki,
    encode: ({ curve, point }) => encodeEcSpki(curve, point),
    oneSpelling: true,
  }),
  ofBytes({
    name: 'ec-pkcs8',
    of: [`${KEYS}#parseEcPkcs8`],
    format: 'der',
    seeds: () => [key().pkcs8],
    decode: parseEcPkcs8,
  }),
]

const coseDecoders: readonly Decoder[] = [
  ofBytes({
    name: 'cbor',
    of: [`${COSE}#decodeCbor`],
    format: 'cbor',
    seeds: () => [...rootSignatures().map((bytes) => bytes.slice(1)), encodeInclusionProof(proof)],
    decode: (bytes) => decodeCbor(bytes, 1024 * 1024),
    encode: encodeCbor,
    bytesPerByte: 256,
  }),
  ofBytes({
    name: 'cose-sign1',
    of: [`${COSE}#parseSign1`],
    format: 'cbor',
    seeds: () => [...rootSignatures(), ...coseReceipts()],
    decode: parseSign1,
    encode: ({ protectedBytes, unprotectedHeader, payload, signature }: CoseSign1) =>
      encodeSign1(protectedBytes, unprotectedHeader, payload, signature),
    bytesPerByte: 256,
  }),
  ofBytes({
    name: 'cose-root-signature',
    of: [`${COSE}#verifyRootSignature`],
    format: 'cbor',
    seeds: () => [ownSignature().coseSign1!],
    decode: (bytes) => verifyRootSignature(nativeCrypto, serviceKey(), bytes, ownSignature().root),
    bytesPerByte: 256,
  }),
  ofBytes({
    name: 'inclusion-proof',
    of: [`${COSE_RECEIPT}#decodeInclusionProof`],
    format: 'cbor',
    seeds: () => [encodeInclusionProof(proof)],
    decode: decodeInclusionProof,
    encode: encodeInclusionProof,
    bytesPerByte: 256,
  }),
  ofBytes({
    name: 'cose-receipt',
    of: ['protocols/receipts/verify-cose-receipt.ts#verifyCoseReceipt'],
    format: 'cbor',
    seeds: coseReceipts,
    decode: (bytes) => verifyCoseReceipt(nativeCrypto, bytes, { serviceCertificate: madeLedger().service.pem }),
    bytesPerByte: 512,
  }),
  ofBytes({
    name: 'cose-receipt-parts',
    of: [`${COSE_RECEIPT}#decodeCoseReceipt`],
    format: 'cbor',
    seeds: coseReceipts,
    decode: decodeCoseReceipt,
    bytesPerByte: 512,
  }),
  ofBytes({
    name: 'endorsement',
    of: [`${ENDORSEMENTS}#decodeEndorsement`],
    format: 'cbor',
    seeds: endorsements,
    decode: (bytes) => withoutKey(decodeEndorsement(nativeCrypto, bytes)),
    bytesPerByte: 256,
  }),
  ofBytes({
    name: 'endorsements',
    of: [`${ENDORSEMENTS}#parseEndorsements`],
    format: 'json',
    seeds: () => json(endorsements().map(toBase64), []),
    decode: (bytes) => parseEndorsements(nativeCrypto, decodeJson(bytes)).map(withoutKey),
    bytesPerByte: 512,
  }),
  ofBytes({
    name: 'receipt',
    of: [`${RECEIPT}#parseReceipt`, `${RECEIPT}#proofSteps`],
    format: 'json',
    seeds: () => json(...receipts()),
    decode: (bytes) => {
      const receipt = parseReceipt(decodeJson(bytes))
      return { receipt, steps: proofSteps(receipt) }
    },
    encode: ({ receipt }) => encodeJson(receipt),
    bytesPerByte: 128,
  }),
  ofBytes({
    name: 'receipt-verification',
    of: ['protocols/receipts/verify-receipt.ts#verifyReceipt'],
    format: 'json',
    seeds: () => json(...receipts()),
    decode: (bytes) => verifyReceipt(nativeCrypto, decodeJson(bytes), { serviceCertificate: madeLedger().service.pem }),
    bytesPerByte: 512,
  }),
  ofText({
    name: 'commit-evidence',
    of: [`${RECEIPT}#commitEvidenceTxId`],
    seeds: texts(proof.commitEvidence),
    decode: commitEvidenceTxId,
  }),
]

const serviceKey = () => nativeCrypto.importEcPublicKey(madeLedger().service.spki)!

export const cryptoDecoders: readonly Decoder[] = [...codecDecoders, ...x509Decoders, ...coseDecoders]
