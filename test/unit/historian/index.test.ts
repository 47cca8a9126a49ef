// Goal: an index of the past that is kept, lost, foreign or tampered with leads to the same answers; a changed ledger entry stops it with its
// seqno; its rows show neither tables nor keys; in memory and in LMDB alike.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { decodeMark, encodeMark } from '../../../actors/historian/index-rows.ts'
import { fromUtf8 } from '../../../protocols/codec/bytes.ts'
import { MemoryPastIndex } from '../../../runtime/host/memory-past-index.ts'
import type { PastIndexPort, PastLookup } from '../../../runtime/host/ports.ts'
import { LivePastIndex } from '../../../runtime/past-index.ts'
import { PastIndex } from '../../../store/past-index-lmdb.ts'
import { LoneHistorian } from './lone.ts'
import { expectedHistory, Past } from './past.ts'

const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

interface Store {
  readonly open: () => PastIndexPort & { readonly close?: () => Promise<void> }
  readonly directory: string
}

function lmdb(): Store {
  const directory = mkdtempSync(join(tmpdir(), 'past-'))
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }))
  return { directory, open: () => new LivePastIndex(new PastIndex(directory)) }
}

function memory(): Store {
  const index = new MemoryPastIndex()
  return { directory: '', open: () => index }
}

/** Five values of message 1, and a deletion. */
function written(): Past {
  const past = new Past(9)
  for (let i = 0; i < 5; i++) past.change([{ id: 1, msg: `m${i}` }])
  past.change([{ id: 1, msg: undefined }])
  return past
}

function begin(past: Past, index: PastIndexPort) {
  const { config, committedSeqno: seqno, viewHistory, secrets } = past.historian(past.backup)
  const lone = new LoneHistorian(config, past.service.sim.node(past.backup).disk, index)
  return { lone, committed: { seqno, viewHistory, secrets, now: undefined } }
}

async function historyOf(past: Past, index: PastIndexPort) {
  const { lone, committed } = begin(past, index)
  await lone.commit(committed)
  lone.ask('/app/log/private/history?id=1', undefined)
  await lone.settle()
  const [response] = lone.responses
  const body = JSON.parse(fromUtf8(response!.body)) as {
    readonly items?: unknown
    readonly error?: { readonly message: string }
  }
  return { lone, status: response!.status, body }
}

const call = (work: (done: (error: Error | undefined) => void) => void): Promise<void> =>
  new Promise((resolve, reject) => work((error) => (error === undefined ? resolve() : reject(error))))

const markOf = (index: PastIndexPort): Promise<Uint8Array | undefined> =>
  new Promise((resolve, reject) =>
    index.open(false, (error, mark) => (error === undefined ? resolve(mark) : reject(error))),
  )

describe.each([
  ['in memory', memory],
  ['in LMDB', lmdb],
])('an index %s', (_, store) => {
  it('keeps rows and mark together, and reads them in both directions, within bounds', async () => {
    const key = (n: number) => new Uint8Array(16).fill(n)
    const rows = [3, 5, 5, 9, 12].flatMap((seqno) => [1, 2].map((n) => ({ key: key(n), seqno: seqno * n })))
    const index = store().open()
    expect(await markOf(index)).toBeUndefined()
    await call((done) => index.write(rows, new Uint8Array([1]), done))
    await call((done) => index.write([{ key: key(1), seqno: 2 ** 40 }], new Uint8Array([2, 2]), done))
    const read = (lookup: Omit<PastLookup, 'key'>) =>
      new Promise((resolve) => index.read({ key: key(1), ...lookup }, (_, seqnos) => resolve(seqnos)))
    expect(await read({ from: 1, to: 2 ** 41, limit: 100, latestFirst: false })).toEqual([3, 5, 9, 12, 2 ** 40])
    expect(await read({ from: 5, to: 9, limit: 100, latestFirst: false })).toEqual([5, 9])
    expect(await read({ from: 4, to: 100, limit: 2, latestFirst: false })).toEqual([5, 9])
    expect(await read({ from: 5, to: 12, limit: 2, latestFirst: true })).toEqual([12, 9])
    expect(await read({ from: 5, to: 11, limit: 9, latestFirst: true })).toEqual([9, 5])
    expect(await read({ from: 1, to: 2, limit: 9, latestFirst: true })).toEqual([])
    expect(await markOf(index)).toEqual(new Uint8Array([2, 2]))
    await call((done) => index.open(true, done))
    expect(await read({ from: 1, to: 2 ** 41, limit: 9, latestFirst: false })).toEqual([])
    expect(await markOf(index)).toBeUndefined()
    await index.close?.()
  })

  it.each(['kept', 'deleted', 'of another service', 'tampered with', 'of another past'])(
    'that is %s gives the same answers after a restart',
    async (what) => {
      const past = written()
      const { open } = store()
      const first = open()
      const before = await historyOf(past, first)
      expect(before.body.items).toEqual(expectedHistory(past, 1))
      const mark = (await markOf(first))!
      if (what === 'deleted') await call((done) => first.open(true, done))
      if (what === 'of another service') await call((done) => first.write([], new Uint8Array(100), done))
      if (what === 'tampered with') {
        const changed = mark.map((byte, i) => (i === 15 ? byte + 1 : byte))
        await call((done) => first.write([], changed, done))
      }
      if (what === 'of another past') {
        // Made by a node of this service, of what was rolled back later: a row that is wrong, and a view that did not commit it.
        const { config, index } = before.lone.s
        const found = decodeMark(config.crypto, index.secret!, mark)!
        const other = encodeMark(config.crypto, index.secret!, { ...found, view: found.view + 1 })
        await call((done) => first.write([{ key: new Uint8Array(16), seqno: 1 }], other, done))
      }
      await first.close?.()
      const second = open()
      const { lone, committed } = begin(past, second)
      await lone.commit(committed)
      const after = await historyOf(past, second)
      expect(after.body).toEqual(before.body)
      expect(after.lone.s.index.upTo).toBe(committed.seqno)
      await second.close?.()
    },
  )

  it('names a changed entry, and says so instead of leaving something out', async () => {
    const past = written()
    const { seqno } = past.changes[2]!.txId
    past.corrupt(past.backup, seqno, -1)
    const index = store().open()
    const { status, body, lone } = await historyOf(past, index)
    expect({ status, phase: lone.phase }).toEqual({ status: 500, phase: 'halted' })
    expect(body.error!.message).toContain(`ledger entry ${seqno} is corrupt`)
    await index.close?.()
  })

  it('answers from where a ledger begins that begins at a snapshot, and refuses what was before', async () => {
    const past = written()
    const { disk } = past.service.sim.node(past.backup)
    const cut = past.changes[2]!.txId.seqno
    ;(disk.records as unknown[]).splice(0, cut - 1)
    const index = store().open()
    const { status, body, lone } = await historyOf(past, index)
    expect(status).toBe(404)
    expect(body.error!.message).toContain(`from transaction ${lone.s.index.begin} on`)
    lone.ask(`/app/log/private/history?id=1&from=${lone.s.index.begin}`, undefined, { id: 2 })
    await lone.settle()
    const page = JSON.parse(fromUtf8(lone.responses[1]!.body)) as { readonly items: readonly unknown[] }
    expect(page.items).toEqual(expectedHistory(past, 1).slice(-page.items.length))
    expect(page.items.length).toBeGreaterThan(0)
    // Whether message 2 was written before nobody can say here.
    lone.ask('/app/log/private/historical?id=2', past.changes.at(-1)!.txId, { id: 3 })
    await lone.settle()
    expect(lone.responses[2]!.status).toBe(404)
    expect(fromUtf8(lone.responses[2]!.body)).toContain('TransactionNotFound')
    await index.close?.()
  })
})

it('the files of an index show neither tables nor keys', async () => {
  const past = written()
  const { open, directory } = lmdb()
  const index = open()
  await historyOf(past, index)
  await index.close?.()
  const bytes = readFileSync(join(directory, 'past.mdb')).toString('latin1')
  expect(bytes.length).toBeGreaterThan(0)
  expect(bytes).not.toContain('records')
})
