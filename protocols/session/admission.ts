// What a node does with a hello before there is a session: read it, and start a session or refuse, in clear.
// A pure judgement for whoever keeps the sessions of a node; it holds no state.
// The rule to remember: only a subject that isReplySubject accepted is ever answered (protocols/session/hello.ts).
import { SESSIONS_MAX } from '../limits.ts'
import { decodeHello, encodeHello, HELLO_VERSION, isReplySubject } from './hello.ts'

export type Admission =
  /** Start `session/<id>` with these in its config. */
  | { readonly kind: 'admit'; readonly replySubject: string; readonly clientNoise: Uint8Array }
  /** Publish `payload` to `replySubject`. */
  | { readonly kind: 'refuse'; readonly replySubject: string; readonly payload: Uint8Array }
  /** Nothing a node answers to. */
  | { readonly kind: 'ignore' }

/** `reply`: the NATS reply subject, used only to name a version not spoken here. `isReady`: the node takes part in an open service. */
export function admitHello(
  payload: Uint8Array,
  reply: string | undefined,
  node: { readonly sessionsOpen: number; readonly isReady: boolean },
): Admission {
  const hello = decodeHello(payload)
  if (hello?.type === 'unsupportedVersion') {
    if (reply === undefined || !isReplySubject(reply)) return { kind: 'ignore' }
    const message = `session protocol version ${hello.version} is not spoken here, version ${HELLO_VERSION} is`
    return {
      kind: 'refuse',
      replySubject: reply,
      payload: encodeHello({ type: 'sessionRefusal', code: 'NotImplemented', message }),
    }
  }
  if (hello?.type !== 'clientHello') return { kind: 'ignore' }
  const { replySubject, noise } = hello
  const refuse = (code: 'SessionCapExhausted' | 'FrontendNotOpen', message: string): Admission => ({
    kind: 'refuse',
    replySubject,
    payload: encodeHello({ type: 'sessionRefusal', code, message }),
  })
  if (!node.isReady) return refuse('FrontendNotOpen', 'the node does not take part in the service yet')
  if (node.sessionsOpen >= SESSIONS_MAX)
    return refuse('SessionCapExhausted', `the node has ${SESSIONS_MAX} sessions open`)
  return { kind: 'admit', replySubject, clientNoise: noise }
}
