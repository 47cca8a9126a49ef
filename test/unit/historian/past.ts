// A simulated service with the logging app, and beside it a list of what was written: the twin that the historian is held against.
import { expect } from 'vitest'
import type { HistorianState } from '../../../actors/historian/state.ts'
import type { MachineState } from '../../../actors/machine.ts'
import type { LogRecord } from '../../../protocols/consensus/log.ts'
import { fromUtf8 } from '../../../protocols/codec/bytes.ts'
import { formatTxId, type NodeId, type TxId } from '../../../protocols/ids.ts'
import { CALM, type SimObserver } from '../../../runtime/host/sim.ts'
import { SimService } from '../../../runtime/models/service/service.ts'
import { sampleApps } from '../../../runtime/samples/index.ts'

export interface Change {
  readonly txId: TxId
  readonly id: number
  /** Undefined: deleted. */
  readonly msg: string | undefined
}

export interface Answer {
  readonly status: number
  readonly body: unknown
}

export class Past {
  readonly service: SimService
  readonly leader: NodeId
  readonly changes: Change[] = []

  constructor(seed: number, observe?: SimObserver) {
    this.service = new SimService({ seed, nodes: 3, faults: CALM, apps: sampleApps, ...(observe && { observe }) })
    this.leader = this.service.leader()
  }

  get backup(): NodeId {
    return this.service.nodeIds.find((id) => id !== this.leader)!
  }

  /** Writes (or deletes, without a message) and waits for commit everywhere. */
  change(items: readonly { readonly id: number; readonly msg: string | undefined }[]): void {
    const { service, leader } = this
    const requests = items.map(({ id, msg }) =>
      msg === undefined
        ? { target: `DELETE /log/private?id=${id}` }
        : { target: 'POST /log/private', body: { id, msg } },
    )
    const token = service.request(leader, requests)
    expect(service.sim.run(5000, () => service.responses(leader, token).length === items.length)).toBe(true)
    service.responses(leader, token).forEach(({ status, txId }, i) => {
      expect(status).toBe(200)
      const { id, msg } = items[i]!
      // Deleting what is not there writes nothing.
      const existed = this.changes.findLast((change) => change.id === id)?.msg !== undefined
      if (msg !== undefined || existed) this.changes.push({ txId: txId!, id, msg })
    })
    const last = this.changes.at(-1)?.txId.seqno ?? 0
    const isEverywhere = () => service.nodeIds.every((id) => service.executorOf(id).summary.committed.seqno >= last)
    expect(service.sim.run(5000, isEverywhere)).toBe(true)
  }

  ask(nodeId: NodeId, targets: readonly string[]): Answer[] {
    const { service } = this
    const token = service.request(
      nodeId,
      targets.map((target) => ({ target: `GET ${target}` })),
    )
    expect(service.sim.run(60_000, () => service.responses(nodeId, token).length === targets.length)).toBe(true)
    return service
      .responses(nodeId, token)
      .map(({ status, body }) => ({ status, body: JSON.parse(fromUtf8(body)) as unknown }))
  }

  historian(nodeId: NodeId): HistorianState {
    return (this.service.sim.stateOf(nodeId, 'historian') as MachineState<HistorianState>).s
  }

  /** Changes one byte of an entry on a node's disk. */
  corrupt(nodeId: NodeId, seqno: number, offset: number): void {
    const { disk } = this.service.sim.node(nodeId)
    const record = disk.at(seqno)!
    // A copy: simulated nodes share what they sent each other.
    const bytes = record.bytes.slice()
    const at = offset < 0 ? bytes.length + offset : offset
    bytes[at] = bytes[at]! ^ 0x10
    ;(disk.records as LogRecord[])[disk.records.indexOf(record)] = { ...record, bytes }
  }

  /** By hand: the last change up to a transaction. */
  asOf(id: number, seqno: number): Change | undefined {
    return this.changes.findLast((change) => change.id === id && change.txId.seqno <= seqno)
  }
}

export const tx = (txId: TxId): string => `transaction_id=${formatTxId(txId)}`

export const expectedHistory = (past: Past, wanted: number) =>
  past.changes
    .filter(({ id }) => id === wanted)
    .map(({ txId, msg }) => ({ transaction_id: formatTxId(txId), msg: msg ?? null }))
