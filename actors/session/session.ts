// One client's session on a node, as a statechart: handshake, identity, sealed frames, CCF's session rule.
// Not here: what requests do (executor), which sessions exist (node), what frames look like (protocols/session).
// The rule to remember: nothing leaves in clear once the session is open, and what does not authenticate is never answered.
import { setup } from 'xstate'
import type { Invariant } from '../actor.ts'
import { actions, contextOf, guards, machineActor, machineTypes } from '../machine.ts'
import * as handshake from './handshake.ts'
import { end, flush } from './outbox.ts'
import * as requests from './requests.ts'
import { initialState, type SessionConfig, type SessionEvent, type SessionState } from './state.ts'
import { SESSION_REQUESTS_PENDING_MAX } from '../../protocols/limits.ts'

type Name =
  | 'answerHello'
  | 'refuseHello'
  | 'openSession'
  | 'refuseIdentity'
  | 'ignoreForgery'
  | 'giveUp'
  | 'receiveFrame'
  | 'refuseMalformed'
  | 'answer'
  | 'noticeCommit'
  | 'flush'
  | 'watchIdle'
  | 'endIdle'
  | 'endInconsistent'
  | 'endSpent'
  | 'endByClient'
  | 'closeOnDemand'

type GuardName =
  | 'helloIsReadable'
  | 'finishProvesIdentity'
  | 'finishIsRefused'
  | 'frameIsMalformed'
  | 'clientCloses'
  | 'consistencyIsLost'
  | 'keyIsSpent'
  | 'isIdle'

const sessionSetup = setup({
  types: machineTypes<SessionState, SessionEvent>(),
  guards: guards<SessionState, SessionEvent, GuardName>({
    helloIsReadable: handshake.helloIsReadable,
    finishProvesIdentity: handshake.finishProvesIdentity,
    finishIsRefused: handshake.finishIsRefused,
    frameIsMalformed: requests.frameIsMalformed,
    clientCloses: requests.clientCloses,
    consistencyIsLost: requests.consistencyIsLost,
    keyIsSpent: requests.keyIsSpent,
    isIdle: requests.isIdle,
  }),
  actions: actions<SessionState, SessionEvent, Name>({
    answerHello: handshake.answerHello,
    refuseHello: handshake.refuseHello,
    openSession: handshake.openSession,
    refuseIdentity: handshake.refuseIdentity,
    ignoreForgery: handshake.ignoreForgery,
    giveUp: handshake.giveUp,
    receiveFrame: requests.receiveFrame,
    refuseMalformed: requests.refuseMalformed,
    answer: requests.answer,
    noticeCommit: requests.noticeCommit,
    flush,
    watchIdle: requests.watchIdle,
    endIdle: requests.endIdle,
    endInconsistent: requests.endInconsistent,
    endSpent: requests.endSpent,
    endByClient: (s, envelope) => end(s, envelope, 'closedByClient'),
    closeOnDemand: requests.closeOnDemand,
  }),
})

const handshakeTimeout = { target: 'closed', actions: 'giveUp' } as const
const closeSession = { target: 'closed', actions: 'closeOnDemand' } as const

export const sessionMachine = sessionSetup.createMachine({
  id: 'session',
  context: contextOf,
  initial: 'awaitingRandomness',
  states: {
    awaitingRandomness: {
      on: {
        bytesDrawn: [
          { guard: 'helloIsReadable', target: 'awaitingFinish', actions: 'answerHello' },
          { target: 'closed', actions: 'refuseHello' },
        ],
        handshakeTimeout,
        closeSession,
      },
    },
    awaitingFinish: {
      on: {
        received: [
          { guard: 'finishProvesIdentity', target: 'open', actions: 'openSession' },
          { guard: 'finishIsRefused', target: 'closed', actions: 'refuseIdentity' },
          { actions: 'ignoreForgery' },
        ],
        handshakeTimeout,
        closeSession,
      },
    },
    open: {
      on: {
        received: [
          { guard: 'frameIsMalformed', target: 'closed', actions: 'refuseMalformed' },
          { guard: 'clientCloses', target: 'closed', actions: ['receiveFrame', 'endByClient'] },
          { actions: 'receiveFrame' },
        ],
        executed: [
          { guard: 'consistencyIsLost', target: 'closed', actions: ['answer', 'endInconsistent'] },
          { actions: 'answer' },
        ],
        commitNotice: { actions: 'noticeCommit' },
        flush: [{ guard: 'keyIsSpent', target: 'closed', actions: 'endSpent' }, { actions: 'flush' }],
        idleTimeout: [{ guard: 'isIdle', target: 'closed', actions: 'endIdle' }, { actions: 'watchIdle' }],
        closeSession,
      },
    },
    closed: {},
  },
})

const invariants: readonly Invariant<SessionState>[] = [
  {
    name: 'a session never has more requests pending than it may',
    broken: (s) => (s.pending > SESSION_REQUESTS_PENDING_MAX ? `${s.pending} pending` : undefined),
  },
  {
    name: 'requests wait only until the view of the session is known',
    broken: (s) =>
      s.waiting.length > 0 && (s.activeView > 0 || s.probing === 0) ? `${s.waiting.length} waiting` : undefined,
  },
  {
    name: 'the ephemeral key is forgotten once there are session keys',
    broken: (s) => (s.keys !== undefined && s.handshake !== undefined ? 'handshake state kept' : undefined),
  },
]

/** The session's definition, for any host. */
export const session = machineActor<SessionConfig, SessionState, SessionEvent>({
  kind: 'session',
  version: 1,
  machine: sessionMachine,
  start: (config) => ({ state: initialState(config), effects: handshake.startEffects(config) }),
  invariants,
})
