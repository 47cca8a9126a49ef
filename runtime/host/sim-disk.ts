// A simulated ledger file: what was handed over, how much of it an fsync has covered, and what a crash leaves.
// Not the file format (store/ledger is tested with faults of its own). Fsyncs end in the order in which they began.
// The rule to remember: an fsync covers what was written before it began and has not been cut since.
import type { LogRecord } from '../../protocols/consensus/log.ts'
import { parseSnapshotFileName } from '../../protocols/snapshot/format.ts'
import type { Prng } from '../prng.ts'

interface Sync {
  upTo: number
}

export class SimDisk {
  /** Contiguous by seqno. */
  readonly #records: LogRecord[] = []
  readonly #syncs = new Set<Sync>()
  #lastSyncAt = 0
  durable = 0
  committed = 0
  /** The disk takes nothing more. */
  full = false
  /** Complete snapshots by name. What is being written is nowhere: a crash leaves nothing of it. */
  readonly snapshots = new Map<string, Uint8Array>()
  /** Uniform, virtual ms; undefined: as the simulation's. */
  fsyncMs: readonly [number, number] | undefined

  get records(): readonly LogRecord[] {
    return this.#records
  }

  /** Seqno of the last entry handed over. */
  get last(): number {
    return this.#records.at(-1)?.seqno ?? 0
  }

  at(seqno: number): LogRecord | undefined {
    return this.#records[seqno - (this.#records[0]?.seqno ?? 1)]
  }

  append(records: readonly LogRecord[]): void {
    for (const record of records) this.#records.push(record)
  }

  truncate(after: number): void {
    while (this.last > after) this.#records.pop()
    this.durable = Math.min(this.durable, after)
    for (const sync of this.#syncs) sync.upTo = Math.min(sync.upTo, after)
  }

  /** Begins an fsync of everything written so far. `end` makes it durable and is to be called `delayMs` from now, or later. */
  sync(nowMs: number, tookMs: number): { readonly delayMs: number; readonly end: () => void } {
    const sync: Sync = { upTo: this.last }
    this.#syncs.add(sync)
    this.#lastSyncAt = Math.max(this.#lastSyncAt, nowMs + tookMs)
    const end = (): void => {
      this.#syncs.delete(sync)
      this.durable = Math.max(this.durable, sync.upTo)
    }
    return { delayMs: this.#lastSyncAt - nowMs, end }
  }

  /**
   * What kill −9 and a power cut leave: everything durable, of the rest a part, the last entry of which may be torn and is then gone.
   */
  crash(prng: Prng): void {
    this.#syncs.clear()
    const kept = prng.integer(this.durable, Math.max(this.durable, this.last))
    while (this.last > kept) this.#records.pop()
  }

  /** Those there are, ascending by seqno. */
  get snapshotNames(): readonly string[] {
    const seqnoOf = (name: string): number => parseSnapshotFileName(name)?.seqno ?? 0
    return [...this.snapshots.keys()].sort((a, b) => seqnoOf(a) - seqnoOf(b))
  }

  saveSnapshot(fileName: string, bytes: Uint8Array, keep: number): void {
    this.snapshots.set(fileName, bytes)
    const needed = (this.#records[0]?.seqno ?? 0) - 1
    const names = this.snapshotNames.filter((name) => parseSnapshotFileName(name)?.seqno !== needed)
    for (const name of names.slice(0, Math.max(0, names.length - keep))) this.snapshots.delete(name)
  }

  /** The first signature transaction after `seqno`. */
  signatureAfter(seqno: number): LogRecord | undefined {
    for (let i = seqno + 1; i <= this.last; i++) if (this.at(i)?.kind === 'signature') return this.at(i)
    return undefined
  }

  /** Entries from `from` (or where the ledger begins) to `to`, at most `bytesMax` of them, at least one if there is one. */
  readBack(from: number, to: number, bytesMax: number): LogRecord[] {
    const found: LogRecord[] = []
    let bytes = 0
    for (let seqno = Math.max(from, this.#records[0]?.seqno ?? 1); seqno <= to; seqno++) {
      const record = this.at(seqno)
      if (record === undefined) break
      bytes += record.bytes.length
      if (found.length > 0 && bytes > bytesMax) break
      found.push(record)
    }
    return found
  }
}
