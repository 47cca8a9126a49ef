// One question to the public door of a service (`ccf.<service>.rpc`), as any NATS client would ask it.
import { fromUtf8, utf8 } from '../protocols/codec/bytes.ts'
import { rpcSubject } from '../protocols/subjects.ts'
import type { Bus } from './bus/bus.ts'

export interface RpcReply {
  readonly status: number
  readonly body: unknown
}

/** Undefined when nobody answers within `timeoutMs`. `target`: `GET /node/network`. */
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
      finish(noResponders ? undefined : (JSON.parse(fromUtf8(payload)) as RpcReply))
    })
    bus.publish(rpcSubject(service), utf8(target), { reply: inbox })
  })
}
