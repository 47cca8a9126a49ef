// After the faults: a leader is elected, a fresh write commits, and every working node holds the same committed log, within a bound of
// virtual time. Before the end the service is asked about what it did: statuses and receipts of earlier writes, on every working node.
// The rule to remember: a service that is safe and does nothing has failed.
import type { Clients } from './clients.ts'
import type { Director } from './director.ts'
import type { History, Operation } from './history.ts'
import type { Operator } from './operator.ts'
import type { Knobs } from './plan.ts'
import type { Service } from './service.ts'
import type { NodeSight, World } from './world.ts'

const NAME = 'liveness'
/** Generous: a hundred elections, and time for what does not depend on them. */
export const progressBoundMs = ({ electionTimeoutMs }: Knobs): number => 10_000 + 100 * electionTimeoutMs
/** A write that was sent to a leader about to fall is sent again. */
const RETRY_MS = 2000
/** Answers that are still due arrive within the longest forwarding time-out, on a clock that was slow when it was set. */
const ANSWERS_MS = 20_000
const QUESTIONS = 10

export interface LivenessOptions {
  readonly world: World
  readonly service: Service
  readonly director: Director
  readonly clients: Clients
  readonly operator: Operator
  readonly history: History
  /** Virtual ms for each of the things required. */
  readonly boundMs: number
}

export function requireProgress(options: LivenessOptions): void {
  writeFresh(options, options.service.sim.nowMs + options.boundMs)
  requireSettledMembership(options)
  requireAgreement(options)
  askAboutThePast(options)
  // Answers that came late may have written once more.
  requireAgreement(options)
}

/**
 * What the operator wants is so: added nodes are members, removed ones have stopped by themselves. Except those that know nobody who could
 * tell them: while they were cut off, everyone they knew was removed too, and the operator has to stop them.
 */
function requireSettledMembership(options: LivenessOptions): void {
  const { world, service, operator, boundMs } = options
  const { sim } = service
  const removed = (): NodeSight[] =>
    world.nodes.filter(({ id }) => operator.removed.includes(id) && sim.node(id).running && !service.isStranded(id))
  const isSettled = (): boolean => operator.adding.length + operator.removing.length + removed().length === 0
  if (sim.run(boundMs, isSettled)) return
  const names = (ids: readonly string[]): string => ids.map((id) => sim.node(id).name).join(',')
  const facts = [
    `to add ${names(operator.adding)}`,
    `to remove ${names(operator.removing)}`,
    `removed and running ${names(removed().map(({ id }) => id))}`,
  ]
  world.fail('membership', `${boundMs} ms later: ${facts.join('; ')}: ${describe(options)}`)
}

/** Nothing is under way any more, and every working node holds the same. */
function requireAgreement(options: LivenessOptions): void {
  const { world, service, director, boundMs } = options
  const working = director.working().filter((id) => world.committed.members.includes(id))
  const agreed = (): boolean =>
    working.every((id) => {
      const { s } = service.replicaOf(id)
      const executor = service.executorOf(id)
      const { last } = world.committed
      return s.log.end - 1 === last && executor.summary.committed.seqno === last && executor.signing === undefined
    })
  if (service.sim.run(boundMs, agreed)) return
  world.fail(NAME, `${boundMs} ms later, nodes have not committed the same: ${describe(options)}`)
}

/** Returns when a write is committed that was asked for after the faults. */
function writeFresh(options: LivenessOptions, end: number): void {
  const { world, service, director, clients, boundMs } = options
  const { sim } = service
  while (sim.nowMs < end) {
    sim.run(end - sim.nowMs, () => director.primary() !== undefined)
    const primary =
      director.primary() ?? world.fail(NAME, `no leader ${boundMs} ms after the faults ended: ${describe(options)}`)
    const write = clients.send(primary, { kind: 'write', key: 'last', number: 1 })
    const isCommitted = (): boolean =>
      write.txId !== undefined && world.committed.at(write.txId.seqno)?.view === write.txId.view
    if (sim.run(RETRY_MS, isCommitted)) return
  }
  world.fail(NAME, `no write committed ${boundMs} ms after the faults ended: ${describe(options)}`)
}

function askAboutThePast({ world, service, director, clients, history }: LivenessOptions): void {
  const { sim } = service
  const { last } = world.committed
  const asked: Operation[] = []
  for (const node of director.working().filter((id) => service.serving.includes(id))) {
    for (let i = 0; i < QUESTIONS; i++) {
      const { view, seqno } = world.committed.at(1 + Math.floor(((last - 1) * i) / (QUESTIONS - 1)))!
      const of = { view, seqno } as Extract<Operation['question'], { readonly kind: 'status' }>['of']
      // A ledger that stands on a snapshot has nothing from before it to make a receipt of.
      const hasEntry = seqno > (service.replicaOf(node).s.config.beginning?.seqno ?? 0)
      asked.push(clients.send(node, { kind: i % 2 === 0 || !hasEntry ? 'status' : 'receipt', of }))
    }
  }
  const due = history.unanswered((id) => sim.node(id).running)
  if (!sim.run(ANSWERS_MS, () => due.every(({ answeredAt }) => answeredAt !== undefined))) {
    const { name, question, session } = due.find(({ answeredAt }) => answeredAt === undefined)!
    world.fail('answers', `${question.kind} ${name} was never answered by ${sim.node(session.node).name}, which runs`)
  }
  const refused = asked.find(({ outcome }) => outcome !== 'done')
  if (refused === undefined) return
  const { name, question, session, answer } = refused
  world.fail(
    'answers',
    `${question.kind} ${name} of a committed transaction, on ${sim.node(session.node).name}: ${answer}`,
  )
}

function describe({ service }: LivenessOptions): string {
  const { sim } = service
  return service.nodeIds
    .filter((id) => sim.node(id).running)
    .map((id) => {
      const { value, s } = service.replicaOf(id)
      return `${sim.node(id).name} ${value} view ${s.currentView} last ${s.log.end - 1} commit ${s.commitIdx}`
    })
    .join('; ')
}
