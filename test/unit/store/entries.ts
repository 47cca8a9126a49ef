// Entries for tests of the store: real CCF entries (protocols/ledger), sealed with a key nobody checks.
import { INTERNAL_TABLES, SINGLE_KEY } from '../../../protocols/ledger/tables.ts'
import { nobleCrypto } from '../../../protocols/crypto/noble.ts'
import { encodeEntry } from '../../../protocols/ledger/entry.ts'
import { seqno as asSeqno, view as asView } from '../../../protocols/ids.ts'
import type { LedgerEntry } from '../../../store/ledger/ledger-types.ts'

const SECRET = new Uint8Array(32).fill(7)
const EVIDENCE = new Uint8Array(32).fill(9)
/** Sealing costs tens of microseconds with noble and is not what these tests are about. */
const seal = {
  ...nobleCrypto,
  aesGcmSeal: (_k: Uint8Array, _i: Uint8Array, _a: Uint8Array, plaintext: Uint8Array) => ({
    ciphertext: plaintext.slice(),
    tag: EVIDENCE.slice(0, 16),
  }),
}

export interface EntryShape {
  readonly view?: number
  readonly signature?: boolean
  /** Bytes of the value it writes. */
  readonly valueBytes?: number
  readonly flags?: number
}

/** An entry that writes `valueBytes` bytes, or a signature transaction (without a true signature). */
export function entryOf(
  seqno: number,
  { view = 2, signature = false, valueBytes = 20, flags = 0 }: EntryShape = {},
): LedgerEntry {
  const value = new Uint8Array(valueBytes).fill(seqno % 251)
  const name = signature ? INTERNAL_TABLES.signatures : 'public:records'
  const { bytes } = encodeEntry(seal, SECRET, {
    view: asView(view),
    seqno: asSeqno(seqno),
    flags,
    claimsDigest: undefined,
    commitEvidenceDigest: EVIDENCE,
    writes: [{ name, writes: [{ key: SINGLE_KEY, value }], removes: [] }],
  })
  return { seqno, bytes: bytes.slice(), committable: signature }
}

/** Entries `from` … `to`; every `signEvery`th seqno is a signature. */
export function entriesOf(from: number, to: number, signEvery = 5, shape: EntryShape = {}): LedgerEntry[] {
  const entries: LedgerEntry[] = []
  for (let seqno = from; seqno <= to; seqno++)
    entries.push(entryOf(seqno, { ...shape, signature: seqno % signEvery === 0 }))
  return entries
}
