// JSON as CCF's C++ writes it into tables: compact, object keys in alphabetical order at every depth (CCF facts, header).
// Not canonical JSON (RFC 8785): numbers are JavaScript's, which agree with C++ for integers below 2^53.
import { encodeJson } from '../ledger/tables.ts'

/** A JSON value; undefined members of objects are left out. */
export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [name: string]: JsonValue | undefined }

const isArray = (value: JsonValue): value is readonly JsonValue[] => Array.isArray(value)

function sorted(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null) return value
  if (isArray(value)) return value.map(sorted)
  const names = Object.keys(value).sort()
  // fromEntries defines properties, so that even `__proto__` stays an ordinary name.
  return Object.fromEntries(names.flatMap((name) => (value[name] === undefined ? [] : [[name, sorted(value[name])]])))
}

/** UTF-8 bytes of the value. Integer-like names sort before others, as JavaScript insists; CCF's tables have none. */
export const encodeSortedJson = (value: JsonValue): Uint8Array => encodeJson(sorted(value))
