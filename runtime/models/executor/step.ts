// What may happen in the executor's model, and what a host does with the effects: proposals to the replica, signatures that take any time,
// forwarded batches that arrive late or never, answers to clients. The rule to remember: the executor decides everything else.
import type { AnyStateMachine } from 'xstate'
import { splitAddress, type AnyActorDefinition, type Envelope } from '../../../actors/actor.ts'
import type { Effect } from '../../../actors/effects.ts'
import { executorMachine } from '../../../actors/executor/executor.ts'
import type { ExecutorEvent } from '../../../actors/executor/state.ts'
import { utf8 } from '../../../protocols/codec/bytes.ts'
import type { Replicate } from '../../../protocols/consensus/messages.ts'
import type { NodeId } from '../../../protocols/ids.ts'
import type { Executed, Forward, Forwarded } from '../../../protocols/requests.ts'
import { edgeOf } from '../../check/chart-edges.ts'
import type { Action, Outcome } from '../../check/model.ts'
import * as sides from './replica-side.ts'
import { LATE_MS, nodeIds, signItems, USER } from './service.ts'
import type { Asked, ExecutorLocal, LocalState, Spent } from './state.ts'

export const machine: AnyStateMachine = executorMachine
export interface Bounds extends Spent {
  readonly requests: number
}

const CLIENT = 'client/0'
const PLACES = [0, 1] as const

export function actions({ executors, replicas, signings, mail, asked, spent }: LocalState, bounds: Bounds): Action[] {
  const names = PLACES.flatMap((place) => {
    const side = replicas[place]!
    const isForwarding = Object.keys(executors[place]!.s.forwardings).length > 0
    const possible: Readonly<Record<string, boolean>> = {
      ask: asked.length < bounds.requests,
      hear: side.notices.length > 0,
      commit: sides.committable(replicas, place) > side.commitIdx,
      follow: sides.mayFollow(replicas, place),
      elect: spent.elections < bounds.elections && sides.mayLead(replicas, place),
      stepDown: spent.stepDowns < bounds.stepDowns && side.leader !== undefined,
      forwardingTimeout: isForwarding,
    }
    return Object.keys(possible)
      .filter((name) => possible[name])
      .map((name) => `${name} ${place}`)
  })
  const ofMail = spent.losses < bounds.losses ? ['deliver', 'lose'] : ['deliver']
  return [
    ...names,
    ...signings.map((_, i) => `signed ${i}`),
    ...mail.flatMap((_, i) => ofMail.map((name) => `${name} ${i}`)),
  ].map((name) => ({ name }))
}

export function act(state: LocalState, action: string, definition: AnyActorDefinition): Outcome<LocalState, never> {
  const run = new Run(state, definition)
  const [verb, number] = action.split(' ')
  run.take(verb!, Number(number))
  return { state: run.state, sends: [], edges: run.edges, violation: run.violation }
}

const without = <T>(items: readonly T[], at: number): T[] => items.filter((_, i) => i !== at)

class Run {
  state: LocalState
  violation: string | undefined
  readonly edges: string[] = []
  readonly #definition: AnyActorDefinition

  constructor(state: LocalState, definition: AnyActorDefinition) {
    this.state = state
    this.#definition = definition
  }

  take(verb: string, number: number): void {
    const { replicas, signings, mail, spent } = this.state
    switch (verb) {
      case 'ask':
        this.#ask(number)
        return
      case 'hear': {
        const [notice] = replicas[number]!.notices
        this.#change({ replicas: sides.heard(replicas, number) })
        this.#step(number, notice!, 'replica')
        return
      }
      case 'commit':
      case 'follow':
        this.#change({ replicas: sides[verb](replicas, number) })
        return
      case 'elect':
        this.#change({ replicas: sides.elect(replicas, number), spent: { ...spent, elections: spent.elections + 1 } })
        return
      case 'stepDown':
        this.#change({
          replicas: sides.stepDown(replicas, number),
          spent: { ...spent, stepDowns: spent.stepDowns + 1 },
        })
        return
      case 'forwardingTimeout':
        this.#step(number, { type: 'forwardingTimeout' }, 'host', LATE_MS)
        return
      case 'signed': {
        const { place, effect } = signings[number]!
        this.#change({ signings: without(signings, number) })
        this.#step(place, { type: 'signed', token: effect.token, signatures: signItems(place, effect.items) }, 'host')
        return
      }
      case 'deliver': {
        const { from, to, message } = mail[number]!
        this.#change({ mail: without(mail, number) })
        this.#step(to, message, `executor@${nodeIds[from]!}`)
        return
      }
      case 'lose':
        this.#change({ mail: without(mail, number), spent: { ...spent, losses: spent.losses + 1 } })
        return
      default:
        throw new RangeError(`no action '${verb}'`)
    }
  }

  #change(part: Partial<LocalState>): void {
    this.state = { ...this.state, ...part }
  }

  #ask(place: number): void {
    const token = this.state.asked.length + 1
    this.#change({ asked: [...this.state.asked, { place, status: undefined }] })
    const request = { id: token, verb: 'PUT', path: '/app/registers/k', body: utf8(`${token}/${token}`) }
    const caller = { kind: 'certificate', id: USER } as const
    this.#step(place, { type: 'execute', token, caller, activeView: 0, publicOnly: false, requests: [request] }, CLIENT)
  }

  #step(place: number, event: ExecutorEvent, from: string, at = 0): void {
    const before = this.state.executors[place]!
    const envelope: Envelope<ExecutorEvent> = { seq: 0, at, from, to: 'executor', event }
    const edge = edgeOf(machine, before.value, before.s, envelope)
    if (edge !== undefined) this.edges.push(edge)
    const { state, effects } = this.#definition.step(before, envelope)
    this.#change({
      executors: this.state.executors.map((old, i) => (i === place ? (state as ExecutorLocal) : old)),
    })
    for (const effect of effects) this.#perform(place, effect)
  }

  #perform(place: number, effect: Effect): void {
    if (effect.type === 'sign') this.#change({ signings: [...this.state.signings, { place, effect }] })
    if (effect.type !== 'send') return
    const { actor, node } = splitAddress(effect.to)
    if (node !== undefined) this.#post(place, node as NodeId, effect.message as Forward | Forwarded)
    else if (actor === 'replica' && effect.message.type === 'replicate') {
      const { view, records } = effect.message as Replicate
      this.#change({ replicas: sides.propose(this.state.replicas, place, view, records) })
    } else if (actor === CLIENT && effect.message.type === 'executed') this.#answer(place, effect.message as Executed)
  }

  #post(from: number, node: NodeId, message: Forward | Forwarded): void {
    if (message.type === 'forwarded') this.#wrote(message)
    this.#change({ mail: [...this.state.mail, { from, to: nodeIds.indexOf(node), message }] })
  }

  #wrote({ responses }: Forwarded | Executed): void {
    const known = this.state.written
    const fresh = responses.flatMap(({ id, txId }) => (txId === undefined ? [] : [{ token: id, txId }]))
    this.#change({ written: [...known, ...fresh.filter(({ token }) => known.every((other) => other.token !== token))] })
  }

  #answer(place: number, message: Executed): void {
    this.#wrote(message)
    for (const { id, status } of message.responses) {
      const asked = this.state.asked[id - 1]
      if (asked?.place !== place || asked.status !== undefined || id !== message.token) {
        this.violation = `one answer for each request: ${id} is answered ${status} after ${asked?.status ?? 'nothing'}`
      }
      this.#change({ asked: this.state.asked.map((a, i): Asked => (i === id - 1 ? { ...a, status } : a)) })
    }
  }
}
