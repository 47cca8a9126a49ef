// Clients: when they may come, and one session actor for each of theirs. Not what a session does (actors/session).
// A hello costs its sender nothing, so those that only say hello cannot take the place of clients that have proven themselves.
// The rule to remember: a node serves once its certificate is in the committed ledger, because that is what proves it to clients.
import { toHex } from '../../protocols/codec/bytes.ts'
import { HANDSHAKES_MAX } from '../../protocols/limits.ts'
import type { NodesChanged } from '../../protocols/requests.ts'
import { admitHello } from '../../protocols/session/admission.ts'
import type { Envelope, Step } from '../actor.ts'
import { step, unchanged } from '../actor.ts'
import { send, trace, type Effect } from '../effects.ts'
import type { NodeEvent, NodeState } from './state.ts'

const SESSION_ID_BYTES = 16

/** The ledger lists this node as Trusted, with its certificate. */
export function isTrusted(s: NodeState, { event }: Envelope<NodeEvent>): boolean {
  const { nodes, certificatePem } = event as NodesChanged
  return certificatePem !== undefined && nodes[s.config.nodeId] === 'Trusted'
}

/** Clients are led here from now on. */
export function serve(s: NodeState): Step<NodeState> {
  const effects: Effect[] = [{ type: 'lifecycle', stage: 'serving' }, trace('serving')]
  if (!s.isRpcStarted) {
    effects.unshift({ type: 'startActor', address: 'rpc', kind: 'rpc', config: s.config.configs.rpc })
  }
  return step({ ...s, isRpcStarted: true }, ...effects)
}

/** A hello on a session subject: admitted or refused, in clear (protocols/session/hello.ts). */
const answerHello =
  (isReady: boolean) =>
  (s: NodeState, { event }: Envelope<NodeEvent>): Step<NodeState> => {
    const { payload, reply } = event as Extract<NodeEvent, { type: 'received' }>
    const admission = admitHello(payload, reply, { isReady, sessionsOpen: s.sessions.length })
    if (admission.kind === 'ignore') return step(s, trace('helloIgnored'))
    if (admission.kind === 'refuse') {
      return step(
        s,
        { type: 'publish', subject: admission.replySubject, payload: admission.payload },
        trace('helloRefused'),
      )
    }
    const token = s.nextToken
    const { replySubject, clientNoise } = admission
    const waiting = { ...withRoom(s.waiting), [token]: { replySubject, clientNoise } }
    return step({ ...s, nextToken: token + 1, waiting }, { type: 'drawBytes', token, count: SESSION_ID_BYTES })
  }

/** Without the oldest, if there are as many as there may be: a burst of hellos waits for its session ids together. */
function withRoom(waiting: NodeState['waiting']): NodeState['waiting'] {
  const tokens = Object.keys(waiting)
  if (tokens.length < HANDSHAKES_MAX) return waiting
  // Keys that are whole numbers stand in ascending order.
  const { [Number(tokens[0])]: _oldest, ...others } = waiting
  return others
}

/** The oldest handshake is the one least likely to be finished. Its client, if there is one, is told so by its own next frame, and says hello again. */
function makeRoom(s: NodeState): Step<NodeState> {
  const [oldest, ...handshakes] = s.handshakes
  if (oldest === undefined || s.handshakes.length < HANDSHAKES_MAX) return unchanged(s)
  return step({ ...s, handshakes }, { type: 'stopActor', address: `session/${oldest}` }, trace('handshakeDropped'))
}

export const receiveHello = answerHello(true)
export const refuseHello = answerHello(false)

export function startSession(s: NodeState, { event }: Envelope<NodeEvent>): Step<NodeState> {
  const { token, bytes } = event as Extract<NodeEvent, { type: 'bytesDrawn' }>
  const { [token]: hello, ...waiting } = s.waiting
  if (hello === undefined || s.certificatePem === undefined) return unchanged(s)
  const sessionId = toHex(bytes)
  const { state, effects } = makeRoom(s)
  const { primary: primaryHint, certificatePem: nodeCertificatePem } = s
  const config = s.config.configs.session({ sessionId, ...hello, primaryHint, nodeCertificatePem })
  return step({ ...state, waiting, handshakes: [...state.handshakes, sessionId] }, ...effects, {
    type: 'startActor',
    address: `session/${sessionId}`,
    kind: 'session',
    config,
  })
}

/** Its client has proven itself. There may be HANDSHAKES_MAX sessions more than SESSIONS_MAX: those that were under way when the last place was taken. */
export function sessionOpened(s: NodeState, { event }: Envelope<NodeEvent>): Step<NodeState> {
  const { sessionId } = event as Extract<NodeEvent, { type: 'sessionOpened' }>
  if (!s.handshakes.includes(sessionId)) return unchanged(s)
  const sessions = [...s.sessions, sessionId]
  const state: NodeState = {
    ...s,
    handshakes: s.handshakes.filter((id) => id !== sessionId),
    sessions,
    sessionsPeak: Math.max(s.sessionsPeak, sessions.length),
  }
  return step(state, counters(state))
}

export function sessionEnded(s: NodeState, { event }: Envelope<NodeEvent>): Step<NodeState> {
  const { sessionId } = event as Extract<NodeEvent, { type: 'sessionEnded' }>
  const isOther = (id: string): boolean => id !== sessionId
  if (s.handshakes.includes(sessionId)) return step({ ...s, handshakes: s.handshakes.filter(isOther) })
  const state = { ...s, sessions: s.sessions.filter(isOther) }
  return step(state, counters(state))
}

const counters = ({ sessions, sessionsPeak }: NodeState): Effect =>
  send('executor', { type: 'nodeCounters', counters: { sessionsActive: sessions.length, sessionsPeak } })
