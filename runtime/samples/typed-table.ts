// Tables with typed keys and values over the byte tables of protocols/app.ts. Not a schema: what a handler wrote is what
// it reads. The rule to remember: numbers are big-endian in keys, so that byte order is numeric order in range scans.
import type { HandlerContext, TableHandle } from '../../protocols/app.ts'
import { ByteReader, compareBytes, fromUtf8, utf8 } from '../../protocols/codec/bytes.ts'
import { decodeJson, encodeJson } from '../../protocols/ledger/tables.ts'

export interface Codec<T> {
  encode(value: T): Uint8Array
  /** @throws DecodeError when the bytes are none of this codec's. */
  decode(bytes: Uint8Array): T
}

export const text: Codec<string> = { encode: utf8, decode: fromUtf8 }

export const bytes: Codec<Uint8Array> = { encode: (value) => value, decode: (value) => value }

/** 0 … 2^53 − 1 in 8 bytes, big-endian. */
export const u64: Codec<number> = {
  encode(value) {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError('key is not an unsigned integer below 2^53')
    const key = new Uint8Array(8)
    const view = new DataView(key.buffer)
    view.setUint32(0, Math.floor(value / 2 ** 32))
    view.setUint32(4, value % 2 ** 32)
    return key
  },
  decode(key) {
    const reader = new ByteReader(key)
    const value = reader.u64be()
    reader.end()
    return value
  },
}

/** T is what this application writes; nobody else writes its tables, so reading does not check it again. */
export const json = <T>(): Codec<T> => ({ encode: encodeJson, decode: (value) => decodeJson(value) as T })

/** Smallest key above every key that begins with `prefix`; undefined when there is none (only 0xff bytes). */
export function prefixEnd(prefix: Uint8Array): Uint8Array | undefined {
  let length = prefix.length
  while (length > 0 && prefix[length - 1] === 0xff) length--
  if (length === 0) return undefined
  const end = prefix.slice(0, length)
  end[length - 1]!++
  return end
}

export class TypedTable<K, V> {
  readonly #table: TableHandle
  readonly #key: Codec<K>
  readonly #value: Codec<V>

  constructor(table: TableHandle, key: Codec<K>, value: Codec<V>) {
    this.#table = table
    this.#key = key
    this.#value = value
  }

  get(key: K): V | undefined {
    const value = this.#table.get(this.#key.encode(key))
    return value === undefined ? undefined : this.#value.decode(value)
  }
  has(key: K): boolean {
    return this.#table.has(this.#key.encode(key))
  }
  put(key: K, value: V): void {
    this.#table.put(this.#key.encode(key), this.#value.encode(value))
  }
  delete(key: K): boolean {
    return this.#table.delete(this.#key.encode(key))
  }
  /** Seqno of the key's last write before this transaction. */
  versionOfPreviousWrite(key: K): number | undefined {
    return this.#table.versionOfPreviousWrite(this.#key.encode(key))
  }
  /** Keys in [from, to) in ascending byte order, until `visit` returns false. */
  range(from: K | undefined, to: K | undefined, visit: (key: K, value: V) => boolean | void): void {
    const low = from === undefined ? undefined : this.#key.encode(from)
    const high = to === undefined ? undefined : this.#key.encode(to)
    this.#table.range(low, high, (key, value) => visit(this.#key.decode(key), this.#value.decode(value)))
  }
  /** Keys that begin with `prefix` and are not below `from`, in ascending byte order, until `visit` returns false. */
  rangePrefix(prefix: Uint8Array, from: K | undefined, visit: (key: K, value: V) => boolean | void): void {
    const low = from === undefined ? prefix : this.#key.encode(from)
    const start = compareBytes(low, prefix) < 0 ? prefix : low
    this.#table.range(start, prefixEnd(prefix), (key, value) => visit(this.#key.decode(key), this.#value.decode(value)))
  }
}

type Opener = Pick<HandlerContext<unknown, unknown>, 'table'>
export type TableOf<K, V> = (context: Opener) => TypedTable<K, V>

/** Declares a table once; a handler opens it with its context: `records(context).get(7)`. */
export const typedTable =
  <K, V>(name: string, key: Codec<K>, value: Codec<V>): TableOf<K, V> =>
  (context) =>
    new TypedTable(context.table(name), key, value)

/** A table of JSON values. */
export const jsonTable = <K, V>(name: string, key: Codec<K>): TableOf<K, V> => typedTable(name, key, json<V>())
