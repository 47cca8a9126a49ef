// Reading the vector files of test/golden/crypto, and the two implementations under test.
import { readFileSync } from 'node:fs'
import { fromHex } from '../../../protocols/codec/bytes.ts'
import { nativeCrypto } from '../../../protocols/crypto/native.ts'
import { nobleCrypto } from '../../../protocols/crypto/noble.ts'

export const IMPLEMENTATIONS = [nobleCrypto, nativeCrypto] as const

export type Fields = Readonly<Record<string, string | number>>
export interface Group extends Readonly<Record<string, unknown>> {
  readonly tests: readonly Fields[]
}

const GOLDEN = new URL('../../golden/crypto/', import.meta.url)

export const golden = (file: string): string => readFileSync(new URL(file, GOLDEN), 'utf8')
export const vectorGroups = (name: string): readonly Group[] => JSON.parse(golden(`${name}.json`)) as Group[]

/** A field that is hex. */
export function hex(fields: Readonly<Record<string, unknown>>, name: string): Uint8Array {
  const value = fields[name]
  if (typeof value !== 'string') throw new Error(`vector without ${name}`)
  return fromHex(value)
}

/** How a failing vector is named. */
export const label = (test: Fields): string => `#${test['tcId']} ${test['comment']}`
