// What may happen to a modelled node, each as one step of the real replica: a message, a clock, a client, an operator.
import type { LogRecord, RecordKind } from '../../../protocols/consensus/log.ts'
import type { ConsensusMessage } from '../../../protocols/consensus/messages.ts'
import type { NodeId } from '../../../protocols/ids.ts'
import { lastIdx, type ReplicaEvent } from '../../../actors/replica/state.ts'
import type { Outcome } from '../../check/model.ts'
import { idOf, type LocalState } from './local-state.ts'
import { takeStep } from './step.ts'

/** Silence for that long makes a leader doubt its majority, ms. */
export const ELECTION_TIMEOUT_MS = 100
/** Bytes of every entry: the bound on a message's bytes then bounds its entries. */
const ENTRY = new Uint8Array(1)

type Step = Outcome<LocalState, ConsensusMessage>

export const happen = (state: LocalState, event: ReplicaEvent, from = 'host', at = 0): Step =>
  takeStep(state, { event, from, at })

export function append(state: LocalState, kind: RecordKind, nodes?: readonly NodeId[]): Step {
  const { s } = state
  const seqno = lastIdx(s) + 1
  const view = s.currentView
  const common = { seqno, view, kind, bytes: ENTRY }
  const record: LogRecord = nodes === undefined ? common : { ...common, nodes }
  return happen(state, { type: 'replicate', view, records: [record] }, 'executor')
}

export function act(state: LocalState, action: string): Step {
  const [name, nodes = ''] = action.split(' ')
  switch (name) {
    case 'timeout':
      return happen(state, { type: 'electionTimeout' })
    case 'heartbeat':
      return happen(state, { type: 'heartbeatTimeout' })
    case 'checkQuorum':
      return happen(state, { type: 'quorumTimeout' }, 'host', ELECTION_TIMEOUT_MS)
    case 'request':
      return append(state, 'transaction')
    case 'sign':
      return append(state, 'signature')
    case 'reconfigure':
      return append(state, 'reconfiguration', nodes.split(',') as NodeId[])
    case 'finish':
      return append(state, 'retiredCommitted', nodes.split(',') as NodeId[])
    default:
      throw new RangeError(`no action '${action}'`)
  }
}

export const receive = (state: LocalState, from: number, message: ConsensusMessage): Step =>
  happen(state, message, `replica@${idOf(from)}`)
