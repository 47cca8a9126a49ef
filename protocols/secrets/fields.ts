// Fields of the JSON values in which secrets are kept, read from untrusted bytes: bounded by the entry that holds them, total.
// The rule to remember: an error names the field, never its content.
import { DecodeError, fromBase64 } from '../codec/bytes.ts'

export type JsonObject = Readonly<Record<string, unknown>>

export function objectAt(value: unknown, what: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new DecodeError(`${what}: no object`, 0)
  return value as JsonObject
}

/** CCF writes standard base64 with padding. */
export function base64At(value: unknown, what: string): Uint8Array {
  if (typeof value !== 'string') throw new DecodeError(`${what}: not base64`, 0)
  try {
    return fromBase64(value)
  } catch {
    throw new DecodeError(`${what}: not base64`, 0)
  }
}

/** A seqno above zero; undefined when it is left out or null. */
export function seqnoAt(value: unknown, what: string): number | undefined {
  if (value === undefined || value === null) return undefined
  if (!Number.isSafeInteger(value) || (value as number) < 1) throw new DecodeError(`${what}: not a seqno`, 0)
  return value as number
}

/** An optional member of an object: there, or not there at all. */
export const optional = <Name extends string, T>(name: Name, value: T | undefined): { readonly [N in Name]?: T } =>
  value === undefined ? {} : ({ [name]: value } as { readonly [N in Name]?: T })
