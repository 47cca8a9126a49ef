// The grammar of NATS subjects (DESIGN §5): built and parsed here and nowhere else.
import type { NodeId } from './ids.ts'

const TOKEN = /^[A-Za-z0-9_-]{1,128}$/

/** True if `text` may stand between two dots of a subject. */
export const isToken = (text: string): boolean => TOKEN.test(text)

export const rpcSubject = (service: string): string => `ccf.${service}.rpc`
export const sessionSubject = (service: string): string => `ccf.${service}.session`
/** Handshakes meant for one node rather than for any. */
export const nodeSessionSubject = (service: string, node: NodeId): string => `ccf.${service}.${node}.session`
export const sessionFrameSubject = (service: string, node: NodeId, session: string): string =>
  `ccf.${service}.${node}.session.${session}`
/** Sealed frames from `peer` to `node`. */
export const channelSubject = (service: string, node: NodeId, peer: NodeId): string =>
  `ccf.${service}.${node}.channel.${peer}`
/** Everything addressed to one node: a single subscription, so that one order numbers all of it. */
export const nodeSubjects = (service: string, node: NodeId): string => `ccf.${service}.${node}.>`
export const commitSubject = (service: string): string => `ccf.${service}.commit`

export type NodeSubject =
  | { readonly kind: 'hello' }
  | { readonly kind: 'sessionFrame'; readonly session: string }
  | { readonly kind: 'channelFrame'; readonly peer: NodeId }

/** Parses a subject under `nodeSubjects(service, node)`; undefined if it is none of ours. */
export function parseNodeSubject(service: string, node: NodeId, subject: string): NodeSubject | undefined {
  const prefix = `ccf.${service}.${node}.`
  if (!subject.startsWith(prefix)) return undefined
  const [kind, id, ...rest] = subject.slice(prefix.length).split('.')
  if (rest.length > 0) return undefined
  if (kind === 'session' && id === undefined) return { kind: 'hello' }
  if (id === undefined || !isToken(id)) return undefined
  if (kind === 'session') return { kind: 'sessionFrame', session: id }
  if (kind === 'channel') return { kind: 'channelFrame', peer: id as NodeId }
  return undefined
}
