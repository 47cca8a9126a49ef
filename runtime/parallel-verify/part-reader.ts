// Reads one part of a ledger file and reduces its entries to what a verifier needs: leaves, and whole those that concern the service.
// Not the verification: nothing here knows what came before. The rule to remember: a batch is bounded, whatever the entries are.
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import { DecodeError } from '../../protocols/codec/bytes.ts'
import type { ChunkEnd } from '../../protocols/ledger/chunk.ts'
import { decodeEntry, ENTRY_TYPES } from '../../protocols/ledger/entry.ts'
import { entryLeaf } from '../../protocols/ledger/leaf.ts'
import { concernsService } from '../../protocols/ledger/verify.ts'
import { chunkEntries } from '../../store/ledger/chunk-entries.ts'
import type { File } from '../../store/ledger/files.ts'
import type { Piece, ReadPart } from './messages.ts'

const LEAVES_MAX = 4096
const WHOLE_BYTES_MAX = 1024 * 1024

export interface Batch {
  readonly pieces: readonly Piece[]
  /** Offset behind its last entry. */
  readonly endOffset: number
}

export interface PartEnd {
  readonly end: ChunkEnd
  readonly lastOffset: number
}

/** @throws CorruptDataError, DecodeError, StorageError; in whatever order the faults are met */
export function* readPart(crypto: Crypto, file: File, part: ReadPart): Generator<Batch, PartEnd> {
  const { isCommitted, range, wholeUpTo } = part
  const slices = chunkEntries(file, { isCommitted, ...(range !== undefined && { range }) })
  const gathered = new Gathering()
  let seqno = part.firstSeqno
  let lastOffset = 0
  for (;;) {
    const next = slices.next()
    if (next.done === true) {
      yield gathered.take(next.value.end)
      return { end: next.value, lastOffset }
    }
    const { offset, bytes } = next.value
    const entry = decodeEntry(bytes)
    if (entry.type === ENTRY_TYPES.snapshot || entry.seqno !== seqno)
      throw new DecodeError('not the next entry', offset)
    if (seqno <= wholeUpTo || concernsService(entry)) gathered.addWhole(seqno, offset, bytes)
    else gathered.addLeaf(seqno, entry.view, entryLeaf(crypto, bytes, entry))
    seqno++
    lastOffset = offset
    if (gathered.isFull) yield gathered.take(offset + bytes.length)
  }
}

class Gathering {
  #pieces: Piece[] = []
  #leaves: Uint8Array[] = []
  #firstSeqno = 0
  #view = 0
  #leafCount = 0
  #wholeBytes = 0

  get isFull(): boolean {
    return this.#leafCount >= LEAVES_MAX || this.#wholeBytes >= WHOLE_BYTES_MAX
  }

  addLeaf(seqno: number, view: number, leaf: Uint8Array): void {
    if (view !== this.#view) this.#closeRun()
    if (this.#leaves.length === 0) [this.#firstSeqno, this.#view] = [seqno, view]
    this.#leaves.push(leaf)
    this.#leafCount++
  }

  addWhole(seqno: number, offset: number, bytes: Uint8Array): void {
    this.#closeRun()
    this.#pieces.push({ kind: 'whole', seqno, offset, bytes: bytes.slice() })
    this.#wholeBytes += bytes.length
  }

  take(endOffset: number): Batch {
    this.#closeRun()
    const pieces = this.#pieces
    this.#pieces = []
    this.#leafCount = 0
    this.#wholeBytes = 0
    return { pieces, endOffset }
  }

  #closeRun(): void {
    if (this.#leaves.length === 0) return
    const leaves = new Uint8Array(32 * this.#leaves.length)
    this.#leaves.forEach((leaf, i) => leaves.set(leaf, 32 * i))
    this.#pieces.push({ kind: 'leaves', firstSeqno: this.#firstSeqno, view: this.#view, leaves })
    this.#leaves = []
  }
}
