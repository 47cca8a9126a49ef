// What may happen to a modelled node, each as one step of the real replica: a message, a clock, a client, an operator.
import type { LogRecord, RecordKind } from '../../../protocols/consensus/log.ts'
import type { ConsensusMessage } from '../../../protocols/consensus/messages.ts'
import type { NodeId } from '../../../protocols/ids.ts'
import { lastIdx, type ReplicaEvent } from '../../../actors/replica/state.ts'
import type { Outcome } from '../../check/model.ts'
import { idOf, type LocalState } from './local-state.ts'
import { takeStep, type Timed } from './step.ts'

/** Silence for that long makes a leader doubt its majority, ms. */
export const ELECTION_TIMEOUT_MS = 100
/** Bytes of every entry: the bound on a message's bytes then bounds its entries. */
const ENTRY = new Uint8Array(1)

type Step = Outcome<LocalState, ConsensusMessage>

export const happen = (state: LocalState, event: ReplicaEvent, from = 'host', at = 0): Step =>
  takeStep(state, { event, from, at })

/** A proposal of the executor that continues the log. */
function proposal({ s }: LocalState, kind: RecordKind, nodes?: readonly NodeId[]): Timed {
  const view = s.currentView
  const common = { seqno: lastIdx(s) + 1, view, kind, bytes: ENTRY }
  const record: LogRecord = nodes === undefined ? common : { ...common, nodes }
  return { event: { type: 'replicate', view, records: [record] }, from: 'executor', at: 0 }
}

export const append = (state: LocalState, kind: RecordKind, nodes?: readonly NodeId[]): Step =>
  takeStep(state, proposal(state, kind, nodes))

const fromHost = (event: ReplicaEvent, at = 0): Timed => ({ event, from: 'host', at })

/** The event that an action is, to the replica alone or within its node. */
export function eventOf(state: LocalState, action: string): Timed {
  const [name, nodes = ''] = action.split(' ')
  switch (name) {
    case 'timeout':
      return fromHost({ type: 'electionTimeout' })
    case 'heartbeat':
      return fromHost({ type: 'heartbeatTimeout' })
    case 'checkQuorum':
      return fromHost({ type: 'quorumTimeout' }, ELECTION_TIMEOUT_MS)
    case 'request':
      return proposal(state, 'transaction')
    case 'sign':
      return proposal(state, 'signature')
    case 'reconfigure':
      return proposal(state, 'reconfiguration', nodes.split(',') as NodeId[])
    case 'handOver':
      return fromHost({ type: 'proposeSuccessor' })
    case 'breakDisk':
      return { event: { type: 'ledgerBroken', reason: 'modelled' }, from: 'ledger-writer', at: 0 }
    case 'teach':
      return { event: { type: 'setLearners', nodes: nodes.split(',') as NodeId[] }, from: 'executor', at: 0 }
    case 'finish':
      return proposal(state, 'retiredCommitted', nodes.split(',') as NodeId[])
    default:
      throw new RangeError(`no action '${action}'`)
  }
}

export const act = (state: LocalState, action: string): Step => takeStep(state, eventOf(state, action))

export const receive = (state: LocalState, from: number, message: ConsensusMessage): Step =>
  happen(state, message, `replica@${idOf(from)}`)
