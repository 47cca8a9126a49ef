// Whether a set of replicas can get on: every message under way is lost, there are no more faults, and someone stands for election.
// It stands in for the liveness property LeaderProp (consensus.md §18) and finds livelocks (F3) and premature retirement (B6), which break no
// safety property. Asked of real replicas; the fair run is short, since without faults an election and a commit are.
import type { ConsensusMessage } from '../../../protocols/consensus/messages.ts'
import type { Outcome } from '../../check/model.ts'
import { act, receive } from './events.ts'
import type { LocalState } from './local-state.ts'

/** Times one node stands: once to learn a newer view, once to learn that another one is newer still, once to win. */
const CANDIDACIES = 3
const ROUNDS = 6
/** Messages of one fair run; a protocol that answers for ever has not got on. */
const MESSAGES_MAX = 2000

/** True if, for some living node, its standing for election lets a signature of its view be committed and become known to every member. */
export const getsOn = (states: readonly LocalState[], alive: readonly boolean[]): boolean =>
  states.some((_, place) => alive[place] === true && commitsWithLeader(states, alive, place))

function commitsWithLeader(before: readonly LocalState[], alive: readonly boolean[], leader: number): boolean {
  const states = [...before]
  const mail: { readonly from: number; readonly to: number; readonly message: ConsensusMessage }[] = []
  let left = MESSAGES_MAX
  const put = (place: number, { state, sends }: Outcome<LocalState, ConsensusMessage>): void => {
    states[place] = state
    for (const { to, message } of sends) if (alive[to] === true) mail.push({ from: place, to, message })
  }
  const deliverAll = (): void => {
    for (let next = mail.shift(); next !== undefined && left-- > 0; next = mail.shift()) {
      put(next.to, receive(states[next.to]!, next.from, next.message))
    }
  }
  const isLeader = (): boolean => states[leader]!.value === 'leader'
  if (isLeader()) put(leader, act(states[leader]!, 'heartbeat'))
  deliverAll()
  for (let i = 0; i < CANDIDACIES && !isLeader(); i++) {
    if (states[leader]!.value === 'none') return false
    put(leader, act(states[leader]!, 'timeout'))
    deliverAll()
    // With PreVote, the first success only begins the real candidacy.
  }
  if (!isLeader()) return false
  put(leader, act(states[leader]!, 'sign'))
  const signature = states[leader]!.s.log.end - 1
  for (let i = 0; i < ROUNDS && isLeader(); i++) {
    put(leader, act(states[leader]!, 'heartbeat'))
    deliverAll()
  }
  // Whoever the newest configuration names must hold it too: a follower that can never catch up has reached a dead end (F3).
  const members = states[leader]!.s.configurations.at(-1)?.nodes ?? []
  return states.every(
    ({ s }, place) => alive[place] !== true || !members.includes(s.config.nodeId) || s.commitIdx >= signature,
  )
}
