// Good input to begin with: CCF's own ledgers (test/golden, and all of ../shared/data where it is), and what we make with keys of our own.
// The rule to remember: everything is made when first asked for, and the same on every machine that has the same files.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { utf8 } from '../../../protocols/codec/bytes.ts'
import { formatPem } from '../../../protocols/codec/pem.ts'
import { attachSignature, issueCertificate, requestBody } from '../../../protocols/crypto/issue.ts'
import { ecKeyPairFromSeed, nobleCrypto } from '../../../protocols/crypto/noble.ts'
import { decodeChunk, encodeChunk, parseLedgerFileName } from '../../../protocols/ledger/chunk.ts'
import { decodeEntry, type Entry } from '../../../protocols/ledger/entry.ts'
import { parseSignature, type SignatureContent } from '../../../protocols/ledger/signature.ts'
import { mapWrites } from '../../../protocols/ledger/write-set.ts'
import { LedgerWriter } from '../../../runtime/bench/made-ledger.ts'

/** Large chunks make slow hunts: those beyond are left to `npm run fuzz` without `--decoders`. */
const CHUNK_BYTES_MAX = 128 * 1024

export const lazy = <T>(make: () => T): (() => T) => {
  let made: { readonly value: T } | undefined
  return () => (made ??= { value: make() }).value
}

/** The repository: the hunt runs from there, bundled or not. */
const root = process.cwd()

interface File {
  readonly name: string
  readonly bytes: Uint8Array
}

function filesBelow(directory: string): File[] {
  if (!existsSync(directory)) return []
  return readdirSync(directory)
    .sort()
    .flatMap((name) => {
      const path = join(directory, name)
      return statSync(path).isDirectory() ? filesBelow(path) : [{ name, bytes: new Uint8Array(readFileSync(path)) }]
    })
}

const ccfFiles = lazy(() => [
  ...filesBelow(join(root, 'test/golden/ccf-ledgers')),
  ...filesBelow(join(root, '../shared/data/ccf-ledgers')),
])

export const madeLedger = lazy(() => {
  const writer = new LedgerWriter('fuzz').begin('Open').writePrivate(3).sign()
  return writer.status('Open').writePrivate(2).sign(4)
})

const committed = ({ name }: File): boolean => parseLedgerFileName(name)?.committed === true

/** Whole committed chunks. */
export const chunks = lazy(() => [
  encodeChunk(madeLedger().entries),
  ...ccfFiles()
    .filter((file) => committed(file) && file.bytes.length <= CHUNK_BYTES_MAX)
    .map(({ bytes }) => bytes),
])

export const snapshots = lazy(() =>
  ccfFiles()
    .filter(({ name }) => /^snapshot_.*\.committed$/.test(name))
    .map(({ bytes }) => bytes),
)

/** One of every size class, so that none is drawn far more often than others. */
function varied(all: readonly Uint8Array[], countMax: number): Uint8Array[] {
  const bySize = new Map(all.map((bytes) => [bytes.length, bytes]))
  const sizes = [...bySize.values()].sort((a, b) => a.length - b.length)
  const stride = Math.max(1, sizes.length / countMax)
  return Array.from({ length: Math.min(countMax, sizes.length) }, (_, i) => sizes[Math.floor(i * stride)]!)
}

const allEntries = lazy(() =>
  chunks().flatMap((chunk) => decodeChunk(chunk).entries.map(({ bytes }) => new Uint8Array(bytes))),
)

export const entries = lazy(() => varied(allEntries(), 24))

export const decodedEntries = lazy((): Entry[] => allEntries().map(decodeEntry))

export const signatureEntries = lazy(() =>
  varied(
    allEntries().filter((bytes) => parseSignature(decodeEntry(bytes)) !== undefined),
    8,
  ),
)

export const signatures = lazy((): SignatureContent[] =>
  signatureEntries().flatMap((bytes) => parseSignature(decodeEntry(bytes)) ?? []),
)

/** The first signature of the ledger that we made: its tree holds every leaf before it. */
export const ownSignature = lazy((): SignatureContent =>
  parseSignature(decodeEntry(madeLedger().entries.find(isSigned)!))!,
)
const isSigned = (bytes: Uint8Array): boolean => parseSignature(decodeEntry(bytes)) !== undefined

/** Values that stand in a table of the ledgers. */
export const valuesOf = (table: string): Uint8Array[] =>
  varied(
    decodedEntries().flatMap(({ publicWrites }) =>
      (mapWrites(publicWrites, table)?.writes ?? []).map(({ value }) => new Uint8Array(value)),
    ),
    8,
  )

const validity = { notBeforeSeconds: 1_700_000_000, notAfterSeconds: 2_600_000_000, signatureHash: 'sha256' as const }

export const key = lazy(() => ecKeyPairFromSeed('P-256', utf8('fuzz')))

/** DER. */
export const certificates = lazy(() => {
  const { spki, pkcs8 } = key()
  const names = { subject: 'CN=Fuzz\\, and others,O=Example,DC=test', issuer: 'CN=Issuer,C=CH' }
  const fields = { ...validity, ...names, spki, issuerSpki: spki }
  const subjectAltNames = ['dNSName:node0.example', 'iPAddress:10.0.0.1', 'iPAddress:fe80::1']
  return [
    issueCertificate(nobleCrypto, { ...fields, isCa: true }, pkcs8),
    issueCertificate(nobleCrypto, { ...fields, isCa: false, subjectAltNames }, pkcs8),
  ]
})

export const requests = lazy(() => {
  const { spki, pkcs8 } = key()
  const body = requestBody({ subject: 'CN=Fuzz', spki, subjectAltNames: ['dNSName:a.example'] })
  return [attachSignature(body, 'sha256', nobleCrypto.signEcdsa(pkcs8, 'sha256', body, 'der'))]
})

export const pems = lazy(() => certificates().map((der) => formatPem('CERTIFICATE', der)))

export const texts =
  (...all: readonly string[]): (() => Uint8Array[]) =>
  () =>
    all.map(utf8)
export const json = (...all: readonly unknown[]): Uint8Array[] => all.map((value) => utf8(JSON.stringify(value)))
