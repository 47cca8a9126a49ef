// Goal: a node lets in exactly those that the ledger lists, serves clients exactly while it is trusted, and, removed, stops by itself when its
// removal is final and never before.
import { describe, expect, it } from 'vitest'
import type { Effect } from '../../../actors/effects.ts'
import type { MachineState } from '../../../actors/machine.ts'
import { node } from '../../../actors/node/node.ts'
import type { NodeConfig, NodeEvent, NodeState } from '../../../actors/node/state.ts'
import type { Membership } from '../../../protocols/consensus/messages.ts'
import { nodeId, type NodeId } from '../../../protocols/ids.ts'
import { HANDSHAKES_MAX, REMOVED_PEERS_MAX, SESSIONS_MAX } from '../../../protocols/limits.ts'
import type { NodeStanding } from '../../../protocols/governance/node-row.ts'
import type { Welcome } from '../../../protocols/requests.ts'
import { decodeHello, encodeHello } from '../../../protocols/session/hello.ts'

const id = (name: string): NodeId => nodeId(Buffer.from(name).toString('hex').padEnd(64, '0'))
const [self, alice, bob, carol] = [id('self'), id('alice'), id('bob'), id('carol')]
const SECRETS: Welcome = {
  type: 'welcome',
  servicePrivateKey: Uint8Array.of(1, 2, 3),
  secrets: [{ version: 1, secret: new Uint8Array(32).fill(7) }],
}
const CERTIFICATE = 'a certificate'

const idOf = (session: string): string => session.slice('session/'.length)

class Node {
  #state: MachineState<NodeState>
  #seq = 0
  effects: Effect[] = []

  constructor(options: { readonly founds?: boolean; readonly peers?: readonly NodeId[] } = {}) {
    const config: NodeConfig = {
      nodeId: self,
      peers: options.peers ?? [alice, bob],
      founding: options.founds === true ? SECRETS : undefined,
      joinRetryMs: 200,
      retirementQueryMs: 250,
      farewellMs: 100,
      configs: {
        historian: 'historian',
        snapshotter: 'snapshotter',
        fetcher: (secrets, peers) => ({ secrets, peers }),
        replica: (beginning, viewAtLeast) => beginning ?? { viewAtLeast },
        rpc: 'rpc',
        keeper: 'keeper',
        channel: (peer) => peer,
        executor: (secrets, snapshot) => ({ secrets, snapshot }),
        session: (session) => session,
      },
    }
    this.#state = node.start(config).state
    this.post({ type: 'begin' })
  }

  get phase(): string {
    return this.#state.value
  }

  /** Handles an event; `effects` are those of this one. */
  post(event: NodeEvent, from = 'test'): this {
    const next = node.step(this.#state, { seq: ++this.#seq, at: 0, from, to: 'node', event })
    this.#state = next.state
    for (const { name, broken } of node.invariants) {
      const problem = broken(next.state)
      if (problem !== undefined) throw new Error(`${name}: ${problem}`)
    }
    this.effects = [...next.effects]
    return this
  }

  fromPeer(peer: NodeId, event: NodeEvent): this {
    return this.post(event, `node@${peer}`)
  }

  /** Is let in by a node of the service, and finds no snapshot. */
  joins(peer: NodeId): this {
    return this.fromPeer(peer, SECRETS).post({ type: 'snapshotChosen', snapshot: undefined }, 'snapshot-fetcher')
  }

  ledgerSays(nodes: Readonly<Record<NodeId, NodeStanding>>, certificatePem?: string): this {
    return this.post({ type: 'nodesChanged', nodes, certificatePem }, 'executor')
  }

  membershipIs(membership: Membership): this {
    return this.post({ type: 'membershipChanged', membership }, 'replica')
  }

  primaryIs(primary: NodeId | undefined): this {
    return this.post({ type: 'primaryChanged', primary }, 'executor')
  }

  get started(): string[] {
    return this.effects.flatMap((effect) => (effect.type === 'startActor' ? [effect.address] : []))
  }

  get stopped(): string[] {
    return this.effects.flatMap((effect) => (effect.type === 'stopActor' ? [effect.address] : []))
  }

  get sent(): string[] {
    return this.effects.flatMap((effect) =>
      effect.type === 'send' ? [`${effect.message.type} to ${effect.to.replace('@', ' ')}`] : [],
    )
  }

  get stages(): string[] {
    return this.effects.flatMap((effect) => (effect.type === 'lifecycle' ? [effect.stage] : []))
  }

  get timers(): string[] {
    return this.effects.flatMap((effect) => (effect.type === 'setTimer' ? [effect.name] : []))
  }

  /** A client's hello; the refusal's code if it is refused, else undefined. */
  hello(): string | undefined {
    const payload = encodeHello({ type: 'clientHello', replySubject: '_INBOX.client.1', noise: new Uint8Array(32) })
    this.post({ type: 'received', subject: 'any', reply: undefined, payload }, 'bus')
    const published = this.effects.find((effect) => effect.type === 'publish')
    const answer = published && decodeHello(published.payload)
    return answer?.type === 'sessionRefusal' ? answer.code : undefined
  }

  /** Begins a handshake and gives the address of its session. */
  beginSession(): string {
    expect(this.hello()).toBeUndefined()
    const draw = this.effects.find((effect) => effect.type === 'drawBytes')!
    const bytes = new Uint8Array(16)
    new DataView(bytes.buffer).setUint32(0, this.#seq)
    this.post({ type: 'bytesDrawn', token: draw.token, bytes }, 'host')
    return this.started[0]!
  }

  /** The client of a session proves itself. */
  finishes(session: string): this {
    return this.post({ type: 'sessionOpened', sessionId: idOf(session) }, session)
  }

  openSession(): string {
    const session = this.beginSession()
    this.finishes(session)
    return session
  }
}

const trusted = (...nodes: NodeId[]): Record<NodeId, NodeStanding> =>
  Object.fromEntries(nodes.map((each) => [each, 'Trusted']))

/** A node of three that serves and knows its primary. */
const serving = (): Node =>
  new Node({ founds: true }).ledgerSays(trusted(self, alice, bob), CERTIFICATE).primaryIs(alice)

describe('letting nodes in', () => {
  const askedBy = (founder: Node, peer: NodeId): boolean =>
    founder.fromPeer(peer, { type: 'joinRequest' }).sent.includes(`welcome to node ${peer}`)

  it('is for those that the ledger lists as Pending or Trusted', () => {
    const founder = new Node({ founds: true })
    expect(askedBy(founder, alice)).toBe(false)
    founder.ledgerSays({ ...trusted(self, alice), [carol]: 'Pending' }, CERTIFICATE)
    expect(askedBy(founder, alice)).toBe(true)
    expect(askedBy(founder, carol)).toBe(true)
    // A peer without a row, and one nobody has heard of.
    expect(askedBy(founder, bob)).toBe(false)
    expect(askedBy(founder, id('mallory'))).toBe(false)
    founder.ledgerSays({ ...trusted(self), [alice]: 'Retired', [carol]: 'RetiredCommitted' }, CERTIFICATE)
    expect(askedBy(founder, alice)).toBe(false)
    expect(askedBy(founder, carol)).toBe(false)
  })

  it('gives them what the service has, on any node that has it', () => {
    const joined = new Node().joins(bob).ledgerSays({ [carol]: 'Pending' })
    expect(joined.fromPeer(carol, { type: 'joinRequest' }).effects[0]).toMatchObject({ type: 'send', message: SECRETS })
  })

  it('is not asked of a node that has nothing yet', () => {
    expect(new Node().fromPeer(alice, { type: 'joinRequest' }).effects).toEqual([])
  })
})

describe('joining', () => {
  it('asks every node it knows of, again and again, until one of them answers', () => {
    const joiner = new Node()
    expect(joiner.phase).toBe('pending')
    expect(joiner.started).toEqual([`channel/${alice}`, `channel/${bob}`, 'snapshotter'])
    const questions = [`joinRequest to node ${alice}`, `joinRequest to node ${bob}`]
    expect(joiner.sent).toEqual(questions)
    expect(joiner.post({ type: 'joinRetry' }).sent).toEqual(questions)
    expect(joiner.timers).toEqual(['joinRetry'])
    joiner.fromPeer(carol, SECRETS)
    joiner.post(SECRETS, 'session/1')
    expect([joiner.phase, joiner.effects]).toEqual(['pending', []])
    joiner.fromPeer(bob, SECRETS)
    expect([joiner.phase, joiner.started]).toEqual(['findingSnapshot', ['snapshot-fetcher']])
    expect(joiner.post({ type: 'joinRetry' }).effects).toEqual([])
    joiner.post({ type: 'snapshotChosen', snapshot: undefined }, 'snapshot-fetcher')
    expect([joiner.phase, joiner.stopped]).toEqual(['catchingUp', ['snapshot-fetcher']])
    expect(joiner.started).toEqual(['ledger-writer', 'replica', 'executor', 'historian', 'keeper'])
    expect(joiner.fromPeer(alice, SECRETS).effects).toEqual([])
  })

  it('begins at the snapshot that was found: replica, ledger and executor alike', () => {
    const log = {
      seqno: 20,
      view: 3,
      viewHistory: [1, 1, 9],
      configuration: { idx: 7, nodes: [alice, bob] },
      removed: [carol],
    }
    const snapshot = { fileName: 'snapshot_20_21.committed', bytes: Uint8Array.of(1), log }
    const joiner = new Node().fromPeer(bob, SECRETS)
    joiner.post({ type: 'snapshotChosen', snapshot }, 'snapshot-fetcher')
    const configs = joiner.effects.flatMap((effect) => (effect.type === 'startActor' ? [effect.config] : []))
    expect(configs).toEqual([{ committed: 20 }, log, { secrets: SECRETS, snapshot }, 'historian', 'keeper'])
  })

  it('asks anew for secrets and a snapshot when it holds nothing and the leader cannot give it the first entry', () => {
    const joiner = new Node().joins(bob)
    joiner.post({ type: 'beyondReach', view: 5, leader: carol }, 'replica')
    // Nobody had told it of the leader yet.
    expect([joiner.phase, joiner.started]).toEqual(['pending', [`channel/${carol}`]])
    expect(joiner.stopped).toEqual(['executor', 'replica', 'ledger-writer'])
    const asked = joiner.effects.flatMap((effect) => (effect.type === 'send' ? [effect.to] : []))
    expect(asked).toEqual([alice, bob, carol].map((peer) => `node@${peer}`))
    joiner.post({ type: 'beyondReach', view: 5, leader: carol }, 'replica')
    expect(joiner.effects).toEqual([])
    const more = { ...SECRETS, secrets: [...SECRETS.secrets, { version: 9, secret: new Uint8Array(32).fill(8) }] }
    joiner.fromPeer(carol, more)
    const fetcher = joiner.effects.find((effect) => effect.type === 'startActor')
    expect(fetcher).toMatchObject({ config: { secrets: more, peers: [alice, bob, carol] } })
    joiner.post({ type: 'snapshotChosen', snapshot: undefined }, 'snapshot-fetcher')
    expect([joiner.phase, joiner.started]).toEqual(['catchingUp', ['ledger-writer', 'replica', 'executor']])
    // It may have voted there: views only grow.
    const again = joiner.effects.find((effect) => effect.type === 'startActor' && effect.kind === 'replica')
    expect(again).toMatchObject({ config: { viewAtLeast: 5 } })
    // An answer to an earlier question takes nothing away.
    joiner.post({ type: 'beyondReach', view: 5, leader: carol }, 'replica')
    joiner.fromPeer(alice, SECRETS)
    expect(joiner.effects.find((effect) => effect.type === 'startActor')).toMatchObject({ config: { secrets: more } })
    const serves = new Node().joins(bob).ledgerSays(trusted(alice, bob, self), CERTIFICATE)
    expect(serves.post({ type: 'beyondReach', view: 5, leader: alice }, 'replica').effects).toEqual([])
  })

  it('stops when what it holds cannot be continued any more, unless it takes part already', () => {
    const joiner = new Node().joins(bob)
    joiner.post({ type: 'outrun' }, 'replica')
    expect([joiner.phase, joiner.stages]).toEqual(['outrun', ['outrun']])
    expect(joiner.ledgerSays(trusted(alice, bob, self), CERTIFICATE).effects).toEqual([])
    const serves = new Node().joins(bob).ledgerSays(trusted(alice, bob, self), CERTIFICATE)
    expect([serves.post({ type: 'outrun' }, 'replica').effects, serves.phase]).toEqual([[], 'partOfNetwork'])
  })

  it('serves clients only when the ledger has its certificate, and it is Trusted', () => {
    const joiner = new Node()
    expect(joiner.hello()).toBe('FrontendNotOpen')
    joiner.joins(bob)
    expect(joiner.hello()).toBe('FrontendNotOpen')
    joiner.ledgerSays({ ...trusted(alice, bob), [self]: 'Pending' })
    joiner.ledgerSays({ ...trusted(alice, bob), [self]: 'Retired' }, CERTIFICATE)
    expect([joiner.phase, joiner.stages]).toEqual(['catchingUp', []])
    joiner.ledgerSays(trusted(alice, bob, self), CERTIFICATE)
    expect([joiner.phase, joiner.stages, joiner.started]).toEqual(['partOfNetwork', ['serving'], ['rpc']])
    joiner.beginSession()
    const start = joiner.effects.find((effect) => effect.type === 'startActor')!
    expect(start.config).toMatchObject({ nodeCertificatePem: CERTIFICATE, replySubject: '_INBOX.client.1' })
  })
})

describe('channels', () => {
  it('are opened to whoever the ledger lists, and kept to what the operator named', () => {
    const joiner = new Node().joins(alice)
    const [old1, old2] = [id('old 1'), id('old 2')]
    // History as it is read: the service once had other nodes, and not yet those that this node knows of.
    joiner.ledgerSays(trusted(old1, old2))
    expect([joiner.started, joiner.stopped]).toEqual([[`channel/${old1}`, `channel/${old2}`], []])
    joiner.ledgerSays({ ...trusted(alice, bob), [old1]: 'RetiredCommitted', [old2]: 'Retired', [self]: 'Pending' })
    expect([joiner.started, joiner.stopped]).toEqual([[], []])
  })

  it(`are kept to the last ${REMOVED_PEERS_MAX} nodes that were removed for good, so that they can ask`, () => {
    const founder = serving()
    const removed = Array.from({ length: REMOVED_PEERS_MAX + 2 }, (_, i) => id(`removed ${i}`))
    const all = trusted(self, alice, bob)
    for (const each of removed) founder.ledgerSays({ ...all, [each]: 'Trusted' })
    for (const each of removed) all[each] = 'RetiredCommitted'
    founder.ledgerSays(all)
    expect(founder.stopped).toEqual([`channel/${removed[0]}`, `channel/${removed[1]}`])
    expect(founder.started).toEqual([])
    founder.fromPeer(removed[2]!, { type: 'retirementQuery' })
    expect(founder.sent).toEqual([`retiredCommitted to node ${removed[2]}`])
    expect(founder.fromPeer(removed[0]!, { type: 'retirementQuery' }).sent).toEqual([])
  })
})

describe('clients', () => {
  it(`that only say hello take no place from others: of more than ${HANDSHAKES_MAX}, the oldest are dropped`, () => {
    const node = serving()
    const honest = node.openSession()
    const idle = Array.from({ length: HANDSHAKES_MAX }, () => node.beginSession())
    expect(node.stopped).toEqual([])
    const late = node.beginSession()
    expect(node.stopped).toEqual([idle[0]])
    // The one that was dropped can finish nothing any more; another that takes its time can.
    expect(node.finishes(idle[0]!).sent).toEqual([])
    expect(node.finishes(idle[1]!).sent).toEqual(['nodeCounters to executor'])
    node.beginSession()
    expect(node.stopped).toEqual([])
    for (const session of [honest, late]) {
      node.post({ type: 'sessionEnded', sessionId: idOf(session) }, session)
    }
    expect(node.hello()).toBeUndefined()
  })

  it(`that say hello in a burst wait for no more than ${HANDSHAKES_MAX} session ids: the oldest are dropped`, () => {
    const node = serving()
    const tokens = Array.from({ length: HANDSHAKES_MAX + 2 }, () => {
      expect(node.hello()).toBeUndefined()
      return node.effects.find((effect) => effect.type === 'drawBytes')!.token as number
    })
    const started = tokens.map((token, i) => {
      const bytes = new Uint8Array(16)
      new DataView(bytes.buffer).setUint32(0, i)
      return node.post({ type: 'bytesDrawn', token, bytes }, 'host').started.length
    })
    expect(started.slice(0, 3)).toEqual([0, 0, 1])
    expect(started.reduce((sum, count) => sum + count)).toBe(HANDSHAKES_MAX)
  })

  it(`are ${SESSIONS_MAX} at most, not counting those that have not proven themselves`, () => {
    const node = serving()
    const sessions = Array.from({ length: SESSIONS_MAX }, () => node.openSession())
    expect(node.hello()).toBe('SessionCapExhausted')
    node.post({ type: 'sessionEnded', sessionId: idOf(sessions[5]!) }, sessions[5])
    expect(node.hello()).toBeUndefined()
  })
})

describe('a node that is removed', () => {
  const PHASES: readonly Membership[] = ['RetirementOrdered', 'RetirementSigned', 'RetirementCompleted']

  it('goes on as before, but takes no new clients and asks the others whether that is final', () => {
    const leaving = serving()
    const session = leaving.openSession()
    for (const phase of PHASES) {
      leaving.membershipIs(phase)
      expect(leaving.phase).toBe('retiring')
      expect(leaving.stopped).toEqual([])
    }
    expect(leaving.hello()).toBe('FrontendNotOpen')
    expect(leaving.post({ type: 'askPeer' }).sent).toEqual([`retirementQuery to node ${alice}`])
    expect(leaving.timers).toEqual(['askPeer'])
    expect(leaving.post({ type: 'askPeer' }).sent).toEqual([`retirementQuery to node ${bob}`])
    expect(leaving.post({ type: 'askPeer' }).sent).toEqual([`retirementQuery to node ${alice}`])
    // It still lets others in: they may need it.
    leaving.ledgerSays({ ...trusted(alice, bob), [self]: 'Retired', [carol]: 'Pending' }, CERTIFICATE)
    expect(leaving.fromPeer(carol, { type: 'joinRequest' }).sent).toEqual([`welcome to node ${carol}`])
    expect(leaving.post({ type: 'sessionEnded', sessionId: idOf(session) }).sent).toHaveLength(1)
  })

  it('is led to by clients no more from the first sign on, and again when that is rolled back', () => {
    const leaving = serving()
    expect(leaving.membershipIs('RetirementOrdered').stages).toEqual(['leaving'])
    expect(leaving.membershipIs('Active').stages).toEqual(['serving'])
    expect(leaving.started).toEqual([])
    expect(leaving.phase).toBe('partOfNetwork')
    expect(leaving.hello()).toBeUndefined()
    expect(leaving.post({ type: 'askPeer' }).effects).toEqual([])
  })

  it('before it ever served goes back to catching up when that is rolled back', () => {
    const joiner = new Node().joins(bob).primaryIs(alice)
    expect(joiner.membershipIs('RetirementOrdered').phase).toBe('retiring')
    expect(joiner.membershipIs('Active').phase).toBe('catchingUp')
    expect(joiner.hello()).toBe('FrontendNotOpen')
    expect(joiner.ledgerSays(trusted(self, alice), CERTIFICATE).phase).toBe('partOfNetwork')
  })

  it('stops when another says that its removal is final: clients are told, then the node ends', () => {
    const leaving = serving()
    const sessions = [leaving.openSession(), leaving.openSession()]
    leaving.membershipIs('RetirementCompleted')
    leaving.fromPeer(bob, { type: 'retiredCommitted' })
    expect(leaving.phase).toBe('retired')
    expect(leaving.stages).toEqual(['leaving'])
    expect(leaving.sent).toEqual(sessions.map((session) => `closeSession to ${session}`))
    expect(leaving.timers).toEqual(['farewell'])
    expect(leaving.hello()).toBe('FrontendNotOpen')
    expect(leaving.post({ type: 'farewell' }).stages).toEqual(['retired'])
  })

  it('stops when its own log says so', () => {
    for (const phase of ['partOfNetwork', 'retiring']) {
      const leaving = serving()
      if (phase === 'retiring') leaving.membershipIs('RetirementCompleted')
      leaving.membershipIs('RetiredCommitted')
      expect(leaving.phase).toBe('retired')
    }
  })

  it('believes no stranger, and no answer to a question it had no reason to ask', () => {
    const node1 = serving()
    node1.fromPeer(alice, { type: 'retiredCommitted' })
    expect(node1.phase).toBe('partOfNetwork')
    node1.membershipIs('RetirementCompleted')
    node1.fromPeer(id('mallory'), { type: 'retiredCommitted' })
    node1.post({ type: 'retiredCommitted' }, 'session/1')
    expect(node1.phase).toBe('retiring')
  })

  it('that was cut off meanwhile asks when it finds no primary any more', () => {
    const cutOff = serving()
    expect(cutOff.primaryIs(undefined).timers).toEqual(['askPeer'])
    expect(cutOff.post({ type: 'askPeer' }).sent).toHaveLength(1)
    cutOff.primaryIs(bob)
    expect(cutOff.post({ type: 'askPeer' }).effects).toEqual([])
    cutOff.primaryIs(undefined)
    cutOff.fromPeer(alice, { type: 'retiredCommitted' })
    expect(cutOff.phase).toBe('retired')
  })

  it('is answered from the committed ledger, and only with a yes', () => {
    const other = serving()
    for (const standing of ['Trusted', 'Retired'] as const) {
      other.ledgerSays({ ...trusted(self, bob), [alice]: standing }, CERTIFICATE)
      expect(other.fromPeer(alice, { type: 'retirementQuery' }).effects).toEqual([])
    }
    other.ledgerSays({ ...trusted(self, bob), [alice]: 'RetiredCommitted' }, CERTIFICATE)
    expect(other.fromPeer(alice, { type: 'retirementQuery' }).sent).toEqual([`retiredCommitted to node ${alice}`])
  })

  it('does not ask those of whom it knows that they are gone themselves', () => {
    const leaving = serving().membershipIs('RetirementCompleted')
    leaving.ledgerSays({ [self]: 'Retired', [bob]: 'Trusted', [alice]: 'RetiredCommitted' }, CERTIFICATE)
    for (let i = 0; i < 3; i++) {
      expect(leaving.post({ type: 'askPeer' }).sent).toEqual([`retirementQuery to node ${bob}`])
    }
  })
})
