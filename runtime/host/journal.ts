// The journal of a live node: its setup, then every step with a digest of what it led to. `concordat replay` re-executes it.
// It holds SECRETS (keys, requests): off by default, readable by its owner only.
// Format: 8 bytes "CCDJRNL1", then records of u32le length ‖ v8-serialised value; the first is the header, the rest are steps.
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { deserialize, serialize } from 'node:v8'
import type { Envelope } from '../../actors/actor.ts'
import type { Effect } from '../../actors/effects.ts'
import { CorruptDataError } from '../../protocols/errors.ts'
import { Fingerprint } from '../fingerprint.ts'
import type { NodeSetup } from '../node-setup.ts'

const MAGIC = Buffer.from('CCDJRNL1')
/** Records gathered before they are written; a crash loses at most these. */
const BUFFERED_BYTES = 256 * 1024
export const RECORD_BYTES_MAX = 64 * 1024 * 1024

export interface JournalHeader {
  readonly setup: NodeSetup
  readonly kinds: readonly { readonly kind: string; readonly version: number }[]
}

export interface JournalStep {
  readonly envelope: Envelope
  /** `effectsDigest(effects)` when it was recorded. */
  readonly effects: string
}

/** A digest of effects. Configurations of started actors follow from the node's own setup and hold functions: they count by address and kind. */
export function effectsDigest(effects: readonly Effect[]): string {
  const digest = new Fingerprint()
  for (const effect of effects) {
    if (effect.type === 'startActor') digest.add(['startActor', effect.address, effect.kind])
    else digest.add(effect)
  }
  return digest.digest()
}

export class JournalWriter {
  readonly #file: number
  #buffered: Buffer[] = []
  #bufferedBytes = 0

  constructor(path: string, header: JournalHeader) {
    this.#file = openSync(path, 'wx', 0o600)
    writeSync(this.#file, MAGIC)
    this.#put(header)
    this.flush()
  }

  record(envelope: Envelope, effects: readonly Effect[]): void {
    this.#put({ envelope, effects: effectsDigest(effects) } satisfies JournalStep)
    if (this.#bufferedBytes > BUFFERED_BYTES) this.flush()
  }

  flush(): void {
    if (this.#buffered.length === 0) return
    writeSync(this.#file, Buffer.concat(this.#buffered))
    this.#buffered = []
    this.#bufferedBytes = 0
  }

  close(): void {
    this.flush()
    closeSync(this.#file)
  }

  #put(value: JournalHeader | JournalStep): void {
    const bytes = serialize(value)
    const length = Buffer.alloc(4)
    length.writeUInt32LE(bytes.length)
    this.#buffered.push(length, bytes)
    this.#bufferedBytes += 4 + bytes.length
  }
}

export interface Journal {
  readonly header: JournalHeader
  readonly steps: readonly JournalStep[]
  /** Bytes at the end that are no whole record: the node was killed while writing. */
  readonly tornBytes: number
}

/** @throws CorruptDataError when it is not a journal, or a record inside it cannot be read. */
export const readJournal = (path: string): Journal => decodeJournal(readFileSync(path), path)

/** The content of a journal; `path` is for messages. Each record is bounded by RECORD_BYTES_MAX. @throws as readJournal. */
export function decodeJournal(content: Uint8Array, path: string): Journal {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.length)
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw new CorruptDataError(path, 0, 'not a Concordat journal')
  const values: unknown[] = []
  let at = MAGIC.length
  while (at + 4 <= bytes.length) {
    const length = bytes.readUInt32LE(at)
    if (length > RECORD_BYTES_MAX) throw new CorruptDataError(path, at, `a record of ${length} bytes`)
    if (at + 4 + length > bytes.length) break
    values.push(readRecord(path, at, bytes.subarray(at + 4, at + 4 + length)))
    at += 4 + length
  }
  const [header, ...steps] = values
  if (!isHeader(header)) throw new CorruptDataError(path, MAGIC.length, 'no header')
  const odd = steps.findIndex((value) => !isStep(value))
  if (odd >= 0) throw new CorruptDataError(path, at, `record ${odd + 1} is no step`)
  return { header, steps: steps as JournalStep[], tornBytes: bytes.length - at }
}

// What a journal is replayed by; whether the rest fits, the replay finds out.
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

const isHeader = (value: unknown): value is JournalHeader =>
  isObject(value) && isObject(value['setup']) && Array.isArray(value['kinds']) && value['kinds'].every(isObject)

function isStep(value: unknown): value is JournalStep {
  if (!isObject(value) || typeof value['effects'] !== 'string') return false
  const { envelope } = value
  return isObject(envelope) && typeof envelope['to'] === 'string' && isObject(envelope['event'])
}

function readRecord(path: string, at: number, record: Uint8Array): unknown {
  try {
    return deserialize(record) as unknown
  } catch {
    throw new CorruptDataError(path, at, 'a record that cannot be read')
  }
}
