// Goal: the models can fail. Actors broken on purpose, each in one way, are found, by the property that is about it.
import { describe, expect, it } from 'vitest'
import type { AnyActorDefinition, Envelope, Step } from '../../actors/actor.ts'
import type { Effect } from '../../actors/effects.ts'
import type { ExecutorEvent, ExecutorState } from '../../actors/executor/state.ts'
import type { MachineState } from '../../actors/machine.ts'
import type { ReplicaState } from '../../actors/replica/state.ts'
import type { AppendEntriesResponse, LedgerWriterNotice } from '../../protocols/consensus/messages.ts'
import { breadthFirst } from '../../runtime/check/breadth-first.ts'
import { eraseModel, type AnyModel } from '../../runtime/check/model.ts'
import { replay } from '../../runtime/check/shrink.ts'
import { Space } from '../../runtime/check/space.ts'
import { executorModel, REAL_EXECUTOR } from '../../runtime/models/executor/model.ts'
import type { ExecutorLocal } from '../../runtime/models/executor/state.ts'
import { LEDGER_WRITER_MODEL_DEFAULTS, ledgerWriterModel } from '../../runtime/models/ledger-writer/model.ts'
import { REAL_WRITER } from '../../runtime/models/ledger-writer/writer-place.ts'
import { NODE_MODEL_DEFAULTS, nodeModel } from '../../runtime/models/node/model.ts'
import { REAL_ACTORS } from '../../runtime/models/node/place.ts'

type Take = AnyActorDefinition['step']

const stepping = (real: AnyActorDefinition, change: (step: Take) => Take): AnyActorDefinition => ({
  ...real,
  step: change((state, envelope) => real.step(state, envelope)),
})

/** The definition with the effects of every step changed. */
const withEffects = (real: AnyActorDefinition, change: (effects: readonly Effect[]) => Effect[]): AnyActorDefinition =>
  stepping(real, (step) => (state, envelope) => {
    const taken = step(state, envelope)
    return { ...taken, effects: change(taken.effects) }
  })

const without = (type: Effect['type']) => (effects: readonly Effect[]) =>
  effects.filter((effect) => effect.type !== type)

/** What is found, which must happen again when it is followed. */
function found(model: AnyModel): string {
  const { violation } = breadthFirst(model, { statesMax: 5e5, depthMax: 1e3 })
  if (violation === undefined) return 'nothing'
  // The message may name other places of a symmetric model than the run does.
  expect(replay(new Space(model), violation.events)?.events).toEqual(violation.events)
  return violation.message
}

const doesNotFlush = withEffects(REAL_WRITER, (effects) =>
  effects.map((effect) => (effect.type === 'append' ? { ...effect, flush: false } : effect)),
)

const BROKEN = { type: 'send', to: 'replica', message: { type: 'ledgerBroken', reason: 'again' } } as unknown as Effect
const isFailure = ({ type }: { readonly type: string }): boolean => type === 'ledgerFailed'

describe('a ledger writer', () => {
  const broken: readonly (readonly [string, AnyActorDefinition, RegExp])[] = [
    ['that does not flush', doesNotFlush, /^durable is told only after fsync/],
    [
      'that tells before it appends',
      withEffects(REAL_WRITER, (effects) => [...effects].reverse()),
      /^durable is told only after fsync/,
    ],
    ['that does not cut', withEffects(REAL_WRITER, without('truncate')), /^the actor knows where the files end/],
    ['that forgets what is committed', withEffects(REAL_WRITER, without('markCommitted')), /^the files are the log/],
    [
      'that says twice that it is broken',
      stepping(REAL_WRITER, (step) => (state, envelope) => {
        const taken = step(state, envelope)
        return isFailure(envelope.event) && taken.state === state ? { ...taken, effects: [BROKEN] } : taken
      }),
      /^broken is told once/,
    ],
    [
      'that goes on when it is broken',
      stepping(REAL_WRITER, (step) => (state, envelope) => {
        if ((state as MachineState<unknown>).value !== 'broken' || isFailure(envelope.event))
          return step(state, envelope)
        const writing = { ...(state as MachineState<unknown>), value: 'writing' }
        const taken = step(writing, envelope) as Step<MachineState<unknown>>
        return { ...taken, state: { ...taken.state, value: 'broken' } }
      }),
      /^broken is terminal/,
    ],
  ]

  it.each(broken)('%s is found', (_, definition, message) => {
    expect(found(eraseModel(ledgerWriterModel(LEDGER_WRITER_MODEL_DEFAULTS, definition)))).toMatch(message)
  })
})

describe('a node', () => {
  it('whose replica acknowledges what is not durable yet is found', () => {
    const tooEarly = stepping(REAL_ACTORS.replica, (step) => (state, envelope) => {
      const taken = step(state, envelope)
      if (envelope.event.type !== 'AppendEntries') return taken
      const { s } = taken.state as MachineState<ReplicaState>
      const acks = s.pendingAcks.map(({ to, view, idx }): Effect => {
        const message: AppendEntriesResponse = { type: 'AppendEntriesResponse', view, lastLogIdx: idx, success: true }
        return { type: 'send', to: `replica@${to}`, message }
      })
      return { ...taken, effects: [...taken.effects, ...acks] }
    })
    const model = eraseModel(nodeModel(NODE_MODEL_DEFAULTS, { ...REAL_ACTORS, replica: tooEarly }))
    expect(found(model)).toMatch(/^what is committed is durable on a majority/)
  })

  it('whose ledger writer does not flush is found', () => {
    const model = eraseModel(nodeModel(NODE_MODEL_DEFAULTS, { ...REAL_ACTORS, writer: doesNotFlush }))
    expect(found(model)).toMatch(/^what the replica believes durable is/)
  })

  it('whose replica believes late words about entries that were cut is found', () => {
    const believesAll = stepping(REAL_ACTORS.replica, (step) => (state, envelope) => {
      if (envelope.event.type !== 'durable') return step(state, envelope)
      const { epoch } = (state as MachineState<ReplicaState>).s
      const event: LedgerWriterNotice = { ...(envelope.event as LedgerWriterNotice & { type: 'durable' }), epoch }
      return step(state, { ...envelope, event })
    })
    const options = { ...NODE_MODEL_DEFAULTS, nodes: 3, members: 3, signatures: 2, checkQuorum: false }
    const model = eraseModel(nodeModel(options, { ...REAL_ACTORS, replica: believesAll }))
    expect(found(model)).toMatch(/^what the replica believes durable is/)
  })
})

describe('an executor', () => {
  const on = (type: string, take: (step: Take, state: ExecutorLocal, envelope: Envelope) => Step<unknown>) =>
    stepping(
      REAL_EXECUTOR,
      (step) => (state, envelope) =>
        envelope.event.type === type ? take(step, state as ExecutorLocal, envelope) : step(state, envelope),
    )
  const withState = ({ value, s }: ExecutorLocal, part: Partial<ExecutorState>): ExecutorLocal => ({
    value,
    s: { ...s, ...part },
  })

  const broken: readonly (readonly [string, AnyActorDefinition, RegExp])[] = [
    [
      'that keeps what it executed when it is primary no more',
      on('becameBackup', (step, state, envelope) => {
        const taken = step(state, envelope) as Step<ExecutorLocal>
        return { ...taken, state: withState(taken.state, { kv: state.s.kv }) }
      }),
      /^a backup keeps nothing that was only proposed/,
    ],
    [
      'that forgets whom it owes an answer when the primary changes',
      on('becameBackup', (step, state, envelope) => {
        const { state: after, effects } = step(state, envelope)
        return { state: after, effects: effects.filter((e) => e.type !== 'send' || e.message.type !== 'executed') }
      }),
      /^a request is answered or waited for/,
    ],
    [
      'that answers a timeout again and again',
      on('forwardingTimeout', (step, state, envelope) => ({ ...step(state, envelope), state })),
      /^one answer for each request/,
    ],
    [
      'that takes an earlier leadership’s signature for its own',
      on('signed', (step, state, envelope) => {
        const token = state.s.signing?.token
        const event = envelope.event as Extract<ExecutorEvent, { type: 'signed' }>
        return step(state, token === undefined ? envelope : { ...envelope, event: { ...event, token } as typeof event })
      }),
      /the signature of node .* does not hold/,
    ],
    ['that is deaf to rollbacks', on('rolledBack', (_, state) => ({ state, effects: [] })), /^pending is the log/],
    [
      'that forgets what it executed while a signature was made',
      on('signed', (step, state, envelope) => {
        const { signing } = state.s
        return step(signing === undefined ? state : withState(state, { signing: { ...signing, held: [] } }), envelope)
      }),
      /^the store is the fold of the log/,
    ],
    [
      'that signs while a signature is outstanding',
      stepping(REAL_EXECUTOR, (step) => (state, envelope) => {
        const taken = step(state, envelope) as Step<ExecutorLocal>
        return { ...taken, state: withState(taken.state, { signatureOutstanding: false }) }
      }),
      /^at most one signature is outstanding/,
    ],
  ]

  it.each(broken)('%s is found', (_, definition, message) => {
    const options = { requests: 1, elections: 1, stepDowns: 1, losses: 0 }
    expect(found(eraseModel(executorModel(options, definition)))).toMatch(message)
  })
})
