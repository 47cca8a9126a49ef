// The sealed way to one peer node, as a statechart: the states are the phases of the handshake; keys in use outlive them.
// Not here: what the messages mean (their actors), who the peers are (node), how bytes look (protocols/session, protocols/consensus).
// The rule to remember: losing messages is allowed, losing the ability to agree on new keys is not; every phase ends by a timer.
import { setup } from 'xstate'
import { CHANNEL_QUEUE_BYTES_MAX } from '../../protocols/limits.ts'
import type { Invariant } from '../actor.ts'
import { actions, contextOf, guards, machineActor, machineTypes } from '../machine.ts'
import * as frames from './frames.ts'
import * as handshake from './handshake.ts'
import { initialState, type ChannelConfig, type ChannelEvent, type ChannelState } from './state.ts'

type Name =
  | 'begin'
  | 'sendHello'
  | 'sendFinish'
  | 'receiveHello'
  | 'sendAnswer'
  | 'acceptFinish'
  | 'confirm'
  | 'refusePeer'
  | 'forgetAttempt'
  | 'ignoreHello'
  | 'transmit'
  | 'receiveFrame'

type GuardName =
  | 'drawIsCurrent'
  | 'helloArrives'
  | 'helloWins'
  | 'answerIsProven'
  | 'answerIsRefused'
  | 'finishIsProven'
  | 'finishIsRefused'
  | 'hasKeys'
  | 'isFrame'
  | 'frameConfirms'
  | 'keysAreSuspect'
  | 'newKeysAreDue'

const channelSetup = setup({
  types: machineTypes<ChannelState, ChannelEvent>(),
  guards: guards<ChannelState, ChannelEvent, GuardName>({
    drawIsCurrent: handshake.drawIsCurrent,
    helloArrives: handshake.helloArrives,
    helloWins: handshake.helloWins,
    answerIsProven: handshake.answerIsProven,
    answerIsRefused: handshake.answerIsRefused,
    finishIsProven: handshake.finishIsProven,
    finishIsRefused: handshake.finishIsRefused,
    hasKeys: handshake.hasKeys,
    isFrame: frames.isFrame,
    frameConfirms: frames.frameConfirms,
    keysAreSuspect: frames.keysAreSuspect,
    newKeysAreDue: frames.newKeysAreDue,
  }),
  actions: actions<ChannelState, ChannelEvent, Name>({
    begin: handshake.begin,
    sendHello: handshake.sendHello,
    sendFinish: handshake.sendFinish,
    receiveHello: handshake.receiveHello,
    sendAnswer: handshake.sendAnswer,
    acceptFinish: handshake.acceptFinish,
    confirm: handshake.confirm,
    refusePeer: handshake.refusePeer,
    forgetAttempt: handshake.forgetAttempt,
    ignoreHello: handshake.ignoreHello,
    transmit: frames.transmit,
    receiveFrame: frames.receiveFrame,
  }),
})

const transmit = { actions: 'transmit' } as const
const beginAgain = { target: 'drawingForHello', actions: 'begin' } as const
const frameConfirms = { guard: 'frameConfirms', target: 'established', actions: ['receiveFrame', 'confirm'] } as const
const frame = { guard: 'isFrame', actions: 'receiveFrame' } as const
const answerAnyHello = { guard: 'helloArrives', target: 'drawingForAnswer', actions: 'receiveHello' } as const
/** Ours is under way: the lower node id goes on. */
const answerWinningHello = { ...answerAnyHello, guard: 'helloWins' } as const
const ignore = { actions: 'ignoreHello' } as const

export const channelMachine = channelSetup.createMachine({
  id: 'channel',
  context: contextOf,
  initial: 'waiting',
  states: {
    waiting: {
      on: {
        transmit,
        received: [frame, answerAnyHello, ignore],
        handshakeTimeout: beginAgain,
      },
    },
    drawingForHello: {
      on: {
        transmit,
        received: [frameConfirms, frame, answerWinningHello, ignore],
        bytesDrawn: { guard: 'drawIsCurrent', target: 'awaitingAnswer', actions: 'sendHello' },
      },
    },
    awaitingAnswer: {
      on: {
        transmit,
        received: [
          frameConfirms,
          frame,
          { guard: 'answerIsProven', target: 'awaitingConfirmation', actions: 'sendFinish' },
          { guard: 'answerIsRefused', actions: 'refusePeer' },
          answerWinningHello,
          ignore,
        ],
        handshakeTimeout: beginAgain,
      },
    },
    awaitingConfirmation: {
      on: {
        transmit,
        received: [frameConfirms, frame, answerAnyHello, ignore],
        handshakeTimeout: beginAgain,
      },
    },
    drawingForAnswer: {
      on: {
        transmit,
        received: [frameConfirms, frame, answerAnyHello, ignore],
        bytesDrawn: { guard: 'drawIsCurrent', target: 'awaitingFinish', actions: 'sendAnswer' },
      },
    },
    awaitingFinish: {
      on: {
        transmit,
        received: [
          frameConfirms,
          frame,
          { guard: 'finishIsProven', target: 'established', actions: 'acceptFinish' },
          { guard: 'finishIsRefused', actions: 'refusePeer' },
          answerAnyHello,
          ignore,
        ],
        handshakeTimeout: [{ guard: 'hasKeys', target: 'established', actions: 'forgetAttempt' }, beginAgain],
      },
    },
    established: {
      on: {
        transmit: [{ ...beginAgain, guard: 'newKeysAreDue', actions: ['transmit', 'begin'] }, transmit],
        received: [
          { ...beginAgain, guard: 'keysAreSuspect', actions: ['receiveFrame', 'begin'] },
          frame,
          answerAnyHello,
          ignore,
        ],
      },
    },
  },
})

const invariants: readonly Invariant<ChannelState>[] = [
  {
    name: 'the queue is bounded, and empty while there are keys',
    broken: (s) => {
      const bytes = s.queue.reduce((sum, content) => sum + content.length, 0)
      if (bytes !== s.queuedBytes) return `${bytes} bytes queued, ${s.queuedBytes} counted`
      if (bytes > CHANNEL_QUEUE_BYTES_MAX) return `${bytes} bytes queued`
      return s.current !== undefined && s.queue.length > 0 ? `${s.queue.length} contents queued with keys` : undefined
    },
  },
  {
    name: 'no two directions share a key',
    broken: (s) => {
      const keys = [s.current?.send.key, s.current?.receive.key, s.agreed?.send.key, s.agreed?.receive.key]
      const known = keys.filter((key) => key !== undefined).map((key) => key.join())
      return new Set(known).size === known.length ? undefined : 'a key is used twice'
    },
  },
]

/** The channel's definition, for any host. Its address is `channel/<peer node id>`. */
export const channel = machineActor<ChannelConfig, ChannelState, ChannelEvent>({
  kind: 'channel',
  version: 1,
  machine: channelMachine,
  start: (config) => ({ state: initialState(config), effects: handshake.startEffects(config) }),
  invariants,
})
