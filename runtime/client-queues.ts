// A node's part in the queue groups that lead clients to any node of the service (protocols/README.md §2): hellos and requests in clear.
// The rule to remember: only a node that serves takes part, or a share of the clients would meet silence.
import type { LifecycleStage } from '../actors/effects.ts'
import { rpcSubject, sessionSubject } from '../protocols/subjects.ts'
import type { Bus, BusMessage, Subscription } from './bus/bus.ts'

const QUEUE = { queue: 'nodes' }

interface Handlers {
  readonly onHello: (message: BusMessage) => void
  readonly onRequest: (message: BusMessage) => void
}

export class ClientQueues {
  readonly #bus: Bus
  readonly #service: string
  readonly #handlers: Handlers
  #subscriptions: readonly Subscription[] = []

  constructor(bus: Bus, service: string, handlers: Handlers) {
    this.#bus = bus
    this.#service = service
    this.#handlers = handlers
  }

  follow(stage: LifecycleStage): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe()
    this.#subscriptions = stage === 'serving' ? this.#join() : []
  }

  #join(): readonly Subscription[] {
    const { onHello, onRequest } = this.#handlers
    return [
      this.#bus.subscribe(sessionSubject(this.#service), onHello, QUEUE),
      this.#bus.subscribe(rpcSubject(this.#service), onRequest, QUEUE),
    ]
  }
}
