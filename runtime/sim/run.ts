// Runs a plan: a service that opens, steps under faults, then everything heals and progress is required; checkers look on all the time.
// The rule to remember: the result is a function of the plan and the code; the trace hash says whether two runs were the same.
import type { Envelope } from '../../actors/actor.ts'
import type { Effect } from '../../actors/effects.ts'
import { CorruptDataError, InvariantViolation } from '../../protocols/errors.ts'
import { CALM, type SimNode, type SimObserver } from '../host/sim.ts'
import { Prng } from '../prng.ts'
import { allCheckers } from './checkers/all.ts'
import { Clients } from './clients.ts'
import { Director } from './director.ts'
import { History } from './history.ts'
import { Operator } from './operator.ts'
import { progressBoundMs, requireProgress } from './liveness.ts'
import type { Action, Fault, Plan } from './plan.ts'
import type { Service, ServiceMaker } from './service.ts'
import {
  BrokenPromise,
  CommittedLog,
  DiskSight,
  type Checker,
  type NodeSight,
  type Violation,
  type World,
} from './world.ts'

export interface RunResult {
  readonly seed: number
  readonly nodes: number
  /** All steps of actors, those after the heal included. */
  readonly steps: number
  /** Virtual ms. */
  readonly timeMs: number
  readonly hash: string
  readonly faults: readonly Fault[]
  readonly committed: number
  readonly elections: number
  readonly crashed: number
  /** Committed, the first one not counted. */
  readonly reconfigurations: number
  readonly requests: number
  /** Undefined when every promise was kept. */
  readonly violation: Violation | undefined
}

export interface RunOptions {
  /** Called for every step, before the checkers: the score. */
  readonly onStep?: SimObserver | undefined
  /** Called for every action of the plan when its time has come. */
  readonly onAction?: ((action: Action, timeMs: number) => void) | undefined
  /** Steps in which the service must come to rest once the faults have ended. */
  readonly settlingStepsMax?: number
}

/** Virtual ms in which a service without faults must have opened. */
const OPENING_MS = 60_000
/** Entries of a service that is open: genesis, opening, and a signature after each. */
const OPENED_AT = 4
/** Usual are a few thousand; more means that messages breed messages. */
const SETTLING_STEPS_MAX = 400_000

export function runPlan(plan: Plan, make: ServiceMaker, options: RunOptions = {}): RunResult {
  return new Run(plan, make, options).run()
}

interface Tracked extends NodeSight {
  readonly host: SimNode
}

class Run implements World {
  readonly nodes: Tracked[] = []
  readonly committed = new CommittedLog()
  readonly #plan: Plan
  readonly #options: RunOptions
  readonly #history = new History()
  readonly #service: Service
  readonly #checkers: readonly Checker[]
  /** Those who look at the steps of one actor: most look at one only. */
  readonly #watching: Readonly<Record<'replica' | 'executor' | 'ledgerWriter', readonly Checker[]>>
  readonly #clients: Clients
  readonly #operator: Operator
  readonly #director: Director
  readonly #byId = new Map<string, Tracked>()
  #elections = 0
  #settling = 0
  #stepsMax = Number.MAX_SAFE_INTEGER

  constructor(plan: Plan, make: ServiceMaker, options: RunOptions) {
    this.#plan = plan
    this.#options = options
    const { seed, nodes, crypto, knobs, weather, clients } = plan
    this.#service = make({
      seed,
      nodes,
      crypto,
      knobs,
      weather: { ...CALM, fsyncMs: weather.fsyncMs, signMs: weather.signMs },
      clients: clients.count + 2,
      observe: (node, envelope, effects, state) => this.#observe(node, envelope, effects, state),
    })
    const { sim } = this.#service
    this.#service.nodeIds.forEach((id) => this.#track(id))
    this.#checkers = allCheckers({
      world: this,
      committed: this.committed,
      history: this.#history,
      crypto: this.#service.crypto,
      ledgerSecret: this.#service.ledgerSecret,
      encryptionKeyOf: (id) => this.#service.encryptionKeyOf(id),
      serviceCertificatePem: this.#service.serviceCertificatePem,
      nameOf: (nodeId) => sim.node(nodeId).name,
    })
    this.#watching = {
      replica: this.#checkers.filter(({ onReplica }) => onReplica !== undefined),
      executor: this.#checkers.filter(({ onExecutor }) => onExecutor !== undefined),
      ledgerWriter: this.#checkers.filter(({ onLedgerWriter }) => onLedgerWriter !== undefined),
    }
    this.#clients = new Clients({
      service: this.#service,
      habits: clients,
      history: this.#history,
      prng: new Prng(seed).fork('clients at work'),
      onAnswer: (operation) => this.#checkers.forEach((checker) => checker.onAnswer?.(operation)),
      fail: (message) => this.fail('answers', message),
    })
    this.#operator = new Operator({
      service: this.#service,
      client: clients.count + 1,
      prng: new Prng(seed).fork('operator'),
      members: () => this.committed.members,
      onAdded: (id) => this.#track(id),
    })
    this.#director = new Director({
      service: this.#service,
      clients: this.#clients,
      operator: this.#operator,
      onCrash: (id) => {
        const node = this.#byId.get(id)!
        node.isRunning = false
        this.#checkers.forEach((checker) => checker.onCrash?.(node))
      },
    })
  }

  #track(id: Tracked['id']): void {
    const host = this.#service.sim.node(id)
    const replica = this.#service.replicaOf(id)
    const disk = new DiskSight(host.disk, () => node.replica.s.config.beginning?.seqno ?? 0, this.committed)
    const node: Tracked = { id, name: host.name, host, disk, isRunning: true, replica }
    this.nodes.push(node)
    this.#byId.set(id, node)
  }

  fail(checker: string, message: string): never {
    throw new BrokenPromise(checker, message)
  }

  run(): RunResult {
    let violation: Violation | undefined
    try {
      this.#runAll()
    } catch (error) {
      violation = this.#violationOf(error)
    }
    const { sim } = this.#service
    const { seed, nodes, faults } = this.#plan
    return {
      seed,
      nodes,
      steps: sim.steps,
      timeMs: sim.nowMs,
      hash: sim.traceHash,
      faults,
      committed: this.committed.last,
      elections: this.#elections,
      crashed: this.#director.crashed,
      reconfigurations: Math.max(0, this.committed.configurations - 1),
      requests: this.#history.operations.size,
      violation,
    }
  }

  #runAll(): void {
    const { sim } = this.#service
    const { steps, actions, weather } = this.#plan
    if (!sim.run(OPENING_MS, () => this.committed.last >= OPENED_AT)) this.fail('liveness', 'the service did not open')
    sim.network.weather = weather
    let next = 0
    while (sim.steps < steps) {
      while (next < actions.length && actions[next]!.at <= sim.steps) {
        const action = actions[next++]!
        this.#options.onAction?.(action, sim.nowMs)
        this.#director.perform(action)
      }
      if (!sim.next()) break
    }
    this.#clients.close()
    this.#director.heal()
    this.#settling = this.#options.settlingStepsMax ?? SETTLING_STEPS_MAX
    this.#stepsMax = sim.steps + this.#settling
    requireProgress({
      world: this,
      service: this.#service,
      director: this.#director,
      clients: this.#clients,
      operator: this.#operator,
      history: this.#history,
      boundMs: progressBoundMs(this.#plan.knobs),
    })
    this.#checkers.forEach((checker) => checker.onEnd?.())
  }

  /** An actor that stops on what it holds to be impossible has found a defect itself. */
  #violationOf(error: unknown): Violation {
    const { steps: step, nowMs: timeMs } = this.#service.sim
    if (error instanceof BrokenPromise) return { checker: error.checker, message: error.message, step, timeMs }
    if (error instanceof InvariantViolation || error instanceof CorruptDataError) {
      return { checker: error.name, message: error.message, step, timeMs }
    }
    throw error
  }

  #observe(host: SimNode, envelope: Envelope, effects: readonly Effect[], state: string): void {
    this.#options.onStep?.(host, envelope, effects, state)
    const node = this.#byId.get(host.id)
    // While the service is being made, nobody is there to look on.
    if (node === undefined) return
    if (this.#service.sim.steps > this.#stepsMax) {
      this.fail('livelock', `${this.#settling} steps after the faults ended, the service is as busy as ever`)
    }
    const { to, event } = envelope
    const { replica, executor, ledgerWriter } = this.#watching
    if (to === 'replica') {
      const before = node.replica
      const after = this.#service.replicaOf(host.id)
      node.replica = after
      if (before.value !== 'leader' && after.value === 'leader') this.#elections++
      const step = { before, after, envelope, effects }
      for (const checker of replica) checker.onReplica!(node, step)
    } else if (to === 'executor') {
      const after = this.#service.executorOf(host.id)
      for (const checker of executor) checker.onExecutor!(node, event, after)
    } else if (to === 'ledger-writer') {
      for (const checker of ledgerWriter) checker.onLedgerWriter!(node, event)
    } else if (to.startsWith('client/')) {
      const number = Number(to.slice('client/'.length))
      if (number > this.#plan.clients.count) this.#operator.receive(event)
      else this.#clients.receive(number, event)
    }
  }
}
