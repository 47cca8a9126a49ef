// Goal: a live node, recorded in a journal, does exactly the same again in replay; one changed byte of the record is found.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CorruptDataError, DivergenceError } from '../../protocols/errors.ts'
import { replayFile } from '../../runtime/cli/commands/replay.ts'
import { readJournal } from '../../runtime/host/journal.ts'
import { connectClient, startTestService, type TestService } from '../support/local-service.ts'

let running: TestService
let journals: string[]

beforeAll(async () => {
  running = await startTestService({ journal: true })
  const client = await connectClient(running.service)
  for (let i = 0; i < 20; i++) {
    await client.request('POST /log/private', { id: i, msg: `recorded ${i}` }, { wait: 'committed' })
  }
  await client.request('POST /log/private', { id: 'not a number' })
  await client.close()
  await running.stop()
  journals = running.service.nodes.map(({ directory }) => join(directory, 'node.journal'))
}, 120_000)
afterAll(() => running.dispose())

describe('replay of a live service', () => {
  it('reproduces every step of every node', () => {
    for (const journal of journals) {
      const replayed = replayFile(journal)
      expect(replayed.tornBytes).toBe(0)
      expect(replayed.steps).toBeGreaterThan(100)
      expect(replayed.actors.find(({ address }) => address === 'node')?.state).toBe('partOfNetwork')
    }
  })

  it('fails at the first divergence when a recorded event is changed', () => {
    const journal = journals[0]!
    const { steps } = readJournal(journal)
    const edited = steps.findIndex(({ envelope }) => envelope.event.type === 'signed')
    const bytes = readFileSync(journal)
    const { signatures } = steps[edited]!.envelope.event as unknown as { readonly signatures: readonly Uint8Array[] }
    // The signature as it stands in the file: flip one bit of it.
    const at = bytes.indexOf(Buffer.from(signatures[0]!))
    expect(at).toBeGreaterThan(0)
    bytes[at + 20]! ^= 1
    const copy = join(running.service.directory, 'edited.journal')
    writeFileSync(copy, bytes)
    let found: unknown
    try {
      replayFile(copy)
    } catch (error) {
      found = error
    }
    expect(found).toBeInstanceOf(DivergenceError)
    expect(found).toMatchObject({ actor: 'executor', position: steps[edited]!.envelope.seq })
  })

  it('refuses a file that is no journal', () => {
    const copy = join(running.service.directory, 'garbage.journal')
    writeFileSync(copy, 'CCDJRNL2 and so on')
    expect(() => replayFile(copy)).toThrow(CorruptDataError)
  })
})
