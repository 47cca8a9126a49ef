// Goal: reconfiguration, every phase of retirement, successor nomination and learners, message by message (consensus.md §11).
import { describe, expect, it } from 'vitest'
import type { AppendEntries } from '../../../protocols/consensus/messages.ts'
import type { NodeId } from '../../../protocols/ids.ts'
import { World } from './world.ts'

const membership = (w: World, id: string) => w.s(id).membership
const configurations = (w: World, id: string) =>
  w.s(id).configurations.map(({ idx, nodes }) => `${idx}:${nodes.join('')}`)
const told = (w: World, id: string, type: string) => w.notices.get(id)!.filter((notice) => notice.type === type)

describe('reconfiguration', () => {
  it('is in force when appended, and the old configuration is dropped when it is committed', () => {
    const w = new World(['0', '1', '2'])
    w.begin('0', ['0'])
    w.appendNaming('0', 'reconfiguration', ['0', '1', '2'])
    expect(configurations(w, '0')).toEqual(['1:0', '3:012'])
    w.append('0', 's')
    w.settle('0')
    expect(['0', '1', '2'].map((id) => configurations(w, id))).toEqual([['3:012'], ['3:012'], ['3:012']])
    expect(['0', '1', '2'].map((id) => w.log(id))).toEqual(Array(3).fill('2c 2s 2c 2s'))
  })

  it('needs a majority of the old and of the new nodes to commit (bug B1)', () => {
    const w = new World(['0', '1', '2', '3', '4'])
    w.begin('0', ['0', '1', '2'])
    w.appendNaming('0', 'reconfiguration', ['0', '3', '4'])
    w.append('0', 's')
    const settleWithout = (...silent: string[]) => {
      for (let round = 0; round < 6; round++) {
        for (const to of silent) w.drop({ to })
        w.deliver({})
        w.event('0', { type: 'heartbeatTimeout' })
      }
      w.network = []
    }
    settleWithout('1', '2')
    expect(w.commit('0')).toBe(2)
    settleWithout('2')
    expect(w.commit('0')).toBe(4)
  })

  it('that names the same nodes again changes nothing', () => {
    const w = new World(['0', '1'])
    w.begin('0')
    w.appendNaming('0', 'reconfiguration', ['1', '0'])
    expect(configurations(w, '0')).toEqual(['1:01'])
  })

  it('greets a new node at once in CCF’s pacing, with where the log ended before', () => {
    const w = new World(['0', '1'], { pacing: 'heartbeat' })
    w.begin('0', ['0'])
    w.appendNaming('0', 'reconfiguration', ['0', '1'])
    expect(w.network.map(({ to, message }) => [to, message])).toMatchObject([
      ['1', { type: 'AppendEntries', prevIdx: 2, idx: 2, leaderCommitIdx: 2 }],
    ])
  })
})

describe('a node whose addition is rolled back', () => {
  /** Node 4 held {0,1,2,3,4}, signed by node 0; node 1 leads view 3 without it and teaches node 4 its log. */
  const rolledBack = (): World => {
    const w = new World(['0', '1', '2', '3', '4'])
    w.begin('0', ['0', '1', '2', '3'])
    w.appendNaming('0', 'reconfiguration', ['0', '1', '2', '3', '4'])
    w.append('0', 's')
    for (let round = 0; round < 4; round++) {
      for (const other of ['1', '2', '3']) w.drop({ to: other })
      w.deliver({ to: '4' })
      w.deliver({ from: '4' })
      w.event('0', { type: 'heartbeatTimeout' })
    }
    expect([configurations(w, '4'), w.s('4').ticking]).toEqual([['1:0123', '3:01234'], true])
    w.network = []
    w.elect('1', ['2', '3'])
    w.event('1', { type: 'setLearners', nodes: ['4' as NodeId] })
    w.append('1', 's')
    w.settle('1')
    expect([configurations(w, '4'), w.log('4')]).toEqual([['1:0123'], '2c 2s 3s'])
    return w
  }

  it('takes no part until it is added again: it does not stand for election', () => {
    const w = rolledBack()
    w.event('4', { type: 'electionTimeout' })
    expect([w.value('4'), w.s('4').currentView]).toEqual(['follower', 3])
    w.appendNaming('1', 'reconfiguration', ['0', '1', '2', '3', '4'])
    w.append('1', 's')
    w.settle('1')
    w.event('4', { type: 'electionTimeout' })
    expect([w.value('4'), w.s('4').currentView]).toEqual(['candidate', 4])
  })
})

describe('retirement', () => {
  /** {0,1,2} → {1,2}; node 0 leads. */
  function removed0(): World {
    const w = new World(['0', '1', '2'])
    w.begin('0')
    w.appendNaming('0', 'reconfiguration', ['1', '2'])
    return w
  }

  it('passes through every phase, at the leader itself', () => {
    const w = removed0()
    const phases = [membership(w, '0')]
    w.append('0', 's')
    phases.push(membership(w, '0'))
    w.settle('0')
    phases.push(membership(w, '0'))
    expect([phases, w.value('0')]).toEqual([['RetirementOrdered', 'RetirementSigned', 'RetirementCompleted'], 'leader'])
    expect(told(w, '0', 'retirementCompleted')).toEqual([{ type: 'retirementCompleted', nodes: ['0'] }])
    w.appendNaming('0', 'retiredCommitted', ['0'])
    w.append('0', 's')
    w.deliver({ type: 'AppendEntries' })
    w.deliver({ type: 'AppendEntriesResponse' })
    expect([membership(w, '0'), w.value('0'), w.s('0').leaderId]).toEqual(['RetiredCommitted', 'none', undefined])
    expect(told(w, '0', 'membershipChanged').map((n) => 'membership' in n && n.membership)).toEqual([
      'RetirementOrdered',
      'RetirementSigned',
      'RetirementCompleted',
      'RetiredCommitted',
    ])
  })

  it('of the leader hands over to a node that stands at once', () => {
    const w = removed0()
    w.append('0', 's')
    w.settle('0')
    w.appendNaming('0', 'retiredCommitted', ['0'])
    w.append('0', 's')
    w.deliver({ type: 'AppendEntries' })
    w.deliver({ type: 'AppendEntriesResponse' })
    expect(w.network).toMatchObject([{ from: '0', to: '1', message: { type: 'ProposeRequestVote', view: 2 } }])
    w.deliverAll()
    expect([w.value('1'), w.s('1').currentView, w.value('0')]).toEqual(['leader', 3, 'follower'])
    w.event('0', { type: 'electionTimeout' })
    expect(w.value('0')).toBe('follower')
  })

  it('leaves a node able to vote, acknowledge and lead until it is committed for ever (bug B6)', () => {
    const w = removed0()
    w.append('0', 's')
    w.settle('0')
    expect(membership(w, '0')).toBe('RetirementCompleted')
    w.elect('1', ['0'])
    expect(w.value('1')).toBe('candidate')
    w.elect('1', ['0', '2'])
    expect(w.value('1')).toBe('leader')
    w.append('1', 's')
    w.deliver({ to: '0', type: 'AppendEntries' })
    expect(w.deliver({ from: '0', type: 'AppendEntriesResponse' })).toBeGreaterThan(0)
    w.elect('0', ['1', '2'])
    expect(w.value('0')).toBe('leader')
  })

  it('is undone by a rollback of the removal, and unsigned by a rollback of its signature', () => {
    const w = new World(['0', '1', '2'])
    w.begin('0')
    w.appendNaming('0', 'reconfiguration', ['1', '2'])
    w.append('0', 's')
    expect(membership(w, '0')).toBe('RetirementSigned')
    w.drop()
    w.elect('1', ['2'])
    w.append('1', 's')
    w.settle('1')
    expect([membership(w, '0'), configurations(w, '0'), w.log('0')]).toEqual(['Active', ['1:012'], '2c 2s 3s'])
  })

  it('is declared again by the next leader, and forgets the node when committed', () => {
    const w = new World(['0', '1', '2'])
    w.begin('0')
    w.appendNaming('0', 'reconfiguration', ['0', '1'])
    w.append('0', 's')
    w.settle('0')
    w.elect('1', ['0'])
    expect(told(w, '1', 'retirementCompleted')).toEqual([{ type: 'retirementCompleted', nodes: ['2'] }])
    w.appendNaming('1', 'retiredCommitted', ['2'])
    w.append('1', 's')
    w.settle('1')
    expect([Object.keys(w.s('0').peers), Object.keys(w.s('1').peers)]).toEqual([['1'], ['0']])
    expect(told(w, '1', 'peersChanged').at(-1)).toEqual({ type: 'peersChanged', peers: ['0'] })
  })

  it('is cut with the log: a retired_committed that is rolled back finishes nobody', () => {
    const w = new World(['0', '1', '2'])
    w.begin('0')
    w.appendNaming('0', 'reconfiguration', ['0', '1'])
    w.append('0', 's')
    w.settle('0')
    w.appendNaming('0', 'retiredCommitted', ['2'])
    w.drop()
    w.elect('1', ['0'])
    w.append('1', 's')
    w.settle('1')
    expect([w.s('0').retiredCommitted, Object.keys(w.s('0').peers).sort()]).toEqual([[], ['1', '2']])
  })
})

describe('learners', () => {
  const learners = (w: World, nodes: readonly string[]) =>
    w.event('0', { type: 'setLearners', nodes: nodes as NodeId[] }, 'executor')

  it('begin anew when the leader says that its log begins later, if they hold nothing and it leads their view', () => {
    const w = new World(['0', '1', '2'])
    w.begin('0', ['0', '1'])
    w.network = []
    learners(w, ['2'])
    w.event('0', { type: 'heartbeatTimeout' })
    const [heartbeat] = w.network.filter(({ to }) => to === '2')
    const greeting = heartbeat!.message as AppendEntries
    w.event('2', { ...greeting, prevIdx: 0, prevView: 0, idx: 0, viewOfIdx: 0, records: [] }, 'replica@0')
    expect([w.value('2'), w.log('2')]).toEqual(['follower', ''])
    w.event('2', { type: 'LogBeginsLater', view: 1, firstIdx: 40 }, 'replica@0')
    expect(told(w, '2', 'beyondReach')).toEqual([])
    w.event('2', { type: 'LogBeginsLater', view: 2, firstIdx: 40 }, 'replica@0')
    expect(told(w, '2', 'beyondReach')).toHaveLength(1)
    w.event('1', { type: 'LogBeginsLater', view: 2, firstIdx: 40 }, 'replica@0')
    expect([w.log('1') !== '', told(w, '1', 'beyondReach')]).toEqual([true, []])
  })

  it('that hold too little to be continued say so, to the leader of their own view only', () => {
    const w = new World(['0', '1', '2'])
    w.begin('0', ['0', '1'])
    learners(w, ['2'])
    w.event('0', { type: 'heartbeatTimeout' })
    w.settle('0')
    expect(w.log('2')).not.toBe('')
    w.event('2', { type: 'LogBeginsLater', view: 1, firstIdx: 40 }, 'replica@0')
    const next = w.s('2').log.end
    w.event('2', { type: 'LogBeginsLater', view: 2, firstIdx: next }, 'replica@0')
    expect(told(w, '2', 'outrun')).toEqual([])
    w.event('2', { type: 'LogBeginsLater', view: 2, firstIdx: next + 1 }, 'replica@0')
    expect([told(w, '2', 'outrun').length, told(w, '2', 'beyondReach')]).toEqual([1, []])
  })

  it('get the log, count in no quorum, and are told of once when they hold what is committed', () => {
    const w = new World(['0', '1', '2'])
    w.begin('0', ['0', '1'])
    w.append('0', 'ts')
    w.settle('0')
    learners(w, ['2'])
    w.event('0', { type: 'heartbeatTimeout' })
    w.settle('0')
    expect([w.log('2'), told(w, '0', 'learnerCaughtUp')]).toEqual([
      '2c 2s 2 2s',
      [{ type: 'learnerCaughtUp', node: '2' }],
    ])
    w.append('0', 's')
    w.drop({ to: '1' })
    w.deliverAll()
    expect([w.commit('0'), w.s('0').peers['2' as NodeId]?.matchIdx]).toEqual([4, 5])
  })

  it('become members with what they hold, and are forgotten with the leadership', () => {
    const w = new World(['0', '1', '2', '3'])
    w.begin('0', ['0', '1'])
    learners(w, ['2', '3'])
    w.settle('0')
    w.appendNaming('0', 'reconfiguration', ['0', '1', '2'])
    expect([w.s('0').learners.map(({ node }) => node), w.s('0').peers['2' as NodeId]?.matchIdx]).toEqual([['3'], 2])
    w.now += 1000
    w.event('0', { type: 'quorumTimeout' })
    expect([w.value('0'), Object.keys(w.s('0').peers).sort()]).toEqual(['follower', ['1', '2']])
  })

  it('are not asked to stand when the leader hands over', () => {
    const w = new World(['0', '1', '2'])
    w.begin('0', ['0', '1'])
    learners(w, ['2'])
    w.settle('0')
    w.network = []
    w.event('0', { type: 'proposeSuccessor' })
    expect(w.network.map(({ to, message }) => [to, message.type])).toEqual([['1', 'ProposeRequestVote']])
  })
})

describe('a leader whose ledger breaks', () => {
  it('asks another node to lead before it halts', () => {
    const w = new World(['0', '1', '2'])
    w.begin('0')
    w.event('0', { type: 'ledgerBroken', reason: 'ENOSPC' }, 'ledger-writer')
    expect([w.value('0'), w.network.map(({ message }) => message.type)]).toEqual(['halted', ['ProposeRequestVote']])
    w.deliverAll()
    expect([w.value('1'), w.s('1').currentView]).toEqual(['leader', 3])
  })
})
