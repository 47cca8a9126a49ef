// One question to the public door of a service (`ccf.<service>.rpc`), as any NATS client would ask it.
import { fromUtf8, utf8 } from '../protocols/codec/bytes.ts'
import { tryDecode } from '../protocols/codec/der.ts'
import { parseJson } from '../protocols/codec/json.ts'
import { rpcSubject } from '../protocols/subjects.ts'
import type { Bus } from './bus/bus.ts'

export interface RpcReply {
  readonly status: number
  readonly body: unknown
}

/** The reply of a payload. Undefined for what no node says: anybody can publish to an inbox. */
export function parseRpcReply(payload: Uint8Array): RpcReply | undefined {
  const reply = tryDecode(() => parseJson(fromUtf8(payload)))
  if (typeof reply !== 'object' || reply === null) return undefined
  const { status, body } = reply as { readonly status?: unknown; readonly body?: unknown }
  return typeof status === 'number' ? { status, body } : undefined
}

/** Undefined when nobody answers within `timeoutMs`, or not as a node does. `target`: `GET /node/network`. */
export function askRpc(bus: Bus, service: string, target: string, timeoutMs: number): Promise<RpcReply | undefined> {
  return new Promise((resolve) => {
    const inbox = bus.newInbox()
    const finish = (reply: RpcReply | undefined): void => {
      clearTimeout(timer)
      subscription.unsubscribe()
      resolve(reply)
    }
    const timer = setTimeout(() => finish(undefined), timeoutMs)
    const subscription = bus.subscribe(inbox, ({ payload, noResponders }) => {
      finish(noResponders ? undefined : parseRpcReply(payload))
    })
    bus.publish(rpcSubject(service), utf8(target), { reply: inbox })
  })
}
