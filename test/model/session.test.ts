// Goal: the model of client sessions can fail. Sessions broken on purpose, each in one way, are found, by the property that is about it; and
// where the executor compares views itself, the session's own comparison changes nothing (why its mutant opens that door first).
import { describe, expect, it } from 'vitest'
import type { AnyActorDefinition, Envelope, Step } from '../../actors/actor.ts'
import type { Effect } from '../../actors/effects.ts'
import type { MachineState } from '../../actors/machine.ts'
import type { SessionEvent, SessionState } from '../../actors/session/state.ts'
import { seqno } from '../../protocols/ids.ts'
import type { Execute, Executed } from '../../protocols/requests.ts'
import { breadthFirst } from '../../runtime/check/breadth-first.ts'
import { eraseModel } from '../../runtime/check/model.ts'
import { SESSION_MODEL_DEFAULTS, sessionModel, type SessionModelOptions } from '../../runtime/models/session/model.ts'
import { REAL_SESSION } from '../../runtime/models/session/node-place.ts'
import { PLAIN_SESSION } from './golden.ts'

type State = MachineState<SessionState>
type Take = (state: State, envelope: Envelope<SessionEvent>) => Step<State>

const stepping = (change: (step: Take) => Take): AnyActorDefinition => ({
  ...REAL_SESSION,
  step: change(REAL_SESSION.step as Take) as AnyActorDefinition['step'],
})

const withEffects = (change: (effects: readonly Effect[], event: SessionEvent) => readonly Effect[]) =>
  stepping((step) => (state, envelope) => {
    const taken = step(state, envelope)
    return { ...taken, effects: change(taken.effects, envelope.event) }
  })

/** The session takes another `executed` for the one that came. */
const mishearing = (change: (event: Executed) => Executed): AnyActorDefinition =>
  stepping((step) => (state, envelope) => {
    const { event } = envelope
    return step(state, event.type === 'executed' ? { ...envelope, event: change(event) } : envelope)
  })

/** The session hands over other batches than it should. */
const misspeaking = (change: (batch: Execute) => Execute): AnyActorDefinition =>
  withEffects((effects) =>
    effects.map((effect) =>
      effect.type === 'send' && effect.message.type === 'execute'
        ? { ...effect, message: change(effect.message as Execute) }
        : effect,
    ),
  )

const SMALL: SessionModelOptions = { ...SESSION_MODEL_DEFAULTS, ...PLAIN_SESSION, elections: 0 }

const found = (definition: AnyActorDefinition, options: Partial<SessionModelOptions> = {}): string => {
  const model = eraseModel(sessionModel({ ...SMALL, ...options }, definition))
  return breadthFirst(model, { statesMax: 1e5, depthMax: 1e3 }).violation?.message ?? 'nothing'
}

describe('a session', () => {
  const broken: readonly (readonly [string, AnyActorDefinition, RegExp])[] = [
    [
      'that answers what was not asked',
      mishearing((event) => ({ ...event, responses: event.responses.map((r) => ({ ...r, id: r.id + 2 })) })),
      /^an answer belongs to the request it answers: \d was never asked/,
    ],
    [
      'that gives each request of a batch the answer of another',
      mishearing((event) => {
        const { responses } = event
        return { ...event, responses: responses.map((r, i) => ({ ...r, id: responses.at(-1 - i)!.id })) }
      }),
      /^an answer belongs to the request it answers: \d has another’s/,
    ],
    [
      'that answers twice',
      mishearing((event) => ({ ...event, responses: [...event.responses, ...event.responses] })),
      /^an answer belongs to the request it answers: \d was answered before/,
    ],
    [
      'that names another transaction',
      mishearing((event) => ({
        ...event,
        responses: event.responses.map((r) => ({ ...r, txId: r.txId && { ...r.txId, seqno: seqno(9) } })),
      })),
      /^nothing is invented/,
    ],
    [
      'that does not hear the executor',
      stepping(
        (step) => (state, envelope) =>
          envelope.event.type === 'executed' ? { state, effects: [] } : step(state, envelope),
      ),
      /^a session forgets no request/,
    ],
    [
      'that seals and does not send',
      withEffects((effects, { type }) => (type === 'flush' ? effects.filter((e) => e.type !== 'publish') : effects)),
      /^no request is lost silently/,
    ],
    [
      'that falls silent without a word',
      withEffects((effects, { type }) =>
        type === 'idleTimeout' ? effects.filter((e) => e.type !== 'publish') : effects,
      ),
      /^an open session says that it ends/,
    ],
    [
      'that hands a batch over from the end',
      misspeaking((batch) => ({ ...batch, requests: [...batch.requests].reverse() })),
      /^requests are executed in the order in which they were asked/,
    ],
    [
      'that changes a request',
      misspeaking((batch) => ({ ...batch, requests: batch.requests.map((r) => ({ ...r, path: '/other' })) })),
      /^no request is changed/,
    ],
    [
      'that asks for more than its client',
      misspeaking((batch) => ({
        ...batch,
        requests: [...batch.requests, { ...batch.requests[0]!, id: 9, path: '/r9' }],
      })),
      /^only what was asked is executed/,
    ],
    [
      'that seals with the key of its client',
      stepping((step) => (state, envelope) => {
        const { state: after, effects } = step(state, envelope)
        const { keys } = after.s
        if (keys === undefined) return { state: after, effects }
        const send = { ...keys.send, key: keys.receive.key }
        return { state: { value: after.value, s: { ...after.s, keys: { ...keys, send } } }, effects }
      }),
      /^a key seals once with each nonce: client and node/,
    ],
  ]

  it.each(broken)('%s is found', (_, definition, message) => {
    expect(found(definition, { endings: 1 })).toMatch(message)
  })

  it('that is sound is not', () => {
    expect(found(REAL_SESSION, { endings: 1 })).toBe('nothing')
  })
})

describe('the session’s own comparison of views', () => {
  /** Every answer seems to be of the session's view. */
  const trusting = stepping((step) => (state, envelope) => {
    const { event } = envelope
    const { activeView } = state.s
    const isOfAnother = event.type === 'executed' && event.view !== 0 && activeView !== 0
    return step(state, isOfAnother ? { ...envelope, event: { ...event, view: activeView } } : envelope)
  })

  it.each([
    ['changes nothing while the executor compares', 0, /^nothing$/],
    ['matters when the executor does not', 1, /^a session that heard of two views is over/],
  ])('%s', (_, unchecked, message) => {
    expect(found(trusting, { elections: 1, refusals: 1, unknowns: 1, unchecked })).toMatch(message)
  })
})
