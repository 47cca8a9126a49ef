// Goal: the index of signatures answers which is the first after a transaction, follows truncation, and is made anew over whatever lies there.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { freshSignatures, SignatureSeqnos } from '../../../store/signatures-lmdb.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'concordat-signatures-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const BEYOND_32_BITS = 2 ** 40 + 5

it('answers with the first signature at or after a seqno', async () => {
  const index = freshSignatures(directory)
  expect(index.next(0)).toBeUndefined()
  await index.put([5, 10, 300, BEYOND_32_BITS])
  expect([0, 5, 6, 11, 301, BEYOND_32_BITS, BEYOND_32_BITS + 1].map((seqno) => index.next(seqno))).toEqual([
    5,
    5,
    10,
    300,
    BEYOND_32_BITS,
    BEYOND_32_BITS,
    undefined,
  ])
  await index.close()
})

it('removes what truncation removes, and takes the same seqnos again', async () => {
  const index = freshSignatures(directory)
  await index.put([5, 10, 15, BEYOND_32_BITS])
  await index.truncate(10)
  expect([index.next(10), index.next(11)]).toEqual([10, undefined])
  await index.put([12, 15])
  expect([index.next(11), index.next(13)]).toEqual([12, 15])
  await index.truncate(0)
  expect(index.next(0)).toBeUndefined()
  await index.close()
})

it('is made anew over whatever lies there', async () => {
  const left = new SignatureSeqnos(directory)
  await left.put([7])
  await left.close()
  writeFileSync(join(directory, 'signatures.mdb'), new Uint8Array(4096).fill(7))
  const index = freshSignatures(directory)
  expect(index.next(0)).toBeUndefined()
  await index.put([8])
  expect(index.next(0)).toBe(8)
  await index.close()
})
