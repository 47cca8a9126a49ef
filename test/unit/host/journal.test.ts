// Goal: a recorded node replays step by step to the same effects; an edited, reordered or shortened journal is found out at the first step
// that differs; a torn end is not a difference.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serialize } from 'node:v8'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { erase, step, type Envelope } from '../../../actors/actor.ts'
import { send, trace } from '../../../actors/effects.ts'
import { actions, contextOf, machineActor, machineTypes } from '../../../actors/machine.ts'
import { setup } from 'xstate'
import { CorruptDataError, DivergenceError, UsageError } from '../../../protocols/errors.ts'
import { JournalWriter, readJournal, type JournalHeader, type JournalStep } from '../../../runtime/host/journal.ts'
import { Kernel } from '../../../runtime/host/kernel.ts'
import { replay } from '../../../runtime/host/replay.ts'

interface Total {
  readonly sum: number
}
type Add = { readonly type: 'add'; readonly amount: number }

const machine = setup({
  types: machineTypes<Total, Add>(),
  actions: actions<Total, Add, 'add'>({
    add: (s, { event }) => {
      const sum = s.sum + event.amount
      return step(
        { sum },
        trace('added', { sum }),
        ...(event.amount > 1 ? [send('total', { type: 'add', amount: 1 } satisfies Add)] : []),
      )
    },
  }),
}).createMachine({
  id: 'total',
  context: contextOf,
  initial: 'adding',
  states: { adding: { on: { add: { actions: 'add' } } } },
})

const total = erase(
  machineActor<number, Total, Add>({ kind: 'total', version: 3, machine, start: (sum) => step({ sum }) }),
)
const begin = (kernel: Kernel): void => kernel.start('total', 'total', 10)
// The setup is opaque to the journal; this test composes its node from nothing.
const header = { setup: {}, kinds: [{ kind: 'total', version: 3 }] } as unknown as JournalHeader

let directory: string
let file: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'concordat-journal-'))
  file = join(directory, 'node.journal')
  const writer = new JournalWriter(file, header)
  const nothing = (): void => undefined
  let now = 1000
  const kernel = new Kernel({
    catalogue: [total],
    now: () => now++,
    checkInvariants: true,
    performer: { perform: nothing, appendDurably: nothing, forget: nothing },
    observe: (envelope, effects) => writer.record(envelope, effects),
  })
  begin(kernel)
  for (const amount of [5, 1, 7]) kernel.post('test', 'total', { type: 'add', amount } as Add)
  kernel.drain()
  writer.close()
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const run = () => replay({ journal: readJournal(file), catalogue: [total], begin })

/** Rewrites the recorded steps. */
function edit(change: (steps: JournalStep[]) => JournalStep[]): void {
  const { steps } = readJournal(file)
  const values = [header, ...change([...steps])].map((value) => serialize(value))
  const parts = values.flatMap((bytes) => {
    const length = Buffer.alloc(4)
    length.writeUInt32LE(bytes.length)
    return [length, bytes]
  })
  writeFileSync(file, Buffer.concat([readFileSync(file).subarray(0, 8), ...parts]))
}

const divergence = (): DivergenceError => {
  try {
    run()
  } catch (error) {
    if (error instanceof DivergenceError) return error
    throw error
  }
  throw new Error('the replay did not diverge')
}

describe('journal and replay', () => {
  it('replays a recorded node', () => {
    expect(run()).toEqual({ steps: 5, actors: [{ address: 'total', kind: 'total', state: 'adding' }] })
  })

  it('finds an edited event at exactly its step', () => {
    edit((steps) => {
      const { envelope, effects } = steps[1]!
      steps[1] = { effects, envelope: { ...envelope, event: { ...envelope.event, amount: 2 } as Add } as Envelope }
      return steps
    })
    expect(divergence()).toMatchObject({ position: 2, actor: 'total' })
  })

  it('finds a missing step at the next one', () => {
    edit((steps) => [steps[0]!, ...steps.slice(2)])
    expect(divergence()).toMatchObject({ position: 3, actor: 'total' })
  })

  it('finds swapped steps', () => {
    edit((steps) => [steps[2]!, steps[0]!, steps[1]!, ...steps.slice(3)])
    expect(divergence().actor).toBe('total')
  })

  it('finds an actor the replayed node does not have', () => {
    edit((steps) => [{ ...steps[0]!, envelope: { ...steps[0]!.envelope, to: 'other' } }])
    expect(divergence()).toMatchObject({ position: 1, actor: 'other' })
  })

  it('takes a torn end for what it is', () => {
    const bytes = readFileSync(file)
    writeFileSync(file, bytes.subarray(0, bytes.length - 3))
    expect(readJournal(file).tornBytes).toBeGreaterThan(0)
    expect(run().steps).toBe(4)
  })

  it('refuses what is no journal, a broken record, and other actor versions', () => {
    const bytes = readFileSync(file)
    writeFileSync(file, Buffer.from('not a journal at all'))
    expect(() => readJournal(file)).toThrow(CorruptDataError)
    const broken = Buffer.from(bytes)
    broken.writeUInt8(0xff, 8 + 4)
    broken.writeUInt8(0xee, 8 + 5)
    writeFileSync(file, broken)
    expect(() => readJournal(file)).toThrow(CorruptDataError)
    writeFileSync(file, bytes)
    const newer = { ...total, version: 4 }
    expect(() => replay({ journal: readJournal(file), catalogue: [newer], begin })).toThrow(UsageError)
  })
})
