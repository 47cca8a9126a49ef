// Goal: whatever commands come in whatever order, a run ends with a result: commits stay safe, no invariant of the replica breaks, and the
// trace explains every change. The network of these runs loses, delays, repeats and reorders.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { run } from './runs.ts'

const BEGINNING =
  'start_node,0\nemit_signature,2\ntrust_nodes,2,1,2\nemit_signature,2\ndispatch_all\nheartbeat,0\ndispatch_all'

const node = fc.constantFrom('0', '1', '2', '3')
const pair = fc.tuple(node, node).map(([a, b]) => `${a},${b}`)
const line = fc.oneof(
  { weight: 6, arbitrary: pair.map((ab) => `dispatch_single,${ab}`) },
  { weight: 4, arbitrary: node.map((a) => `dispatch_one,${a}`) },
  { weight: 3, arbitrary: fc.constant('dispatch_all') },
  { weight: 4, arbitrary: node.map((a) => `heartbeat,${a}`) },
  { weight: 3, arbitrary: node.map((a) => `timeout,${a}`) },
  { weight: 3, arbitrary: fc.constant('emit_signature,latest') },
  { weight: 2, arbitrary: fc.constant('replicate,latest,x') },
  { weight: 1, arbitrary: pair.map((ab) => `drop_single,${ab}`) },
  { weight: 1, arbitrary: pair.map((ab) => `duplicate_single,${ab}`) },
  { weight: 1, arbitrary: pair.map((ab) => `deliver_nth,${ab},1`) },
  { weight: 1, arbitrary: node.map((a) => `check_quorum,${a}`) },
  { weight: 1, arbitrary: node.map((a) => `nominate_successor,${a}`) },
  {
    weight: 1,
    arbitrary: fc
      .subarray(['0', '1', '2', '3'], { minLength: 1 })
      .map((set) => `replicate_configuration,latest,${set.join(',')}`),
  },
)

/** Failures of the scenario itself, which random commands may well have. */
const EXPECTED = /^(there is no node 3|there is no leader|not in sync after|no node leads view)/

describe('random scenarios', () => {
  it.each([[false], [true]])('with PreVote %s', (preVote) => {
    const seen = { toTheEnd: 0, views: 0, configurations: 0 }
    fc.assert(
      fc.property(fc.array(line, { minLength: 20, maxLength: 80 }), (lines) => {
        const result = run(`pre_vote_enabled,${preVote}\n${BEGINNING}\ncreate_new_node,3\n${lines.join('\n')}`)
        expect(result.mismatch).toBeUndefined()
        if (result.failure !== undefined) expect(result.failure.reason).toMatch(EXPECTED)
        else seen.toTheEnd++
        if (result.nodes.some(({ view }) => view > 3)) seen.views++
        if (result.nodes.some(({ membership }) => membership !== 'Active')) seen.configurations++
      }),
      { seed: 7, numRuns: 150 },
    )
    // Worth nothing unless leaders change and nodes come and go.
    expect(seen.toTheEnd).toBeGreaterThan(10)
    expect(seen.views).toBeGreaterThan(15)
    expect(seen.configurations).toBeGreaterThan(10)
  })
})
