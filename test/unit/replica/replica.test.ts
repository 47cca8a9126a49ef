// Goal: the replica does what reference/consensus.md says, sentence by sentence, and does not do what the known bugs did (§19 B2, B3, B5; §20 F1–F3).
// Method: three nodes 0, 1, 2; every message is delivered by hand.
import { describe, expect, it } from 'vitest'
import { World } from './world.ts'

const three = (options = {}): World => {
  const w = new World(['0', '1', '2'], options)
  w.begin('0')
  expect(w.ids.map(w.commit)).toEqual([2, 2, 2])
  return w
}

describe('replication (§6)', () => {
  it('commits a signature that a majority holds, and what precedes it', () => {
    const w = three()
    w.append('0', 'tts')
    expect(w.commit('0')).toBe(2)
    w.deliver({ from: '0', to: '1' })
    w.deliver({ from: '1', to: '0' })
    expect(w.commit('0')).toBe(5)
    expect(w.commit('1')).toBe(2)
    w.settle('0')
    expect(w.ids.map(w.commit)).toEqual([5, 5, 5])
  })

  it('does not commit unsigned entries', () => {
    const w = three()
    w.append('0', 'tt')
    w.settle('0')
    expect(w.ids.map(w.log)).toEqual(Array(3).fill('2c 2s 2 2'))
    expect(w.ids.map(w.commit)).toEqual([2, 2, 2])
  })

  it('acknowledges a signature only when it is durable, and counts its own copy only then', () => {
    const w = three()
    w.diskIsFast = false
    w.append('0', 's')
    w.deliver({ from: '0', to: '1' })
    w.deliver({ from: '1', to: '0' })
    w.deliver({ from: '0', to: '2' })
    w.durable('2', 3)
    w.deliver({ from: '2', to: '0' })
    // One durable copy of three: the leader's own is not.
    expect(w.commit('0')).toBe(2)
    w.durable('0', 3)
    expect(w.commit('0')).toBe(3)
  })

  it('ignores durability reported for entries that were cut since', () => {
    const w = three()
    w.diskIsFast = false
    w.append('1', 's')
    w.event('2', { type: 'durable', epoch: 7, seqno: 99 })
    expect(w.s('2').durableIdx).toBe(2)
  })

  it('finds the point of agreement when logs diverge', () => {
    const w = three()
    w.append('0', 'ttt')
    w.drop()
    w.elect('1', ['2'])
    w.append('1', 'sts')
    w.settle('1')
    expect(w.ids.map(w.log)).toEqual(Array(3).fill('2c 2s 3s 3 3s'))
    expect(w.ids.map(w.commit)).toEqual([5, 5, 5])
  })

  it('answers a burst of NACKs with one message, not with a burst for each', () => {
    const w = three()
    w.append('0', 't'.repeat(40) + 's')
    w.drop({ to: '2' })
    // The network turns the order round: 40 of the 41 messages leave a gap before them.
    w.network.reverse()
    expect(w.deliver({ to: '1' })).toBe(41)
    expect(w.deliver({ to: '0' })).toBe(41)
    expect(w.network.length).toBeLessThanOrEqual(2)
    let delivered = 0
    while (w.network.length > 0) delivered += w.deliver({})
    // All of it once more at most, and the answers.
    expect(delivered).toBeLessThan(10)
    expect(w.commit('0')).toBe(43)
    expect(w.log('1')).toBe(w.log('0'))
  })

  it('does not wait for the answer to a lost message longer than until the next heartbeat', () => {
    const w = three()
    w.append('0', 'ts')
    w.drop()
    w.append('0', 'ts')
    w.deliver({ to: '1' })
    w.deliver({ from: '1' })
    expect(w.drop({ to: '1' })).toHaveLength(1)
    w.event('0', { type: 'heartbeatTimeout' })
    w.deliverAll()
    expect(w.commit('0')).toBe(6)
  })

  it('goes on with a node that commits, and then says nothing to, what it is asked about', () => {
    const w = three()
    w.append('0', 'tsts')
    const entries = w.drop({ to: '1' })
    w.deliver({ to: '2' })
    w.deliver({ from: '2' })
    expect(w.commit('0')).toBe(6)
    // It refuses what follows the gap; then the gap is filled and all of it commits, but those answers are lost.
    w.network = entries.slice(1)
    w.deliver({ to: '1' })
    const nack = w.drop({ from: '1' })[0]!
    w.network = entries
    w.deliver({ to: '1' })
    w.event('0', { type: 'heartbeatTimeout' })
    w.deliver({ to: '1' })
    w.drop()
    expect(w.commit('1')).toBe(6)
    w.network = [nack]
    w.deliver({ to: '0' })
    w.settle('0')
    expect(w.s('0').peers['1' as never]).toMatchObject({ matchIdx: 6 })
  })

  it('refuses an older view and learns a newer one', () => {
    const w = three()
    w.elect('1', ['2'])
    w.drop()
    w.event('0', { type: 'heartbeatTimeout' })
    w.deliver({ from: '0', to: '1', type: 'AppendEntries' })
    w.deliver({ from: '1', to: '0', type: 'AppendEntriesResponse' })
    expect([w.value('0'), w.s('0').currentView]).toEqual(['follower', 3])
  })

  it('answers nothing to entries before its commit index', () => {
    const w = three()
    w.append('0', 'ts')
    const late = w.network.filter(({ to }) => to === '1')
    w.settle('0')
    w.event('1', late[0]!.message, 'replica@0')
    expect(w.network).toEqual([])
  })

  it('does not send or accept proposals of another view or position', () => {
    const w = three()
    const bytes = new Uint8Array(1)
    w.event('0', { type: 'replicate', view: 1, records: [{ seqno: 3, view: 1, kind: 'transaction', bytes }] })
    w.event('0', { type: 'replicate', view: 2, records: [{ seqno: 4, view: 2, kind: 'transaction', bytes }] })
    w.event('1', { type: 'replicate', view: 2, records: [{ seqno: 3, view: 2, kind: 'transaction', bytes }] })
    expect(w.ids.map(w.log)).toEqual(Array(3).fill('2c 2s'))
  })
})

describe('elections (§10)', () => {
  it('elects with a majority, signs first, and drops its unsigned suffix', () => {
    const w = three()
    w.append('0', 't')
    w.deliver({ from: '0', to: '1' })
    w.drop()
    expect(w.log('1')).toBe('2c 2s 2')
    w.elect('1', ['2'])
    expect([w.value('1'), w.s('1').currentView, w.log('1')]).toEqual(['leader', 3, '2c 2s'])
    expect(w.notices.get('1')!.at(-1)).toMatchObject({ type: 'becamePrimary', summary: { view: 3, lastSeqno: 2 } })
  })

  it('gives one vote in a view, to a candidate whose last signature is not behind', () => {
    const w = three()
    w.append('0', 's')
    w.deliver({ from: '0', to: '1' })
    w.drop()
    // 2 lacks signature 3, which 1 holds.
    w.elect('2', ['1'])
    expect(w.value('2')).toBe('candidate')
    w.elect('1', ['2'])
    expect(w.value('1')).toBe('leader')
    const view = w.s('1').currentView
    w.event(
      '2',
      { type: 'RequestVote', view, lastCommittableIdx: 99, viewOfLastCommittableIdx: 99, electionType: 'RegularVote' },
      'replica@0',
    )
    expect(w.network.at(-1)).toMatchObject({ from: '2', to: '0', message: { voteGranted: false } })
  })

  it('asks first with PreVote, in its current view and without voting', () => {
    const w = three({ preVote: true })
    w.event('1', { type: 'electionTimeout' })
    expect([w.value('1'), w.s('1').currentView, w.s('1').votedFor]).toEqual(['preVoteCandidate', 2, undefined])
    w.deliver({ from: '1', to: '2' })
    expect(w.s('2').votedFor).toBeUndefined()
    w.deliver({ from: '2', to: '1' })
    expect([w.value('1'), w.s('1').currentView]).toEqual(['candidate', 3])
  })

  it('does not take pre-votes for votes', () => {
    const w = three()
    w.event('1', { type: 'electionTimeout' })
    w.event('1', { type: 'RequestVoteResponse', view: 3, voteGranted: true, electionType: 'PreVote' }, 'replica@2')
    expect(w.value('1')).toBe('candidate')
  })

  it('steps down when it hears no majority for an election timeout (CheckQuorum)', () => {
    const w = three()
    w.now += 99
    w.event('0', { type: 'quorumTimeout' })
    expect(w.value('0')).toBe('leader')
    w.drop()
    w.now += 1
    w.event('0', { type: 'quorumTimeout' })
    expect([w.value('0'), w.s('0').currentView]).toEqual(['follower', 2])
  })

  it('stands at once when asked to by a leader of its view, and not otherwise', () => {
    const w = three()
    w.event('1', { type: 'ProposeRequestVote', view: 1 }, 'replica@0')
    expect(w.value('1')).toBe('follower')
    w.event('1', { type: 'ProposeRequestVote', view: 2 }, 'replica@0')
    expect([w.value('1'), w.s('1').currentView]).toEqual(['candidate', 3])
  })

  it('leads alone in a service of one node, and commits at once', () => {
    const w = new World(['0'])
    w.begin('0')
    w.append('0', 'ts')
    expect(w.commit('0')).toBe(4)
  })

  it('never stands before it holds a signature of a configuration it is in', () => {
    const w = new World(['0', '1', '2'])
    w.event('1', { type: 'electionTimeout' })
    expect(w.value('1')).toBe('none')
  })

  it('halts when its ledger is broken: no acknowledgement, no vote, no candidacy', () => {
    const w = three()
    w.event('1', { type: 'ledgerBroken', reason: 'ENOSPC' })
    w.append('0', 's')
    w.deliverAll()
    w.event('1', { type: 'electionTimeout' })
    expect([w.value('1'), w.log('1')]).toEqual(['halted', '2c 2s'])
    expect(w.commit('0')).toBe(3)
  })
})

describe('known bugs stay fixed', () => {
  it('B2: a signature of an earlier view is not committed by counting copies', () => {
    const w = three()
    w.append('0', 's')
    w.deliver({ from: '0', to: '1' })
    w.drop()
    w.elect('1', ['0'])
    w.deliverAll()
    w.event('1', { type: 'heartbeatTimeout' })
    w.deliverAll()
    expect([w.s('1').peers['0' as never]!.matchIdx, w.commit('1')]).toEqual([3, 2])
    w.append('1', 's')
    w.settle('1')
    expect(w.commit('1')).toBe(4)
  })

  it('B3: a negative answer never raises what is known to match', () => {
    const w = three()
    w.event('0', { type: 'AppendEntriesResponse', view: 2, lastLogIdx: 50, success: false }, 'replica@1')
    expect(w.s('0').peers['1' as never]!.matchIdx).toBe(2)
  })

  it('B5: an acknowledgement speaks of what was verified, not of the whole log', () => {
    const w = three()
    w.append('0', 'tt')
    w.drop()
    w.elect('1', ['2'])
    w.network = w.network.filter(({ to }) => to === '0')
    w.deliver({ from: '1', to: '0', type: 'AppendEntries' })
    expect(w.network.at(-1)!.message).toMatchObject({ type: 'AppendEntriesResponse', success: true, lastLogIdx: 2 })
  })

  it('F1: a follower commits only what the message verified', () => {
    const w = three()
    w.append('0', 's')
    w.deliver({ from: '0', to: '1' })
    w.drop()
    expect(w.log('1')).toBe('2c 2s 2s')
    // A message of a newer leader that verifies entry 2 only, but speaks of commit 3: another entry 3.
    w.event(
      '1',
      {
        type: 'AppendEntries',
        view: 5,
        prevIdx: 2,
        prevView: 2,
        idx: 2,
        viewOfIdx: 2,
        leaderCommitIdx: 3,
        records: [],
      },
      'replica@2',
    )
    expect(w.commit('1')).toBe(2)
  })

  it('F2: hearing the leader of its own view does not free a vote given in it', () => {
    const w = three({ preVote: true })
    w.event(
      '1',
      { type: 'RequestVote', view: 3, lastCommittableIdx: 2, viewOfLastCommittableIdx: 2, electionType: 'RegularVote' },
      'replica@0',
    )
    expect(w.s('1').votedFor).toBe('0')
    w.event('1', { type: 'electionTimeout' })
    expect(w.value('1')).toBe('preVoteCandidate')
    w.event(
      '1',
      {
        type: 'AppendEntries',
        view: 3,
        prevIdx: 9,
        prevView: 3,
        idx: 9,
        viewOfIdx: 3,
        leaderCommitIdx: 2,
        records: [],
      },
      'replica@0',
    )
    expect([w.value('1'), w.s('1').votedFor]).toEqual(['follower', '0'])
    w.event(
      '1',
      { type: 'RequestVote', view: 3, lastCommittableIdx: 9, viewOfLastCommittableIdx: 9, electionType: 'RegularVote' },
      'replica@2',
    )
    expect(w.network.at(-1)!.message).toMatchObject({ voteGranted: false })
  })

  it('a deposed leader whose log is cut forgets what it believed of others beyond the cut', () => {
    const w = three()
    w.append('0', 'ttt')
    w.deliver({ from: '0', to: '1' })
    w.deliver({ from: '1', to: '0' })
    expect(w.s('0').peers['1' as never]!.matchIdx).toBe(5)
    w.drop()
    w.elect('2', ['1'])
    w.append('2', 's')
    // The invariants, asserted after every step, failed here before.
    w.settle('2')
    expect(w.log('0')).toBe('2c 2s 3s')
    expect(w.s('0').peers['1' as never]!.matchIdx).toBe(2)
  })

  it('F3: stepping down keeps acknowledged unsigned entries', () => {
    const w = three({ preVote: true })
    w.append('0', 't')
    w.deliverAll()
    w.event('1', { type: 'electionTimeout' })
    w.drop()
    w.event('0', { type: 'heartbeatTimeout' })
    w.deliverAll()
    expect([w.value('1'), w.log('1')]).toEqual(['follower', '2c 2s 2'])
    w.append('0', 's')
    w.settle('0')
    expect(w.ids.map(w.commit)).toEqual([4, 4, 4])
  })
})
