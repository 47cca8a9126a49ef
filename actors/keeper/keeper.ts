// The keeper: makes new ledger secrets and recovery shares when the executor of its node, then primary, asks (CCF facts §6).
// Not here: when that is due and whether it still holds (executor), which secret is in force (protocols/secrets), who may ask (governance).
// The rule to remember: it keeps nothing. A secret exists here for one step, between random bytes and the transaction that carries it away.
import { setup } from 'xstate'
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import type { IssueSecrets, SecretsIssued } from '../../protocols/secrets/issuing.ts'
import type { Address, Envelope, Invariant, Step } from '../actor.ts'
import { step, unchanged } from '../actor.ts'
import { send, trace, type HostEvent } from '../effects.ts'
import { actions, contextOf, guards, machineActor, machineTypes } from '../machine.ts'
import { issue, randomBytesOf } from './issue.ts'

export interface KeeperConfig {
  readonly crypto: Crypto
}

export type KeeperEvent = IssueSecrets | Extract<HostEvent, { readonly type: 'bytesDrawn' }>

/** The request that waits for random bytes. It holds the latest secret: SECRET. */
export interface Drawing {
  readonly token: number
  readonly asker: Address
  readonly request: IssueSecrets
}

export interface KeeperState {
  readonly config: KeeperConfig
  readonly drawing: Drawing | undefined
  readonly nextToken: number
}

/** A newer request takes the place of an older one: its executor has forgotten that. */
function draw(s: KeeperState, { event, from }: Envelope<KeeperEvent>): Step<KeeperState> {
  const request = event as IssueSecrets
  const token = s.nextToken
  const drawing = { token, asker: from, request }
  return step({ ...s, drawing, nextToken: token + 1 }, { type: 'drawBytes', token, count: randomBytesOf(request) })
}

const isDrawn = (s: KeeperState, { event }: Envelope<KeeperEvent>): boolean =>
  (event as Extract<KeeperEvent, { type: 'bytesDrawn' }>).token === s.drawing?.token

function answer(s: KeeperState, { event }: Envelope<KeeperEvent>): Step<KeeperState> {
  const { bytes } = event as Extract<KeeperEvent, { type: 'bytesDrawn' }>
  if (s.drawing === undefined) return unchanged(s)
  const { asker, request } = s.drawing
  const { token, purpose } = request
  const issued = issue(s.config.crypto, request, bytes)
  const message: SecretsIssued =
    'code' in issued
      ? { type: 'secretsIssued', token, refused: issued }
      : { type: 'secretsIssued', token, writes: issued }
  return step({ ...s, drawing: undefined }, send(asker, message), trace('secretsIssued', { purpose }))
}

export const keeperMachine = setup({
  types: machineTypes<KeeperState, KeeperEvent>(),
  guards: guards<KeeperState, KeeperEvent, 'isDrawn'>({ isDrawn }),
  actions: actions<KeeperState, KeeperEvent, 'draw' | 'answer'>({ draw, answer }),
}).createMachine({
  id: 'keeper',
  context: contextOf,
  initial: 'idle',
  states: {
    idle: { on: { issueSecrets: { target: 'drawing', actions: 'draw' } } },
    drawing: {
      on: {
        issueSecrets: { actions: 'draw' },
        bytesDrawn: { guard: 'isDrawn', target: 'idle', actions: 'answer' },
      },
    },
  },
})

const invariants: readonly Invariant<KeeperState>[] = []

/** The keeper's definition, for any host. */
export const keeper = machineActor<KeeperConfig, KeeperState, KeeperEvent>({
  kind: 'keeper',
  version: 1,
  machine: keeperMachine,
  start: (config) => step({ config, drawing: undefined, nextToken: 1 }),
  invariants,
})
