// Simulated clients: each has one session with one node, sends a few requests, waits for the answers, thinks, and goes on; it gives up
// and goes elsewhere when it is not answered. Bursts are sent by one client more, which waits for nothing.
// They talk to the executor as sessions do (actors/session): one `execute` for a frame of requests, the view of the session with it.
import type { Message } from '../../actors/actor.ts'
import type { AppRequest } from '../../protocols/app.ts'
import { EMPTY, utf8 } from '../../protocols/codec/bytes.ts'
import { formatTxId } from '../../protocols/ids.ts'
import type { CommitNotice, Executed } from '../../protocols/requests.ts'
import type { Prng } from '../prng.ts'
import type { History, Operation, Question, Session } from './history.ts'
import type { ClientHabits } from './plan.ts'
import { ACCOUNTS, REGISTERS } from './register-values.ts'
import type { Service } from './service.ts'

interface Client {
  readonly number: number
  readonly prng: Prng
  session: Session
  /** What the current session waits for, by token. */
  waiting: Map<number, Operation[]>
  /** Raised by every change of mind, so that an old timer knows that it is late. */
  mind: number
}

/** Few, so that requests meet. */
const KEYS = ['a', 'b', 'c', 'd']
const BURST_BATCH = 20

export interface ClientsOptions {
  readonly service: Service
  readonly habits: ClientHabits
  readonly history: History
  readonly prng: Prng
  /** Called for every answer, after the history knows it. */
  readonly onAnswer: (operation: Operation) => void
  /** Called when a promise about answers is broken. */
  readonly fail: (message: string) => never
}

export class Clients {
  readonly #options: ClientsOptions
  readonly #clients: readonly Client[]
  readonly #tokens = new Map<number, Operation[]>()
  #token = 0
  #isOpen = true

  constructor(options: ClientsOptions) {
    this.#options = options
    this.#clients = Array.from({ length: options.habits.count + 1 }, (_, number) => {
      const prng = options.prng.fork(`client ${number}`)
      return { number, prng, session: this.#newSession(number, prng), waiting: new Map(), mind: 0 }
    })
    for (const client of this.#clients.slice(1)) this.#think(client)
  }

  /** No new requests from now on, except those of `sendBurst` and `send`. */
  close(): void {
    this.#isOpen = false
  }

  #newSession(client: number, prng: Prng): Session {
    const { serving, nodeIds } = this.#options.service
    const node = serving[prng.integer(0, Math.max(0, serving.length - 1))] ?? nodeIds[0]!
    return { client, node, view: 0, written: 0 }
  }

  #think(client: Client): void {
    const [low, high] = this.#options.habits.thinkMs
    const mind = ++client.mind
    this.#options.service.sim.after(client.prng.integer(low, high), () => {
      if (client.mind === mind && this.#isOpen) this.#sendSome(client)
    })
  }

  #sendSome(client: Client): void {
    const { habits, service } = this.#options
    // Bank customers are patient only so long as their branch exists.
    if (!service.sim.node(client.session.node).running) this.#startOver(client)
    const count = client.prng.integer(1, habits.batchMax)
    const questions = Array.from({ length: count }, () => this.#makeUp(client))
    const mind = ++client.mind
    service.sim.after(habits.patienceMs, () => {
      if (client.mind !== mind) return
      this.#startOver(client)
      this.#think(client)
    })
    // Last, for the answer may be there before this returns.
    this.#submit(client, client.session, questions)
  }

  #startOver(client: Client): void {
    client.session = this.#newSession(client.number, client.prng)
    client.waiting = new Map()
  }

  #makeUp({ prng }: Client): Question {
    const { history } = this.#options
    const key = KEYS[prng.integer(0, KEYS.length - 1)]!
    const known = history.written.length
    switch (prng.integer(0, 9)) {
      case 0:
      case 1:
        return { kind: 'read', table: prng.chance(1, 2) ? REGISTERS : ACCOUNTS, key }
      case 2:
      case 3: {
        const to = KEYS[prng.integer(0, KEYS.length - 1)]!
        if (to === key) break
        return { kind: 'transfer', from: key, to, amount: prng.integer(1, 40) }
      }
      case 4: {
        const last = known === 0 ? '-' : history.written[known - 1 - prng.integer(0, Math.min(3, known - 1))]!.name
        return { kind: 'compareAndSet', key, expected: last, number: prng.integer(0, 999) }
      }
      case 5: {
        if (known === 0) break
        const of = history.written[known - 1 - prng.integer(0, Math.min(30, known - 1))]!.txId!
        return { kind: prng.chance(4, 5) ? 'status' : 'receipt', of }
      }
      default:
    }
    return { kind: 'write', key, number: prng.integer(0, 999) }
  }

  /** Sends so many writes to a node at once. */
  sendBurst(nodeId: string, requests: number): void {
    const [client] = this.#clients as [Client]
    const session: Session = { client: 0, node: nodeId, view: 0, written: 0 }
    for (let sent = 0; sent < requests; sent += BURST_BATCH) {
      const count = Math.min(BURST_BATCH, requests - sent)
      const questions = Array.from({ length: count }, (): Question => ({
        kind: 'write',
        key: KEYS[client.prng.integer(0, KEYS.length - 1)]!,
        number: sent,
      }))
      this.#submit(client, session, questions)
    }
  }

  /** One request in a session of its own; its operation tells when it is answered. */
  send(nodeId: string, question: Question): Operation {
    const [client] = this.#clients as [Client]
    const token = this.#submit(client, { client: 0, node: nodeId, view: 0, written: 0 }, [question])
    return this.#tokens.get(token)![0]!
  }

  #submit(client: Client, session: Session, questions: readonly Question[]): number {
    const { service, history } = this.#options
    const token = ++this.#token
    const operations = questions.map((question, i) => history.ask(`${client.number}.${token}.${i}`, question, session))
    const requests = operations.map(({ name, question }, id) => requestOf(id, name, question))
    this.#tokens.set(token, operations)
    if (client.number > 0) client.waiting.set(token, operations)
    service.submit(session.node, client.number, { as: 'user', token, activeView: session.view, requests })
    return token
  }

  /** What arrived at `client/<number>` of a node. */
  receive(number: number, message: Message): void {
    if (message.type !== 'executed') return
    const { token, view, responses } = message as Executed
    const operations = this.#tokens.get(token)
    if (operations === undefined) this.#options.fail(`an answer to ${token}, which nobody asked`)
    const client = this.#clients[number]!
    let isLost = false
    for (const response of responses) {
      const operation = operations[response.id]
      if (operation === undefined || operation.answeredAt !== undefined) {
        this.#options.fail(`request ${operation?.name ?? `${token}.${response.id}`} was answered twice`)
      }
      const { session } = operation
      if (view !== 0 && session.view === 0 && response.status < 300) session.view = view
      this.#options.history.answer(operation, response)
      isLost ||= response.status >= 500
      this.#options.onAnswer(operation)
    }
    const waited = client.waiting.get(token)
    if (waited === undefined || waited.some(({ answeredAt }) => answeredAt === undefined)) return
    client.waiting.delete(token)
    if (isLost) this.#startOver(client)
    this.#think(client)
  }
}

export type ClientMessage = Executed | CommitNotice

function requestOf(id: number, name: string, question: Question): AppRequest {
  switch (question.kind) {
    case 'write': {
      const path = `/registers/${question.key}`
      return { id, verb: 'PUT', path, body: utf8(`${question.number}/${name}`) }
    }
    case 'compareAndSet': {
      const path = `/registers/${question.key}/${question.expected}`
      return { id, verb: 'PUT', path, body: utf8(`${question.number}/${name}`) }
    }
    case 'transfer': {
      const path = `/transfers/${question.from}/${question.to}/${question.amount}`
      return { id, verb: 'POST', path, body: utf8(name) }
    }
    case 'read': {
      const path = `/${question.table === REGISTERS ? 'registers' : 'accounts'}/${question.key}`
      return { id, verb: 'GET', path, body: EMPTY }
    }
    case 'status':
      return { id, verb: 'GET', path: `/app/tx?transaction_id=${formatTxId(question.of)}`, body: EMPTY }
    case 'receipt':
      return { id, verb: 'GET', path: `/app/receipt?transaction_id=${formatTxId(question.of)}`, body: EMPTY }
  }
}
