// The operator of a simulated service: lets fresh nodes in and removes others, by the requests an operator has, again and again until the
// committed ledger shows it. Whoever leads may fall, and what it answered may be rolled back.
import type { Message } from '../../actors/actor.ts'
import type { AppRequest } from '../../protocols/app.ts'
import { EMPTY } from '../../protocols/codec/bytes.ts'
import type { NodeId } from '../../protocols/ids.ts'
import type { Executed } from '../../protocols/requests.ts'
import type { Prng } from '../prng.ts'
import type { Service } from './service.ts'

export interface OperatorOptions {
  readonly service: Service
  /** The operator listens at `client/<number>` of every node. */
  readonly client: number
  readonly prng: Prng
  /** As the committed ledger says. */
  readonly members: () => readonly NodeId[]
  /** Called after a fresh node was started. */
  readonly onAdded: (nodeId: NodeId) => void
}

/** Virtual ms between two requests for the same change. */
const RETRY_MS = 200

export class Operator {
  readonly #options: OperatorOptions
  readonly #wanted = new Map<NodeId, 'add' | 'remove'>()
  /** Statuses of answers, for the run's summary. */
  #token = 0
  answers = 0

  constructor(options: OperatorOptions) {
    this.#options = options
  }

  /** Starts a fresh node and lets it in. */
  add(): void {
    const node = this.#options.service.addNode()
    this.#options.onAdded(node)
    this.#want(node, 'add')
  }

  /** Nothing happens unless the node is a member by the committed ledger. */
  remove(node: NodeId): void {
    if (this.#options.members().includes(node)) this.#want(node, 'remove')
  }

  /** Asks once for a new ledger secret. It may be refused, lost or rolled back. */
  rekey(): void {
    this.#submit({ id: 0, verb: 'POST', path: '/node/ledger-secrets:rekey', body: EMPTY })
  }

  /** Nodes whose removal is asked for and not committed. */
  get removing(): readonly NodeId[] {
    return this.#unsettled('remove')
  }

  /** Nodes that are being let in. */
  get adding(): readonly NodeId[] {
    return this.#unsettled('add')
  }

  /** Nodes whose removal is committed. */
  get removed(): readonly NodeId[] {
    return [...this.#wanted].flatMap(([node, wanted]) => (wanted === 'remove' && this.#isSettled(node) ? [node] : []))
  }

  #unsettled(change: 'add' | 'remove'): NodeId[] {
    return [...this.#wanted].flatMap(([node, wanted]) => (wanted === change && !this.#isSettled(node) ? [node] : []))
  }

  #want(node: NodeId, change: 'add' | 'remove'): void {
    this.#wanted.set(node, change)
    this.#ask(node, change)
  }

  #isSettled(node: NodeId): boolean {
    return this.#options.members().includes(node) === (this.#wanted.get(node) === 'add')
  }

  #ask(node: NodeId, change: 'add' | 'remove'): void {
    // What was wanted later counts.
    if (this.#wanted.get(node) !== change || this.#isSettled(node)) return
    const { service } = this.#options
    if (change === 'add' && service.isStranded(node)) return this.#replace(node)
    this.#request(node, change)
    service.sim.after(RETRY_MS, () => this.#ask(node, change))
  }

  #request(node: NodeId, change: 'add' | 'remove'): void {
    const path = `/node/network/nodes/${node}`
    this.#submit(
      change === 'add'
        ? { id: 0, verb: 'PUT', path, body: this.#options.service.registration(node) }
        : { id: 0, verb: 'DELETE', path, body: EMPTY },
    )
  }

  #submit(request: AppRequest): void {
    const { service, prng, client } = this.#options
    const { serving } = service
    if (serving.length === 0) return
    const asked = serving[prng.integer(0, serving.length - 1)]!
    service.submit(asked, client, { as: 'operator', token: ++this.#token, activeView: 0, requests: [request] })
  }

  /** All the nodes it was told of when it started are gone: another is started in its place, and told of those that serve now. */
  #replace(node: NodeId): void {
    this.#options.service.sim.stop(node)
    this.#wanted.delete(node)
    this.#request(node, 'remove')
    this.add()
  }

  receive(message: Message): void {
    if (message.type === 'executed') this.answers += (message as Executed).responses.length
  }
}
