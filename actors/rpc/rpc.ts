// The public door: requests in clear on `ccf.<service>.rpc`, answered on NATS' reply subject. One chart state, for it only passes through.
// Not here: which endpoints are public (the executor, told by `publicOnly`); identities (there are none).
// The rule to remember: answer only to subjects isReplySubject accepts; the table of who waits is bounded.
import { setup } from 'xstate'
import type { Refusal } from '../../protocols/errors.ts'
import { refusal } from '../../protocols/errors.ts'
import type { Executed } from '../../protocols/requests.ts'
import { isReplySubject } from '../../protocols/session/hello.ts'
import type { Envelope, Invariant, Step } from '../actor.ts'
import { step, unchanged } from '../actor.ts'
import { send, trace, type Effect } from '../effects.ts'
import { actions, contextOf, guards, machineActor, machineTypes } from '../machine.ts'
import { encodeRpcRefusal, encodeRpcResponse, parseRpcRequest } from './request.ts'
import { initialState, type RpcConfig, type RpcEvent, type RpcState } from './state.ts'

type Received = Extract<RpcEvent, { type: 'received' }>

const isAnswerable = (_: RpcState, envelope: Envelope<RpcEvent>): boolean => {
  const { reply } = envelope.event as Received
  return reply !== undefined && isReplySubject(reply)
}

const isFull = (s: RpcState, envelope: Envelope<RpcEvent>): boolean =>
  s.pendingCount >= s.config.pendingMax && isAnswerable(s, envelope)

const refuse = (reply: string, problem: Refusal): Effect => ({
  type: 'publish',
  subject: reply,
  payload: encodeRpcRefusal(problem),
})

const refuseFull = (s: RpcState, envelope: Envelope<RpcEvent>): Step<RpcState> =>
  step(
    s,
    refuse(
      (envelope.event as Received).reply!,
      refusal(503, 'TooManyPendingTransactions', `the node has ${s.config.pendingMax} public requests waiting`),
    ),
  )

/** One request becomes one `execute`, without an identity. */
function ask(s: RpcState, envelope: Envelope<RpcEvent>): Step<RpcState> {
  const { payload, reply } = envelope.event as Received
  const parsed = parseRpcRequest(payload)
  if (reply === undefined) return unchanged(s)
  if ('refused' in parsed) return step(s, refuse(reply, parsed.refused))
  const token = s.nextToken
  return step(
    { ...s, nextToken: token + 1, pending: { ...s.pending, [token]: reply }, pendingCount: s.pendingCount + 1 },
    send('executor', {
      type: 'execute',
      token,
      caller: { kind: 'anonymous' },
      activeView: 0,
      publicOnly: true,
      requests: [parsed.request],
    }),
  )
}

function answer(s: RpcState, envelope: Envelope<RpcEvent>): Step<RpcState> {
  const { token, responses } = envelope.event as Executed
  const { [token]: reply, ...pending } = s.pending
  const [response] = responses
  if (reply === undefined || response === undefined) return unchanged(s)
  return step(
    { ...s, pending, pendingCount: s.pendingCount - 1 },
    { type: 'publish', subject: reply, payload: encodeRpcResponse(response) },
  )
}

const rpcSetup = setup({
  types: machineTypes<RpcState, RpcEvent>(),
  guards: guards<RpcState, RpcEvent, 'isFull' | 'isAnswerable'>({ isFull, isAnswerable }),
  actions: actions<RpcState, RpcEvent, 'refuseFull' | 'ask' | 'answer' | 'ignore'>({
    refuseFull,
    ask,
    answer,
    ignore: (s) => step(s, trace('rpcIgnored', { reason: 'nowhere to answer' })),
  }),
})

export const rpcMachine = rpcSetup.createMachine({
  id: 'rpc',
  context: contextOf,
  initial: 'serving',
  states: {
    serving: {
      on: {
        received: [
          { guard: 'isFull', actions: 'refuseFull' },
          { guard: 'isAnswerable', actions: 'ask' },
          { actions: 'ignore' },
        ],
        executed: { actions: 'answer' },
      },
    },
  },
})

const invariants: readonly Invariant<RpcState>[] = [
  {
    name: 'the table of who waits is counted and bounded',
    broken: (s) => {
      const count = Object.keys(s.pending).length
      return count === s.pendingCount && count <= s.config.pendingMax
        ? undefined
        : `${count} waiting, ${s.pendingCount} counted`
    },
  },
]

/** The public door's definition, for any host. */
export const rpc = machineActor<RpcConfig, RpcState, RpcEvent>({
  kind: 'rpc',
  version: 1,
  machine: rpcMachine,
  start: (config) => step(initialState(config)),
  invariants,
})
