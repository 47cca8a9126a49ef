// Messages and states in a few words, for people: printed sequences, diagrams, failures.
// Not a format: nothing reads this back.
import { lastIdx, termAt } from '../../../actors/replica/state.ts'
import type { ConsensusMessage } from '../../../protocols/consensus/messages.ts'
import { leadershipOf, type NodeState } from './node.ts'

/** `append_entries (2.4, 2.6] view 2 commit 4` */
export function messageText(message: ConsensusMessage): string {
  switch (message.type) {
    case 'AppendEntries': {
      const { view, prevView, prevIdx, viewOfIdx, idx, leaderCommitIdx } = message
      return `append_entries (${prevView}.${prevIdx}, ${viewOfIdx}.${idx}] view ${view} commit ${leaderCommitIdx}`
    }
    case 'AppendEntriesResponse':
      return `${message.success ? 'ACK' : 'NACK'} ${message.view}.${message.lastLogIdx}`
    case 'RequestVote': {
      const { view, electionType, viewOfLastCommittableIdx, lastCommittableIdx } = message
      const what = electionType === 'PreVote' ? 'request_pre_vote' : 'request_vote'
      return `${what} view ${view} at ${viewOfLastCommittableIdx}.${lastCommittableIdx}`
    }
    case 'RequestVoteResponse': {
      const { view, voteGranted, electionType } = message
      return `${electionType === 'PreVote' ? 'pre-vote' : 'vote'} ${voteGranted ? 'granted' : 'denied'} view ${view}`
    }
    case 'ProposeRequestVote':
      return `propose_request_vote view ${message.view}`
  }
}

/** `Leader Active view 2 last 2.9 commit 9` */
export function stateText(state: NodeState): string {
  const { s } = state
  const last = `${termAt(s, lastIdx(s))}.${lastIdx(s)}`
  return `${leadershipOf(state)} ${s.membership} view ${s.currentView} last ${last} commit ${s.commitIdx}`
}

/** `2.1, [2.2], 2.3`: the committed end in brackets. */
export function logText({ s }: NodeState): string {
  const entries = s.log.toArray().map(({ record: { view, seqno } }) => {
    const txId = `${view}.${seqno}`
    return seqno === s.commitIdx ? `[${txId}]` : txId
  })
  return entries.length === 0 ? 'empty' : entries.join(', ')
}
