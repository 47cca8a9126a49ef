// The score of a run: one line for each step, narrow enough to be read like music. For people; checkers read states.
//    12.345 n2 replica        AppendEntries (4,6]@3 commit 4 <- n0 | candidate -> follower
import type { Envelope, Message } from '../../actors/actor.ts'
import { splitAddress } from '../../actors/actor.ts'
import type { ConsensusSummary } from '../../protocols/consensus/messages.ts'
import type { LogRecord } from '../../protocols/consensus/log.ts'
import type { AppRequest, AppResponse } from '../../protocols/app.ts'
import type { SimNode } from '../host/sim.ts'
import { describeAction, type Action } from './plan.ts'

/** Everything a message of the service may carry; which of it there is depends on the type. */
type Fields = Partial<{
  view: number
  prevIdx: number
  idx: number
  leaderCommitIdx: number
  lastLogIdx: number
  success: boolean
  electionType: string
  voteGranted: boolean
  lastCommittableIdx: number
  viewOfLastCommittableIdx: number
  seqno: number
  records: readonly LogRecord[]
  summary: ConsensusSummary
  requests: readonly AppRequest[]
  responses: readonly AppResponse[]
}>

const stretch = (records: readonly LogRecord[]): string => {
  const [first] = records
  const last = records.at(-1)
  if (first === undefined || last === undefined) return 'nothing'
  const mark = last.kind === 'signature' ? 's' : ''
  return first === last ? `${last.view}.${last.seqno}${mark}` : `${first.view}.${first.seqno}–${last.seqno}${mark}`
}

function facts(message: Message): string {
  const m = message as Fields
  switch (message.type) {
    case 'AppendEntries':
      return `(${m.prevIdx},${m.idx}]@${m.view} commit ${m.leaderCommitIdx}`
    case 'AppendEntriesResponse':
      return `${m.success === true ? 'ok' : 'NO'} ${m.lastLogIdx}@${m.view}`
    case 'RequestVote':
      return `${m.electionType === 'PreVote' ? 'pre ' : ''}@${m.view} last ${m.viewOfLastCommittableIdx}.${m.lastCommittableIdx}`
    case 'RequestVoteResponse':
      return `${m.electionType === 'PreVote' ? 'pre ' : ''}${m.voteGranted === true ? 'yes' : 'no'}@${m.view}`
    case 'execute':
    case 'forward':
      return (m.requests ?? []).map(({ verb, path }) => `${verb} ${path}`).join(', ')
    case 'executed':
    case 'forwarded':
      return (m.responses ?? [])
        .map(({ status, txId }) => (txId ? `${status} ${txId.view}.${txId.seqno}` : status))
        .join(', ')
    default:
  }
  if (m.records !== undefined) return stretch(m.records)
  if (m.summary !== undefined)
    return `@${m.summary.view} last ${m.summary.lastSeqno} commit ${m.summary.committed.seqno}`
  if (m.seqno !== undefined) return String(m.seqno)
  return m.view === undefined ? '' : `@${m.view}`
}

const timeOf = (timeMs: number): string => (timeMs / 1000).toFixed(3).padStart(9)

/** Makes the lines of one run, without their ends. */
export class Score {
  /** Short names of nodes, and the chart states of their actors, learnt as they appear. */
  readonly #names = new Map<string, string>()
  readonly #states = new Map<string, string>()

  #nameOf(nodeId: string): string {
    return this.#names.get(nodeId) ?? nodeId.slice(0, 4)
  }

  step(timeMs: number, node: SimNode, { from, to, event }: Envelope, state: string): string {
    this.#names.set(node.id, node.name)
    const actor = `${node.name} ${to}`
    const before = this.#states.get(actor) ?? state
    this.#states.set(actor, state)
    const sender = splitAddress(from)
    const origin = sender.node === undefined ? '' : ` <- ${this.#nameOf(sender.node)}`
    const change = before === state ? state : `${before} -> ${state}`
    return `${timeOf(timeMs)} ${node.name} ${to.padEnd(14)} ${event.type} ${facts(event)}${origin} | ${change}`
  }

  action(timeMs: number, action: Action): string {
    return `${timeOf(timeMs)} -- ${describeAction(action)}`
  }
}
