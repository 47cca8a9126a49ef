// Carries out a plan's actions on a simulated service, within a fault budget: at most a minority of any configuration in force is ever
// stopped, for beyond that no service promises to go on. What the budget forbids does not happen.
import type { Configuration } from '../../protocols/consensus/messages.ts'
import type { NodeId } from '../../protocols/ids.ts'
import { CALM, type SimNode } from '../host/sim.ts'
import type { Clients } from './clients.ts'
import type { Operator } from './operator.ts'
import type { Action, Target } from './plan.ts'
import type { Service } from './service.ts'

export interface DirectorOptions {
  readonly service: Service
  readonly clients: Clients
  readonly operator: Operator
  /** Called after a node was stopped. */
  readonly onCrash: (nodeId: NodeId) => void
}

export class Director {
  readonly #options: DirectorOptions
  /** Nodes whose disk is full: they run, but count as stopped. */
  readonly #full = new Set<NodeId>()
  crashed = 0

  constructor(options: DirectorOptions) {
    this.#options = options
  }

  #node(number: number): SimNode | undefined {
    const { service } = this.#options
    const id = service.nodeIds[number]
    return id === undefined ? undefined : service.sim.node(id)
  }

  /** The leader of the highest view, if somebody leads. */
  primary(): NodeId | undefined {
    const { service } = this.#options
    let found: NodeId | undefined
    let view = -1
    for (const id of service.nodeIds) {
      const { value, s } = service.replicaOf(id)
      if (!service.sim.node(id).running || value !== 'leader' || s.currentView <= view) continue
      found = id
      view = s.currentView
    }
    return found
  }

  #target(target: Target): SimNode | undefined {
    const id = target === 'primary' ? this.primary() : this.#options.service.nodeIds[target]
    return id === undefined ? undefined : this.#options.service.sim.node(id)
  }

  perform(action: Action): void {
    const { network } = this.#options.service.sim
    switch (action.do) {
      case 'weather':
        network.weather = action
        return
      case 'cut':
        network.cut(`n${action.from}`, `n${action.to}`)
        return
      case 'isolate': {
        const node = this.#target(action.node)
        if (node !== undefined) this.#part((name) => name === node.name)
        return
      }
      case 'partition':
        this.#part((name) => action.side.some((number) => name === `n${number}`))
        return
      case 'mend':
        network.mend()
        return
      case 'clog':
        network.clog(`n${action.from}`, `n${action.to}`)
        return
      case 'unclog':
        network.unclog(`n${action.from}`, `n${action.to}`)
        return
      case 'clock':
        this.#node(action.node)?.clock.runAt(action.percent)
        return
      case 'crash':
        this.#crash(this.#target(action.node))
        return
      case 'slow-disk': {
        const node = this.#node(action.node)
        if (node !== undefined) node.disk.fsyncMs = action.fsyncMs
        return
      }
      case 'full-disk':
        this.#fill(this.#target(action.node))
        return
      case 'slow-signing': {
        const node = this.#node(action.node)
        if (node !== undefined) node.signMs = action.signMs
        return
      }
      case 'burst': {
        const node = this.#target(action.node)
        if (node?.running === true) this.#options.clients.sendBurst(node.id, action.requests)
        return
      }
      case 'add-node':
        this.#options.operator.add()
        return
      case 'rekey':
        this.#options.operator.rekey()
        return
      case 'remove-node':
        this.#remove(this.#target(action.node))
    }
  }

  /** Cuts all links between the nodes on one side and the others. */
  #part(isInside: (name: string) => boolean): void {
    const { nodeIds, sim } = this.#options.service
    const names = nodeIds.map((id) => sim.node(id).name)
    for (const from of names) {
      for (const to of names) if (isInside(from) !== isInside(to)) sim.network.cut(from, to)
    }
  }

  #crash(node: SimNode | undefined): void {
    if (node === undefined || !this.#mayStop(node)) return
    this.crashed++
    this.#options.service.sim.crash(node.id)
    this.#options.onCrash(node.id as NodeId)
  }

  #fill(node: SimNode | undefined): void {
    if (node === undefined || !this.#mayStop(node)) return
    this.#full.add(node.id as NodeId)
    node.disk.full = true
  }

  #remove(node: SimNode | undefined): void {
    const id = node?.id as NodeId | undefined
    if (id !== undefined && this.#hasMajorities(undefined, id)) this.#options.operator.remove(id)
  }

  /** Only members: a node that has not joined, and is lost, would be asked for in vain. */
  #mayStop({ id, running }: SimNode): boolean {
    const nodeId = id as NodeId
    if (!running || this.#full.has(nodeId) || !this.#isMember(nodeId)) return false
    return this.#hasMajorities(nodeId, undefined)
  }

  #isMember(id: NodeId): boolean {
    return this.#configurations().some(({ nodes }) => nodes.includes(id))
  }

  /** Every configuration that any running node believes in. */
  #configurations(): readonly Configuration[] {
    const { service } = this.#options
    return service.nodeIds.flatMap((id) => (service.sim.node(id).running ? service.replicaOf(id).s.configurations : []))
  }

  /**
   * True if a majority of every configuration works, also without `stopped`, and also when what the operator wants removed, `removed` with
   * it, is gone: removing one that works leaves the others that do not in a larger part.
   */
  #hasMajorities(stopped: NodeId | undefined, removed: NodeId | undefined): boolean {
    const { operator } = this.#options
    const working = new Set(this.working().filter((id) => id !== stopped))
    const leaving = new Set([...operator.removing, removed])
    return this.#configurations().every(({ nodes }) => {
      const isMajority = (left: readonly NodeId[]): boolean =>
        left.filter((id) => working.has(id)).length * 2 > left.length
      return isMajority(nodes) && isMajority(nodes.filter((id) => !(leaving.has(id) && working.has(id))))
    })
  }

  /** No more faults: links, clocks, disks and signers work; what is lost stays lost. */
  heal(): void {
    const { sim, nodeIds } = this.#options.service
    sim.heal()
    sim.network.weather = CALM
    for (const id of nodeIds) {
      const node = sim.node(id)
      node.clock.runAt(100)
      node.disk.fsyncMs = CALM.fsyncMs
      node.signMs = CALM.signMs
    }
  }

  /** Nodes that are expected to work. */
  working(): NodeId[] {
    const { sim, nodeIds } = this.#options.service
    return nodeIds.filter((id) => sim.node(id).running && !this.#full.has(id))
  }
}
