// Goal: every checker of consensus and storage says yes to a world that is right and no to one made wrong by hand, for the right reason.
import { describe, expect, it } from 'vitest'
import type { ExecutorState } from '../../actors/executor/state.ts'
import { utf8 } from '../../protocols/codec/bytes.ts'
import type { Membership } from '../../protocols/consensus/messages.ts'
import { append, emptyTree } from '../../protocols/merkle/tree.ts'
import { committedLogChecker } from '../../runtime/sim/checkers/committed-log.ts'
import { configurationsChecker } from '../../runtime/sim/checkers/configurations.ts'
import { durabilityChecker } from '../../runtime/sim/checkers/durability.ts'
import { leadersChecker } from '../../runtime/sim/checkers/leaders.ts'
import { ledgersChecker } from '../../runtime/sim/checkers/ledgers.ts'
import { logMatchingChecker } from '../../runtime/sim/checkers/log-matching.ts'
import { logsChecker } from '../../runtime/sim/checkers/logs.ts'
import { messagesChecker } from '../../runtime/sim/checkers/messages.ts'
import { quorumChecker } from '../../runtime/sim/checkers/quorum.ts'
import { statesChecker } from '../../runtime/sim/checkers/states.ts'
import { fastCrypto } from '../../runtime/models/service/crypto.ts'
import { Prng } from '../../runtime/prng.ts'
import { applyWriteSet, emptyKv } from '../../store/kv/kv-state.ts'
import { broken, entries, node, stepTo, world } from './hand-made.ts'

const LOG = entries('2t 2s 2t 2s')
const OTHER = entries('2t 2s 3t 3s', 'other')

describe('the committed log', () => {
  const commit = (log: typeof LOG, to: number, from = 0, committed = LOG.slice(0, 2)) => {
    const sight = node('n0', { log, commit: from })
    const there = world([sight], committed)
    const grown: number[] = []
    const checker = committedLogChecker(there, there.committed, (_node, first) => grown.push(first))
    const found = broken(() => checker.onReplica!(sight, stepTo(sight, { log, commit: to })))
    return { found, grown, last: there.committed.last }
  }

  it('grows by what a node commits, once', () => {
    expect(commit(LOG, 4)).toEqual({ found: undefined, grown: [3], last: 4 })
    expect(commit(LOG, 2)).toEqual({ found: undefined, grown: [], last: 2 })
  })

  it('is one', () => {
    expect(commit(OTHER, 4, 0, LOG).found).toBe(
      'LogInv: n0 committed transaction 2.1 at 1, where transaction 2.1 is committed already',
    )
    expect(commit(entries('2t 2s 3t 3s'), 4, 2, LOG).found).toMatch(/^LogInv: n0 committed transaction 3.3 at 3/)
  })

  it('ends with a signature and never shrinks', () => {
    expect(commit(LOG, 3).found).toBe('SignatureInv: n0 committed up to 3, which is transaction 2.3')
    expect(commit(LOG, 2, 4).found).toMatch(/^MonotonicCommitIndexProp/)
  })
})

describe('leaders', () => {
  it('are one in a view', () => {
    const [a, b] = [node('n0', { value: 'candidate', view: 3 }), node('n1', { value: 'candidate', view: 3 })]
    const checker = leadersChecker(world([a, b]))
    expect(broken(() => checker.onReplica!(a, stepTo(a, { value: 'leader', view: 3 })))).toBeUndefined()
    const second = broken(() => checker.onReplica!(b, stepTo(b, { value: 'leader', view: 3 })))
    expect(second).toBe('MoreThanOneLeaderInv: n1 and n0 both lead view 3')
  })

  it('have everything that was committed in earlier views', () => {
    const elect = (log: typeof LOG, viewOfCommit: number) => {
      const sight = node('n0', { log, value: 'candidate', view: 4 })
      const checker = leadersChecker(world([sight], LOG, viewOfCommit))
      return broken(() => checker.onReplica!(sight, stepTo(sight, { log, value: 'leader', view: 4 })))
    }
    expect(elect(LOG, 2)).toBeUndefined()
    expect(elect(LOG.slice(0, 2), 2)).toBe(
      'LeaderCompletenessInv: n0 leads view 4 with nothing at 4, where signature 2.4 is committed',
    )
    expect(elect(OTHER, 2)).toMatch(/^LeaderCompletenessInv/)
    // A later view committed it: an old candidate that wins late need not have it.
    expect(elect(LOG.slice(0, 2), 5)).toBeUndefined()
  })

  it('come and go along the protocol’s edges, and views only rise', () => {
    const go = (from: string, to: string, views: readonly [number, number] = [3, 3]) => {
      const sight = node('n0', { value: from, view: views[0] })
      return broken(() =>
        leadersChecker(world([sight])).onReplica!(sight, stepTo(sight, { value: to, view: views[1] })),
      )
    }
    expect(go('candidate', 'follower')).toBeUndefined()
    expect(go('leader', 'halted')).toBeUndefined()
    expect(go('leader', 'candidate')).toBe('StateTransitionsProp: n0 went from leader to candidate')
    expect(go('halted', 'follower')).toMatch(/^StateTransitionsProp/)
    expect(go('leader', 'leader', [3, 4])).toMatch(/^StateTransitionsProp/)
    expect(go('follower', 'follower', [4, 3])).toBe('MonotonicTermProp: n0 went from view 4 to 3')
    expect(go('none', 'leader', [0, 1])).toMatch(/^NoLeaderBeforeInitialTerm/)
  })
})

describe('logs', () => {
  const change = (
    before: typeof LOG,
    after: typeof LOG,
    value = 'follower',
    others = [] as ReturnType<typeof node>[],
  ) => {
    const sight = node('n0', { log: before, value })
    const checker = logsChecker(world([sight, ...others]))
    return broken(() => checker.onReplica!(sight, stepTo(sight, { log: after, value, view: 9 })))
  }

  it('grow with views that rise after a signature only', () => {
    expect(change(LOG, entries('2t 2s 2t 2s 3t'))).toBeUndefined()
    expect(change(LOG, entries('2t 2s 2t 3t'))).toBe('MonoLogInv: n0: view rises at 4 after transaction 2.3')
    expect(change(LOG, entries('2t 2s 2t 2s 1t'))).toBe('MonoLogInv: n0 holds transaction 1.5 after signature 2.4')
    expect(change(LOG, entries('2t 2s 2t 2s 12t'))).toMatch(/^MonoLogInv/)
    const misplaced = [...LOG, { ...LOG[3]!, seqno: 9 }]
    expect(change(LOG, misplaced)).toBe('MonoLogInv: n0 holds signature 2.9 at 5')
  })

  it('of a leader are never cut', () => {
    expect(change(LOG, LOG.slice(0, 2))).toBeUndefined()
    expect(change(LOG, LOG.slice(0, 2), 'leader')).toBe('PermittedLogChangesProp: n0 leads and cut its log from 4 to 2')
  })

  it('hold nothing of a view that its leader lacks', () => {
    const leader = node('n1', { log: entries('2t 2s 3s'), value: 'leader', view: 3 })
    expect(change(LOG.slice(0, 2), entries('2t 2s 3s'), 'follower', [leader])).toBeUndefined()
    expect(change(LOG.slice(0, 2), entries('2t 2s 3s 3t'), 'follower', [leader])).toMatch(/^ElectionSafetyInv/)
  })

  it('that agree at one place agree before it', () => {
    const compare = (a: typeof LOG, b: typeof LOG) => {
      const [first, second] = [node('n0', { log: a }), node('n1', { log: b })]
      const checker = logMatchingChecker(world([first, second]))
      return broken(() => {
        for (let i = 0; i < 16; i++) checker.onReplica!(first, stepTo(first, { log: a }))
      })
    }
    expect(compare(LOG, LOG.slice(0, 3))).toBeUndefined()
    expect(compare(LOG, [entries('2t', 'other')[0]!, ...LOG.slice(1)])).toBe(
      'LogMatchingInv: n0 and n1 agree on the view at 4, but hold transaction 2.1 and transaction 2.1 at 1',
    )
  })
})

describe('a commit', () => {
  const commit = (durable: readonly number[], view = 2, value = 'leader') => {
    const nodes = durable.map((upTo, i) => node(`n${i}`, { log: LOG, value: i === 0 ? value : 'follower', view }, upTo))
    const there = world(nodes, LOG)
    const checker = quorumChecker(there)
    return { nodes, checker, found: broken(() => checker.onCommit!(nodes[0]!, 1, nodes[0]!.replica)) }
  }

  it('has a majority on disk', () => {
    expect(commit([0, 4, 4]).found).toBeUndefined()
    expect(commit([4, 3, 2]).found).toBe(
      'QuorumLogInv: n0 committed: signature 2.4 is durable on n0 only, of n0, n1, n2',
    )
  })

  it('is of the leader’s own view', () => {
    expect(commit([4, 4, 4], 3).found).toMatch(/^NeverCommitEntryPrevTermsProp/)
    expect(commit([4, 4, 4], 3, 'follower').found).toBeUndefined()
  })

  it('keeps its majority when a ledger is cut', () => {
    const { nodes, checker } = commit([4, 4, 0])
    const cut = (seqno: number) =>
      broken(() => checker.onLedgerWriter!(nodes[1]!, { type: 'truncateAfter', seqno } as never))
    expect(cut(4)).toBeUndefined()
    expect(cut(3)).toMatch(/^QuorumLogInv: n1 cut its ledger after 3/)
  })
})

describe('configurations', () => {
  const log = entries('2c(n0,n1) 2s 2c(n1,n2) 2s')
  const [first, second] = [log[0]!, log[2]!].map(({ seqno: idx, nodes }) => ({ idx, nodes: nodes! }))
  const believe = (shape: Parameters<typeof node>[1], name = 'n1', members?: typeof log) => {
    const sight = node(name)
    const there = world([sight, node('n0'), node('n2')], members ?? [])
    return broken(() => configurationsChecker(there).onReplica!(sight, stepTo(sight, shape!)))
  }

  it('are the last that is committed and those after it', () => {
    expect(believe({ log, commit: 2, configurations: [first!, second!] })).toBeUndefined()
    expect(believe({ log, commit: 4, configurations: [second!] })).toBeUndefined()
    expect(believe({ log, commit: 2, configurations: [second!] })).toBe(
      'LogConfigurationConsistentInv: n1 acts by 3:{n1,n2}; its log says 1:{n0,n1} 3:{n1,n2}',
    )
  })

  it('that name the same nodes again are none', () => {
    const again = [
      ...log.slice(0, 2),
      ...entries('2t 2t 2c(n1,n0)')
        .slice(2)
        .map((record, i) => ({ ...record, seqno: 3 + i })),
    ]
    expect(believe({ log: again, configurations: [first!] })).toBeUndefined()
  })

  it('say which part a node has', () => {
    const both = [first!, second!]
    const removed = (membership: Membership, entriesHeld: typeof log, commit: number) =>
      believe({ log: entriesHeld, commit, configurations: commit < 3 ? both : [second!], membership }, 'n0')
    expect(removed('RetirementOrdered', log.slice(0, 3), 2)).toBeUndefined()
    expect(removed('RetirementSigned', log, 2)).toBeUndefined()
    expect(removed('RetirementCompleted', log, 4)).toBeUndefined()
    expect(removed('Active', log, 2)).toBe(
      'MembershipStateConsistentInv: n0 believes to be Active; its log says RetirementSigned',
    )
    const retired = [...log, ...entries('2t 2t 2t 2t 2r(n0) 2s').slice(4)]
    expect(removed('RetirementCompleted', retired, 4)).toBeUndefined()
    expect(removed('RetiredCommitted', retired, 6)).toBeUndefined()
    expect(removed('RetirementCompleted', retired, 6)).toMatch(/its log says RetiredCommitted/)
  })

  it('declare no member retired', () => {
    const retired = [...log, ...entries('2t 2t 2t 2t 2r(n1)').slice(4)]
    const shape = { log: retired, commit: 4, configurations: [second!] }
    expect(believe(shape, 'n2', log)).toBe(
      'RetiredCommittedInv: n2 holds retiredCommitted 2.5 of n1, which is a member by the committed log',
    )
  })
})

describe('messages', () => {
  it('are of no view beyond the sender’s', () => {
    const send = (view: number) => {
      const sight = node('n0', { view: 3 })
      const effect = { type: 'send', to: 'replica@n1', message: { type: 'RequestVote', view } } as const
      return broken(() => messagesChecker(world([sight])).onReplica!(sight, stepTo(sight, { view: 3 }, [effect])))
    }
    expect(send(3)).toBeUndefined()
    expect(send(4)).toBe('MonoTermInv: n0 sent RequestVote of view 4 in view 3')
  })

  it('never lower a match while a leader leads', () => {
    const match = (before: number, after: number, value = 'leader') => {
      const sight = node('n0', { value, peers: { n1: before } })
      const checker = messagesChecker(world([sight, node('n1')]))
      return broken(() => checker.onReplica!(sight, stepTo(sight, { value, peers: { n1: after } })))
    }
    expect(match(2, 4)).toBeUndefined()
    expect(match(4, 2)).toBe('MonotonicMatchIndexProp: n0 lowered the match of n1 from 4 to 2')
    expect(match(4, 2, 'follower')).toBeUndefined()
  })
})

describe('what is said to be durable', () => {
  const durable = (seqno: number) => ({ type: 'durable', epoch: 0, seqno })
  const answer = (lastLogIdx: number, success = true) =>
    ({
      type: 'send',
      to: 'replica@n1',
      message: { type: 'AppendEntriesResponse', view: 2, lastLogIdx, success },
    }) as const

  it('is on disk', () => {
    const tell = (seqno: number) => {
      const sight = node('n0', { log: LOG }, 2)
      return broken(() =>
        durabilityChecker(world([sight])).onReplica!(sight, stepTo(sight, { log: LOG }, [], durable(seqno))),
      )
    }
    expect(tell(2)).toBeUndefined()
    expect(tell(4)).toBe('durability: n0 was told that 4 is durable; its disk has 2')
  })

  it('is what is acknowledged', () => {
    const acknowledge = (effect: ReturnType<typeof answer>) => {
      const sight = node('n0', { log: LOG }, 2)
      const after = { log: LOG, committable: [2, 4] }
      return broken(() => durabilityChecker(world([sight])).onReplica!(sight, stepTo(sight, after, [effect])))
    }
    expect(acknowledge(answer(3))).toBeUndefined()
    expect(acknowledge(answer(4))).toBe('durability: n0 acknowledged 4; its disk has 2 durable')
    expect(acknowledge(answer(4, false))).toBeUndefined()
  })

  it('is there after a crash', () => {
    const crash = (kept: number) => {
      const sight = node('n0', { log: LOG })
      const checker = durabilityChecker(world([sight]))
      checker.onReplica!(sight, stepTo(sight, { log: LOG }, [], durable(4)))
      sight.disk.truncate(kept)
      return broken(() => checker.onCrash!(sight))
    }
    expect(crash(4)).toBeUndefined()
    expect(crash(3)).toBe('durability: n0 crashed and kept 3 of 4 durable entries')
  })

  it('survives a crash of the simulated disk, of the rest a part', () => {
    const kept = Array.from({ length: 50 }, (_, seed) => {
      const { disk } = node('n0', { log: LOG }, 2)
      disk.crash(new Prng(seed))
      return disk.last
    })
    expect(new Set(kept)).toEqual(new Set([2, 3, 4]))
  })
})

describe('ledgers', () => {
  const commitUpTo = (log: typeof LOG, seqno: number) => {
    const sight = node('n0', { log })
    const checker = ledgersChecker(world([sight], LOG))
    const tell = (event: object) => broken(() => checker.onLedgerWriter!(sight, event as never))
    return { found: tell({ type: 'commitUpTo', seqno }), cut: tell({ type: 'truncateAfter', seqno: 1 }) }
  }

  it('are the committed log', () => {
    expect(commitUpTo(LOG, 4).found).toBeUndefined()
    expect(commitUpTo(OTHER, 2).found).toMatch(/^ledger: the ledger of n0 has transaction 2.1 at 1/)
    expect(commitUpTo(LOG.slice(0, 3), 4).found).toMatch(/has nothing at 4, where signature 2.4 is committed/)
  })

  it('are not cut where they are committed', () => {
    expect(commitUpTo(LOG, 2).cut).toBe('ledger: n0 cuts its ledger after 1; 2 entries are committed there')
  })
})

describe('states', () => {
  const committed = { type: 'committed', summary: { committed: { view: 2, seqno: 4 } } }
  const executor = (leaf: string, value: string) => {
    const tree = append(fastCrypto, emptyTree, fastCrypto.sha256(utf8(leaf)))
    const writes = [{ name: 'public:t', writes: [{ key: utf8('k'), value: utf8(value) }], removes: [] }]
    return { committed: { tree, kv: applyWriteSet(emptyKv, writes, 4) } } as unknown as ExecutorState
  }
  const compare = (a: ExecutorState, b: ExecutorState) => {
    const nodes = [node('n0'), node('n1')]
    // The seal's first byte decides whether stores are compared: here they are.
    const sampled = LOG.map((record) => ({ ...record, bytes: new Uint8Array(20) }))
    const checker = statesChecker(world(nodes, sampled), fastCrypto)
    checker.onExecutor!(nodes[0]!, committed, a)
    return broken(() => checker.onExecutor!(nodes[1]!, committed, b))
  }

  it('are the same everywhere', () => {
    expect(compare(executor('leaf', 'v'), executor('leaf', 'v'))).toBeUndefined()
    expect(compare(executor('leaf', 'v'), executor('other', 'v'))).toMatch(/^Merkle root: after 4/)
    expect(compare(executor('leaf', 'v'), executor('leaf', 'other'))).toMatch(/^key-value store: after 4/)
  })
})
