// Goal: every command does what CCF's driver does with it (scenario-dsl.md), and what is asserted wrongly fails at its line, with what was
// found. Defective replicas are caught by what is checked after each command.
import { describe, expect, it } from 'vitest'
import { replica } from '../../actors/replica/replica.ts'
import type { ReplicaDefinition } from '../../runtime/models/scenario/node.ts'
import { runScenario } from '../../runtime/models/scenario/run.ts'
import { parseScenario } from '../../runtime/scenario/parse.ts'
import { endStates, run } from './runs.ts'

/** Nodes 0, 1, 2 agree on 2.1 to 2.4, committed. */
const THREE = `start_node,0
emit_signature,2
trust_nodes,2,1,2
emit_signature,2
dispatch_all
periodic_one,0,10
dispatch_all
periodic_one,0,10
dispatch_all
`
const THREE_LINES = THREE.split('\n').length - 1

/** `line: reason`, lines counted from the end of THREE. */
function failureAfter(text: string, beginning = THREE, lines = THREE_LINES): string | undefined {
  const { failure } = run(beginning + text)
  return failure === undefined ? undefined : `${failure.line - lines}: ${failure.reason}`
}
const failure = (text: string): string | undefined => failureAfter(text, '', 0)

describe('assertions that do not hold fail with what was found', () => {
  it.each([
    ['assert_commit_idx,1,5', '1: node 1 has commit index 4, not 5'],
    ['# comment\n\nassert_commit_idx,1,5', '3: node 1 has commit index 4, not 5'],
    ['assert_last_txid,1,2.5', '1: node 1 has last transaction 2.4, not 2.5'],
    ['assert_detail,1,leadership_state,Leader', '1: node 1 has leadership_state Follower, not Leader'],
    ['assert_!detail,1,leadership_state,Follower', '1: node 1 has leadership_state Follower'],
    ['assert_detail,1,current_view,3', '1: node 1 has current_view 2, not 3'],
    ['assert_detail,1,primary_id,2', '1: node 1 has primary_id 0, not 2'],
    ['assert_detail,1,ticking,false', '1: node 1 has ticking true, not false'],
    ['assert_detail,1,retirement_phase,Ordered', '1: node 1 has no detail retirement_phase'],
    ['assert_!detail,1,retirement_phase,Ordered', '1: node 1 has no detail retirement_phase'],
    ['assert_!detail,1,toString,x', '1: node 1 has no detail toString'],
    ['assert_config,1,3,0,1', '1: node 1 has the configuration {0, 1, 2} at 3, not {0, 1}'],
    ['assert_config,1,1,0', '1: node 1 has no configuration at 1, only {0, 1, 2} at 3'],
    ['assert_absent_config,1,3', '1: node 1 has the configuration {0, 1, 2} at 3'],
    [
      'emit_signature,2\nassert_state_sync',
      '2: states are not in sync: node 1 has last index 4, node 0 has 5; node 2 has last index 4, node 0 has 5',
    ],
    ['emit_signature,3', '1: no node leads view 3; node 0 leads view 2'],
    ['trust_node,2,1', '1: node 1 already exists'],
    ['start_node,7', '1: start_node must come first: there are nodes already'],
    ['cleanup_nodes,2,7', '1: there is no node 7'],
    ['nominate_successor,7', '1: there is no node 7'],
    ['dispatch_single,7,0', '1: there is no node 7'],
    ['periodic_one,7,10', '1: there is no node 7'],
    ['state_one,7', '1: there is no node 7'],
    ['check_quorum,0', '1: there is no leader, so nodes cannot come into sync'],
  ])('%s', (text, expected) => expect(failureAfter(text)).toBe(expected))

  it('and those that hold do not', () =>
    expect(
      failureAfter(`assert_!detail,1,leadership_state,Leader
assert_detail,0,leadership_state,Leader
assert_detail,2,membership_state,Active
assert_detail,2,ticking,true
assert_config,0,3,2,1,0
assert_absent_config,0,1
assert_commit_safety,2
assert_state_sync`),
    ).toBeUndefined())

  it('a node that has heard nothing has no leader: null', () =>
    expect(
      failure(
        'start_node,0\nemit_signature,2\ncreate_new_node,1\nassert_detail,1,primary_id,null\nassert_detail,1,leadership_state,Leader',
      ),
    ).toBe('5: node 1 has leadership_state None, not Leader'))

  it('the end of a scenario needs a leader and a way to sync', () => {
    expect(failure('create_new_node,0')).toBe('1: there is no leader, so nodes cannot come into sync')
    expect(failure('start_node,0\nemit_signature,2\ncreate_new_node,1')).toMatch(
      /^3: not in sync after 20 rounds: node 1 /,
    )
  })
})

describe('nodes', () => {
  it('are known for ever: who was swapped out comes back unless named again', () => {
    const text = `swap_nodes,2,out,1
assert_config,0,5,0,2
emit_signature,2
swap_nodes,2,in,3
assert_config,0,7,0,1,2,3`
    expect(run(THREE + text).printed).toEqual([])
    expect(failureAfter(`${text}\nassert_config,0,7`)).toContain('{0, 1, 2, 3}')
  })

  it('swap_node takes out the first and brings in the second', () =>
    expect(failureAfter('swap_node,2,1,3\nassert_config,0,5,0,2,3\nassert_config,0,5')).toContain('3: '))

  it('replicate_new_configuration creates nodes without connections, replicate_configuration with them', () => {
    const joins = `,2,0,1,2,3
emit_signature,2
periodic_one,0,10
dispatch_all
periodic_one,0,10
dispatch_all
assert_last_txid,3,`
    expect(failureAfter(`replicate_new_configuration${joins}0.0`)).toBeUndefined()
    expect(failureAfter(`replicate_configuration${joins}2.6`)).toBeUndefined()
  })

  it('nodes makes a network out of nothing, which elects its first leader in view 1', () => {
    const result = run(`nodes,0,1,2
assert_config,2,0,0,1,2
connect,0,1
connect,0,2
periodic_one,0,100
assert_detail,0,leadership_state,Candidate
dispatch_all
assert_detail,0,leadership_state,Leader
replicate,1,first
replicate,latest,second`)
    expect(result.failure).toBeUndefined()
    expect(endStates(result)).toBe('0:PA 1.3/3  1:FA 1.3/3  2:FA 1.3/3')
  })

  it('a crashed node does nothing, leads nothing and is not waited for', () => {
    const text = 'crash,0\nperiodic_all,100\ndispatch_all\nassert_detail,0,current_view,2\n'
    expect(failureAfter(`${text}emit_signature,2`)).toMatch(/^5: no node leads view 2/)
    const elected = `${text}dispatch_all\nperiodic_one,1,100\ndispatch_all\nassert_detail,1,leadership_state,Leader\nassert_state_sync`
    expect(failureAfter(elected)).toBeUndefined()
  })

  it('pre_vote_enabled is for nodes created afterwards', () =>
    expect(
      failureAfter(`pre_vote_enabled,true
trust_node,2,3
emit_signature,2
periodic_one,0,10
dispatch_all
periodic_one,0,10
dispatch_all
periodic_one,1,100
assert_detail,1,leadership_state,Candidate
periodic_one,3,100
assert_detail,3,leadership_state,PreVoteCandidate
drop_pending,1
drop_pending,3`),
    ).toBeUndefined())

  it('replicating to nobody is nothing', () =>
    expect(
      failureAfter(
        'check_quorum,0\nreplicate,latest,x\nemit_signature,latest\nassert_last_txid,0,2.4\nassert_detail,0,leadership_state,Leader',
      ),
    ).toMatch(/^5: /))
})

describe('messages', () => {
  const queued = (text: string): string[] => [...run(`${THREE}${text}\nsummarise_messages,0,1`).printed]

  it('are sent whatever the connections, and lost if there is none when they are dispatched', () => {
    expect(queued('disconnect,0,1\nheartbeat,0')[0]).toContain('0: 1 to 1: append_entries (2.4, 2.4] view 2')
    expect(queued('disconnect,0,1\nheartbeat,0\nconnect,1,0\ndispatch_all')[0]).toContain('0: 0 to 1')
    expect(
      failureAfter(
        'disconnect,0,1\nemit_signature,2\nheartbeat,0\nconnect,0,1\ndispatch_one,0\nassert_last_txid,1,2.5',
      ),
    ).toBeUndefined()
    expect(
      failureAfter(
        'disconnect_node,1\nemit_signature,2\nheartbeat,0\ndispatch_one,0\nassert_last_txid,1,2.4\nassert_last_txid,2,2.5',
      ),
    ).toBeUndefined()
  })

  it('can be dropped: one, those of a pair, all', () => {
    expect(queued('heartbeat,0\nheartbeat,0\ndrop_single,0,1')[0]).toContain('0: 1 to 1')
    expect(queued('heartbeat,0\nheartbeat,0\ndrop_pending_to,0,1\ndrop_single,0,1')[0]).toContain('0: 0 to 1')
    expect(run(`${THREE}heartbeat,0\ndrop_pending,0\nsummarise_messages,0,1\nsummarise_messages,0,2`).printed).toEqual([
      '0: 0 to 1: ',
      '0: 0 to 2: ',
    ])
  })

  it('dispatch_single takes the first of its pair, deliver_nth any, duplicate_single and duplicate_nth keep it', () => {
    const two = 'emit_signature,2\nheartbeat,0\nheartbeat,0\n'
    expect(queued(`${two}dispatch_single,0,1`)[0]).toContain('0: 1 to 1: append_entries (2.5, 2.5]')
    expect(queued(`${two}deliver_nth,0,1,1`)[0]).toContain('0: 1 to 1: append_entries (2.4, 2.5]')
    expect(queued(`${two}deliver_nth,0,1,2`)[0]).toContain('0: 2 to 1')
    expect(queued(`${two}duplicate_single,0,1`)[0]).toContain('0: 2 to 1')
    expect(queued(`${two}duplicate_nth,0,1,1`)[0]).toContain('0: 2 to 1')
    expect(failureAfter(`${two}duplicate_single,0,1\nassert_last_txid,1,2.5`)).toBeUndefined()
  })

  it('dispatch_all_once delivers what is under way and not the answers to it', () => {
    expect(
      failureAfter(
        'emit_signature,2\nheartbeat,0\ndispatch_all_once\nassert_last_txid,1,2.5\nassert_commit_idx,0,4\ndispatch_all_once\nassert_commit_idx,0,5',
      ),
    ).toBeUndefined()
  })

  it('dispatch_all_once counts what was delivered: for a lost message, an answer made in the same pass goes too', () => {
    // When the pass begins, node 1 has one message, to node 2; the leader's heartbeat, delivered before its turn, makes it answer.
    const text = `disconnect,1,2
timeout,1
drop_single,1,0
heartbeat,0
dispatch_all_once
summarise_messages,1,0
summarise_messages,2,0`
    expect(run(THREE + text).printed[0]).toBe('1: 0 to 0: ')
    expect(run(THREE + text.replace('disconnect,1,2', 'connect,1,2')).printed[0]).toMatch(/^1: 1 to 0: NACK/)
  })

  it('dispatch_all ends after five passes', () => {
    // Pre-vote, its answers, vote, its answers and AppendEntries take a pass each; the acknowledgements would be the sixth.
    const text = `pre_vote_enabled,true
nodes,0,1,2
connect,0,2
connect,1,2
timeout,2
dispatch_all
assert_detail,2,leadership_state,Leader
summarise_messages,0,2
dispatch_all
summarise_messages,0,2`
    expect(run(text).printed).toEqual(['0: 1 to 2: ACK 1.0', '0: 0 to 2: '])
  })

  it('shuffles depend on the seed alone', () => {
    const text = `${THREE}${'heartbeat,0\nreplicate,2,x\n'.repeat(6)}shuffle_one,0\nshuffle_all\nsummarise_messages,0,1\ndrop_pending,0`
    const order = (seed: number): string => run(text, seed).printed.join()
    expect(order(1)).toBe(order(1))
    expect(new Set([1, 2, 3, 4].map(order)).size).toBeGreaterThan(1)
    expect(order(1)).toMatch(/^0: 6 to 1/)
  })
})

describe('time', () => {
  it('moves a follower to an election after 100 ms, whatever its random restart', () => {
    expect(
      failureAfter(
        'periodic_one,1,49\nassert_detail,1,leadership_state,Follower\nperiodic_one,1,100\nassert_detail,1,leadership_state,Candidate\ndrop_pending,1',
      ),
    ).toBeUndefined()
  })

  it('makes a leader send after 10 ms, not before', () => {
    const sent = (ms: string): string => run(`${THREE}${ms}\nsummarise_messages,0,1`).printed.join()
    expect(sent('periodic_one,0,9')).toContain('0 to 1')
    expect(sent('periodic_one,0,9\nperiodic_one,0,1')).toContain('1 to 1')
  })

  it('lets a leader step down after 100 ms without answers, and answers put that off', () => {
    const silent = 'disconnect_node,0\nperiodic_one,0,50\n'
    expect(
      failureAfter(
        `${silent}periodic_one,0,49\nassert_detail,0,leadership_state,Leader\nperiodic_one,0,1\nassert_detail,0,leadership_state,Leader`,
      ),
    ).toBe('6: node 0 has leadership_state Follower, not Leader')
    expect(
      failureAfter('periodic_one,0,50\ndispatch_all\nperiodic_one,0,99\nassert_detail,0,leadership_state,Leader'),
    ).toBeUndefined()
  })

  it('fires single timers', () =>
    expect(
      failureAfter(
        'timeout,1\nassert_detail,1,leadership_state,Candidate\ncheck_quorum,0\nassert_detail,0,leadership_state,Follower\nheartbeat,0\nsummarise_messages,0,1\nassert_detail,0,leadership_state,Leader',
      ),
    ).toMatch(/^7: /))
})

describe('commit safety', () => {
  /** A replica that believes any commit index it is told by its own durability: it commits what it alone holds. */
  const overcommits: ReplicaDefinition = {
    ...replica,
    step(state, envelope) {
      const { state: after, effects } = replica.step(state, envelope)
      const committed = after.s.committableIndices.at(-1)
      if (envelope.event.type !== 'durable' || committed === undefined) return { state: after, effects }
      return { state: { value: after.value, s: { ...after.s, commitIdx: committed, committableIndices: [] } }, effects }
    },
  }

  it('is checked after each command that could have harmed it', () => {
    const lines = parseScenario(`${THREE}disconnect_node,0\nemit_signature,2`)
    const { failure } = runScenario(lines, { seed: 1, definition: overcommits })
    expect(failure?.line).toBe(4)
    expect(failure?.reason).toBe('ReplicationInv: what node 0 committed up to 4 is not on a majority of {0,1,2}')
  })

  it('includes what the replica itself says can never be', () => {
    const broken: ReplicaDefinition = {
      ...replica,
      invariants: [{ name: 'no third entry', broken: ({ s }) => (s.log.end > 3 ? 'there is one' : undefined) }],
    }
    const { failure } = runScenario(parseScenario(THREE), { seed: 1, definition: broken })
    expect(failure).toEqual({ line: 3, command: 'trust_nodes,2,1,2', reason: 'node 0: no third entry: there is one' })
  })
})

describe('printing', () => {
  it('tells states, logs and messages', () =>
    expect(
      run(
        `${THREE}emit_signature,2\nstate_one,0\nsummarise_log,0\nsummarise_logs_all\nstate_all\nheartbeat,0\nsummarise_messages,0,2`,
      ).printed,
    ).toEqual([
      '0: Leader Active view 2 last 2.5 commit 4',
      '0: 2.1, 2.2, 2.3, [2.4], 2.5',
      '0: 2.1, 2.2, 2.3, [2.4], 2.5',
      '1: 2.1, 2.2, 2.3, [2.4]',
      '2: 2.1, 2.2, 2.3, [2.4]',
      '0: Leader Active view 2 last 2.5 commit 4',
      '1: Follower Active view 2 last 2.4 commit 4',
      '2: Follower Active view 2 last 2.4 commit 4',
      '0: 1 to 2: append_entries (2.4, 2.5] view 2 commit 4',
    ]))
})
