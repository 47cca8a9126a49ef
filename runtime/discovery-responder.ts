// Makes a node discoverable by NATS' own tools (`nats micro ls`): answers $SRV.PING, INFO and STATS, and counts what it serves in clear.
// Sealed traffic is not counted here: how much of it there is, is nobody's business on the network.
import type { NodeSetup } from './node-setup.ts'
import type { Bus } from './bus/bus.ts'
import { isReplySubject } from '../protocols/session/hello.ts'
import { rpcSubject, sessionSubject } from '../protocols/subjects.ts'
import { discoveryReply, discoverySubjects, parseDiscoverySubject, type DiscoveredService } from './bus/discovery.ts'

const QUEUE = 'nodes'

export class DiscoveryResponder {
  readonly #describe: () => DiscoveredService
  #requests = 0

  constructor(bus: Bus, setup: NodeSetup, startedMs: number) {
    const base = {
      name: `concordat-${setup.service}`,
      id: setup.nodeId,
      version: setup.softwareVersion,
      description: `node of the Concordat service ${setup.service}`,
      startedMs,
      endpoints: [
        { name: 'rpc', subject: rpcSubject(setup.service), queueGroup: QUEUE },
        { name: 'session', subject: sessionSubject(setup.service), queueGroup: QUEUE },
      ],
    }
    this.#describe = () => ({
      ...base,
      stats: [{ name: 'rpc', requests: this.#requests, errors: 0, lastError: '', processingTimeNs: 0 }],
    })
    for (const subject of discoverySubjects(base)) {
      bus.subscribe(subject, (message) => {
        const verb = parseDiscoverySubject(message.subject, base)
        if (verb !== undefined && message.reply !== undefined && isReplySubject(message.reply)) {
          bus.publish(message.reply, discoveryReply(verb, this.#describe()))
        }
      })
    }
  }

  countRequest(): void {
    this.#requests++
  }
}
