// Changes single bytes of a verified ledger and its snapshots, and verifies again: each change must be found, or lie where nobody vouches for a
// byte (protocols/ledger/unauthenticated.ts). Not a check of speed or of torn files. What is found is a value; nothing is written.
import { DecodeError } from '../../protocols/codec/bytes.ts'
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import { CorruptDataError } from '../../protocols/errors.ts'
import { decodeChunk, type EntrySlice, parseLedgerFileName } from '../../protocols/ledger/chunk.ts'
import { unauthenticatedRanges } from '../../protocols/ledger/unauthenticated.ts'
import { startVerification, verifyEntry, type Verification } from '../../protocols/ledger/verify.ts'
import { verifyChunk } from '../../protocols/ledger/verify-file.ts'
import { verifySnapshot } from '../../protocols/snapshot/verify.ts'
import { Prng } from '../../runtime/prng.ts'

export interface NamedBytes {
  readonly name: string
  readonly bytes: Uint8Array
}

export interface Change {
  readonly file: string
  readonly offset: number
  readonly before: number
  readonly after: number
}

export interface Outcome {
  readonly tried: number
  /** Refused, naming a file and an offset. */
  readonly refused: number
  /** In unauthenticated ranges. */
  readonly outside: number
  /** Accepted, or refused in any other way: defects. */
  readonly missed: readonly (Change & { readonly problem: string })[]
}

/** Committed chunks, from seqno 1 on and without a gap, in order; committed snapshots. */
export interface Evidence {
  readonly chunks: readonly NamedBytes[]
  readonly snapshots: readonly NamedBytes[]
}

export class ChangedBytes {
  readonly #crypto: Crypto
  readonly #evidence: Evidence
  /** Before each chunk, and after the last. */
  readonly #states: Verification[]
  readonly #targets: readonly NamedBytes[]
  readonly #bytesTotal: number

  /** @throws CorruptDataError unless all of it is good */
  constructor(crypto: Crypto, evidence: Evidence) {
    this.#crypto = crypto
    this.#evidence = evidence
    this.#states = [startVerification({ crypto })]
    for (const { name, bytes } of evidence.chunks) this.#states.push(verifyChunk(this.#states.at(-1)!, name, bytes))
    for (const { name, bytes } of evidence.snapshots) verifySnapshot(crypto, name, bytes)
    this.#targets = [...evidence.chunks, ...evidence.snapshots]
    this.#bytesTotal = this.#targets.reduce((sum, { bytes }) => sum + bytes.length, 0)
  }

  /** Changes anywhere, each byte as likely as any other, and to any other value. */
  tryRandom(seed: number, count: number, onProgress?: (done: number) => void): Outcome {
    const random = new Prng(seed)
    const outcome = new Tally()
    for (let i = 0; i < count; i++) {
      let offset = random.integer(0, this.#bytesTotal - 1)
      const target = this.#targets.find(({ bytes }) => offset < bytes.length || ((offset -= bytes.length), false))!
      const before = target.bytes[offset]!
      const change = { file: target.name, offset, before, after: before ^ random.integer(1, 255) }
      this.#try(target, change, outcome, (changed) => this.#verify(changed, target))
      onProgress?.(i + 1)
    }
    return outcome
  }

  /** Every single bit (or every `stride`th) of the last entry, which has no signature after it. What comes before is verified once. */
  tryLastEntry(stride = 1): Outcome {
    const outcome = new Tally()
    const target = this.#evidence.chunks.at(-1)!
    const { entries } = decodeChunk(target.bytes)
    const { offset, bytes } = entries.at(-1)!
    let before = this.#states.at(-2)!
    for (const entry of entries.slice(0, -1)) before = verifyEntry(before, entry.bytes, { file: '', offset: 0 })
    const verifyAlone = (chunk: NamedBytes): void => {
      const slices = decodeWhole(chunk)
      if (slices.length !== entries.length) throw new CorruptDataError(chunk.name, offset, 'other entries')
      const after = verifyEntry(before, slices.at(-1)!.bytes, { file: chunk.name, offset })
      if (after.epochs.at(-1)?.lastSignedSeqno !== after.lastSeqno)
        throw new CorruptDataError(chunk.name, offset, 'does not end in a signature')
    }
    for (let bit = 0; bit < 8 * bytes.length; bit += stride) {
      const at = offset + Math.floor(bit / 8)
      const change = {
        file: target.name,
        offset: at,
        before: target.bytes[at]!,
        after: target.bytes[at]! ^ (1 << (bit % 8)),
      }
      this.#try(target, change, outcome, verifyAlone)
    }
    return outcome
  }

  #try(target: NamedBytes, change: Change, outcome: Tally, verify: (changed: NamedBytes) => void): void {
    const bytes = target.bytes.slice()
    bytes[change.offset] = change.after
    outcome.tried++
    try {
      verify({ name: target.name, bytes })
    } catch (error) {
      if (error instanceof CorruptDataError) outcome.refused++
      else outcome.missed.push({ ...change, problem: String(error) })
      return
    }
    if (this.#isOutside(target, change.offset)) outcome.outside++
    else outcome.missed.push({ ...change, problem: 'accepted' })
  }

  #verify(changed: NamedBytes, target: NamedBytes): void {
    const { chunks } = this.#evidence
    const index = chunks.indexOf(target)
    if (index < 0) return void verifySnapshot(this.#crypto, changed.name, changed.bytes)
    let state = this.#states[index]!
    for (const chunk of [changed, ...chunks.slice(index + 1)]) state = verifyChunk(state, chunk.name, chunk.bytes)
  }

  #isOutside(target: NamedBytes, offset: number): boolean {
    if (target !== this.#evidence.chunks.at(-1)) return false
    const last = decodeChunk(target.bytes).entries.at(-1)!
    return unauthenticatedRanges(last.bytes).some(
      ({ from, to }) => offset >= last.offset + from && offset < last.offset + to,
    )
  }
}

function decodeWhole({ name, bytes }: NamedBytes): readonly EntrySlice[] {
  try {
    return decodeChunk(bytes).entries
  } catch (error) {
    if (error instanceof DecodeError) throw new CorruptDataError(name, error.offset, error.message)
    throw error
  }
}

class Tally implements Outcome {
  tried = 0
  refused = 0
  outside = 0
  readonly missed: (Change & { problem: string })[] = []
}

/** Committed chunks and snapshots among files. */
export function evidenceOf(files: readonly NamedBytes[]): Evidence {
  const chunks = files.filter(({ name }) => {
    const parsed = parseLedgerFileName(name)
    return parsed?.committed === true && !parsed.recovery && !parsed.ignored
  })
  const first = (name: string): number => parseLedgerFileName(name)!.first
  chunks.sort((a, b) => first(a.name) - first(b.name))
  return { chunks, snapshots: files.filter(({ name }) => /^snapshot_.*\.committed$/.test(name)) }
}
