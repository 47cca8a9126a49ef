// Goal: two channel actors agree on keys over a network that loses, duplicates, reorders and forges, whoever begins and however often either
// starts anew; and a message that arrives is the message that was sent, once, in the name of the right node.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { erase } from '../../../actors/actor.ts'
import { channel } from '../../../actors/channel/channel.ts'
import { channelBinding } from '../../../actors/channel/identity.ts'
import type { ChannelConfig } from '../../../actors/channel/state.ts'
import { utf8 } from '../../../protocols/codec/bytes.ts'
import { nodeIdOf } from '../../../protocols/crypto/certificate.ts'
import { InvariantViolation } from '../../../protocols/errors.ts'
import type { NodeId } from '../../../protocols/ids.ts'
import { CHANNEL_QUEUE_BYTES_MAX } from '../../../protocols/limits.ts'
import type { Welcome } from '../../../protocols/requests.ts'
import { decodeHello } from '../../../protocols/session/hello.ts'
import { channelSubject } from '../../../protocols/subjects.ts'
import { channelPayload, crypto, identity, SERVICE, type Identity } from './identities.ts'
import { seeded, TinyHost, type Published } from './tiny-host.ts'

// P-256: the properties below do thousands of handshakes.
const named = (name: string): Identity => identity(name, { curve: 'P-256' })
const idOf = (who: Identity): NodeId => nodeIdOf(crypto, who.certificate)
const [low, high] = [named('channel node 1'), named('channel node 2')].sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1)) as [
  Identity,
  Identity,
]
const stranger = named('channel node 3')

const RETRY_MIN_MS = 100
const RETRY_MAX_MS = 1000
const SILENCE_MS = 2000

const payloads = new Map([low, high, stranger].map((who) => [who, channelPayload(who)]))
const config = (own: Identity, peer: Identity, proof: Identity = own): ChannelConfig => ({
  crypto,
  service: SERVICE,
  binding: channelBinding(crypto, SERVICE),
  nodeId: idOf(own),
  peer: idOf(peer),
  staticKey: proof.staticKey,
  identityPayload: payloads.get(proof)!,
  retryMinMs: RETRY_MIN_MS,
  retryMaxMs: RETRY_MAX_MS,
  silenceMs: SILENCE_MS,
})

type Fate = 'deliver' | 'drop' | 'hold' | 'twice' | 'corrupt'

/** Two nodes and the wire between them. Each node is a host of its own with one channel. */
class Pair {
  readonly nodes: readonly [TinyHost, TinyHost]
  readonly addresses = [`channel/${idOf(high)}`, `channel/${idOf(low)}`] as const
  readonly wire: { readonly to: 0 | 1; readonly payload: Uint8Array }[] = []
  readonly log: Published[] = []
  fate: () => Fate = () => 'deliver'

  constructor(seed = 1) {
    this.nodes = [new TinyHost(seed), new TinyHost(seed + 1)]
    this.nodes.forEach((host, i) => {
      host.onPublish = (message) => {
        this.log.push(message)
        const to = i === 0 ? 1 : 0
        const receiver = to === 0 ? low : high
        expect(message.subject).toBe(channelSubject(SERVICE, idOf(receiver), idOf(i === 0 ? low : high)))
        this.wire.push({ to, payload: message.payload })
      }
    })
  }

  start(which: 0 | 1, proof?: Identity): void {
    const [own, peer] = which === 0 ? [low, high] : [high, low]
    this.nodes[which].start(this.addresses[which], erase(channel), config(own, peer, proof))
  }

  startBoth(): this {
    this.start(0)
    this.start(1)
    return this
  }

  /** Delivers what is on the wire, and what follows from it, as fate decides. */
  settle(rounds = 200): void {
    for (let i = 0; i < rounds && this.wire.length > 0; i++) this.deliver(this.wire.shift()!)
  }

  deliver(message: { readonly to: 0 | 1; readonly payload: Uint8Array }): void {
    const fate = this.fate()
    if (fate === 'drop') return
    if (fate === 'hold') {
      this.wire.push(message)
      return
    }
    const payload = message.payload.slice()
    if (fate === 'corrupt') payload[payload.length - 1]! ^= 1
    const { to } = message
    this.nodes[to].receive(this.addresses[to], payload)
    if (fate === 'twice') this.nodes[to].receive(this.addresses[to], payload)
  }

  pass(ms: number, stepMs = 50): void {
    for (let passed = 0; passed < ms; passed += stepMs) {
      for (const node of this.nodes) node.advance(stepMs)
      this.settle()
    }
  }

  say(from: 0 | 1, view: number): void {
    const message = { type: 'ProposeRequestVote', view }
    this.nodes[from].post(
      this.addresses[from],
      { type: 'transmit', fromActor: 'replica', toActor: 'replica', message } as never,
      'replica',
    )
  }

  heard(by: 0 | 1): readonly number[] {
    return this.nodes[by].sent.map(({ message }) => (message as unknown as { readonly view: number }).view)
  }

  phases(): readonly (string | undefined)[] {
    return [this.nodes[0].describe(this.addresses[0]), this.nodes[1].describe(this.addresses[1])]
  }
}

const established = ['established', 'established']

describe('a quiet network', () => {
  it('agrees, and delivers in the name of the remote actor, in order', () => {
    const pair = new Pair().startBoth()
    pair.pass(200)
    expect(pair.phases()).toEqual(established)
    for (let i = 1; i <= 20; i++) pair.say((i % 2) as 0 | 1, i)
    pair.settle()
    expect(pair.heard(0)).toEqual([1, 3, 5, 7, 9, 11, 13, 15, 17, 19])
    expect(pair.heard(1)).toEqual([2, 4, 6, 8, 10, 12, 14, 16, 18, 20])
    expect(pair.nodes[1].sent[0]).toMatchObject({ from: `replica@${idOf(low)}`, to: 'replica' })
  })

  it('takes three hellos and one confirmation: the lower node begins', () => {
    const pair = new Pair().startBoth()
    pair.pass(200)
    expect(pair.log.map(({ from, payload }) => [from, decodeHello(payload)?.type])).toEqual([
      [pair.addresses[0], 'channelHello'],
      [pair.addresses[1], 'channelAnswer'],
      [pair.addresses[0], 'channelFinish'],
      [pair.addresses[1], undefined],
    ])
  })

  it('keeps what is said before there are keys, up to a bound, the newest', () => {
    const pair = new Pair()
    pair.start(0)
    const servicePrivateKey = new Uint8Array(4000)
    const count = Math.ceil((1.5 * CHANNEL_QUEUE_BYTES_MAX) / servicePrivateKey.length)
    for (let i = 0; i < count; i++) {
      const message = {
        type: 'welcome',
        servicePrivateKey,
        secrets: [{ version: 1 + i, secret: new Uint8Array(32) }],
      }
      pair.nodes[0].post(
        pair.addresses[0],
        { type: 'transmit', fromActor: 'node', toActor: 'node', message } as never,
        'node',
      )
    }
    expect(pair.nodes[0].tracesOf('channelQueueOverflow')).toBeGreaterThan(0)
    pair.start(1)
    for (let i = 0; i < 20; i++) {
      pair.pass(50)
      pair.settle(10_000)
    }
    const numbers = pair.nodes[1].sent.map(({ message }) => (message as unknown as Welcome).secrets[0]!.version - 1)
    expect(numbers.at(-1)).toBe(count - 1)
    expect(numbers).toEqual(numbers.map((_, i) => numbers[0]! + i))
    expect(numbers.length * 4000).toBeLessThanOrEqual(CHANNEL_QUEUE_BYTES_MAX)
    expect(numbers.length * 4000).toBeGreaterThan(CHANNEL_QUEUE_BYTES_MAX / 2)
  })

  it('does not carry what is not for other nodes', () => {
    const pair = new Pair().startBoth()
    const foreign = { type: 'transmit', fromActor: 'replica', toActor: 'replica', message: { type: 'execute' } }
    expect(() => pair.nodes[0].post(pair.addresses[0], foreign as never)).toThrow(InvariantViolation)
  })
})

describe('identity', () => {
  it.each([0, 1] as const)('refuses a peer that proves another identity (node %i)', (which) => {
    const pair = new Pair()
    pair.start(which, stranger)
    pair.start(which === 0 ? 1 : 0)
    pair.pass(5000)
    expect(pair.phases()).not.toContain('established')
    expect(pair.nodes[which === 0 ? 1 : 0].tracesOf('channelPeerRefused')).toBeGreaterThan(0)
    expect(
      pair.log.map(({ payload }) => decodeHello(payload)).filter((hello) => hello?.type === 'channelRefusal')[0],
    ).toMatchObject({
      code: 'InvalidAuthenticationInfo',
    })
  })
})

describe('starting anew', () => {
  it.each([0, 1] as const)(
    'a node that lost its keys is answered; the other keeps its own until then (node %i)',
    (which) => {
      const pair = new Pair().startBoth()
      pair.pass(200)
      pair.start(which)
      pair.pass(1000)
      expect(pair.phases()).toEqual(established)
      pair.say(0, 5)
      pair.say(1, 6)
      pair.settle()
      expect([pair.heard(0), pair.heard(1)]).toEqual([[6], [5]])
    },
  )

  it('traffic flows under the old keys while new ones are agreed', () => {
    const pair = new Pair().startBoth()
    pair.pass(200)
    // Silence makes the keys suspect to the sender, though nothing is wrong with them.
    pair.say(0, 1)
    pair.settle()
    pair.nodes[0].advance(SILENCE_MS)
    pair.say(0, 2)
    expect(pair.phases()[0]).toBe('awaitingAnswer')
    pair.say(0, 3)
    pair.say(1, 4)
    pair.settle()
    expect(pair.phases()).toEqual(established)
    pair.say(0, 5)
    pair.say(1, 6)
    pair.settle()
    expect([pair.heard(0), pair.heard(1)]).toEqual([
      [4, 6],
      [1, 2, 3, 5],
    ])
  })

  it('an initiator may use its old keys until the switch is confirmed', () => {
    const pair = new Pair().startBoth()
    pair.pass(200)
    pair.say(0, 1)
    pair.settle()
    pair.nodes[0].advance(SILENCE_MS)
    pair.say(0, 2)
    // On the wire: frame 2 and the hello; then the answer; then the finish, with which the other node switches.
    for (let i = 0; i < 3; i++) pair.deliver(pair.wire.shift()!)
    expect(pair.phases()).toEqual(['awaitingConfirmation', 'awaitingFinish'])
    pair.say(0, 3)
    pair.deliver(pair.wire.shift()!)
    expect(pair.phases()).toEqual(['awaitingConfirmation', 'established'])
    pair.settle()
    expect(pair.phases()).toEqual(established)
    expect(pair.heard(1)).toEqual([1, 2, 3])
  })

  it('when both begin at once, the lower node goes on', () => {
    const pair = new Pair().startBoth()
    pair.nodes[0].advance(0)
    pair.nodes[1].advance(2 * RETRY_MIN_MS)
    expect(pair.phases()).toEqual(['awaitingAnswer', 'awaitingAnswer'])
    pair.settle()
    expect(pair.phases()).toEqual(established)
    const roles = pair.nodes.map(
      (host) => host.traces.find(({ point }) => point === 'channelEstablished')?.fields.fields,
    )
    expect(roles).toEqual([{ initiator: true }, { initiator: false }])
  })

  it('frames that do not open make the keys suspect', () => {
    const pair = new Pair().startBoth()
    pair.pass(200)
    const before = pair.log.length
    for (let i = 0; i < 8; i++) {
      const forged = new Uint8Array(60).fill(0x81)
      pair.nodes[1].receive(pair.addresses[1], forged)
    }
    expect(decodeHello(pair.log[before]!.payload)).toMatchObject({ type: 'channelHello' })
    pair.pass(500)
    expect(pair.phases()).toEqual(established)
  })

  it('a replayed hello disturbs nothing', () => {
    const pair = new Pair().startBoth()
    pair.pass(200)
    const hello = pair.log.find(({ payload }) => decodeHello(payload)?.type === 'channelHello')!
    pair.nodes[1].receive(pair.addresses[1], hello.payload)
    pair.say(0, 1)
    pair.say(1, 2)
    pair.pass(3000)
    expect(pair.phases()).toEqual(established)
    expect([pair.heard(0), pair.heard(1)]).toEqual([[2], [1]])
  })

  it('garbage is ignored', () => {
    const pair = new Pair().startBoth()
    pair.pass(200)
    for (const junk of [new Uint8Array(0), utf8('junk'), Uint8Array.of(0x11, 1), Uint8Array.of(0x11, 9, 0)]) {
      pair.nodes[0].receive(pair.addresses[0], junk)
    }
    expect(pair.phases()).toEqual(established)
  })
})

describe('any network', () => {
  it('never delivers twice or what was not sent; once it heals, the channel works', () => {
    const fates: readonly Fate[] = ['deliver', 'deliver', 'drop', 'hold', 'twice', 'corrupt']
    const action = fc.constantFrom('say', 'pass', 'pass', 'settle', 'restart', 'lateReplay')
    fc.assert(
      fc.property(fc.nat(), fc.array(action, { minLength: 5, maxLength: 40 }), (seed, plan) => {
        const random = seeded(seed)
        const pair = new Pair(seed)
        pair.fate = () => fates[Math.floor(random() * fates.length)]!
        pair.startBoth()
        let said = 0
        for (const what of plan) {
          const which = random() < 0.5 ? 0 : 1
          if (what === 'say') pair.say(which, ++said)
          else if (what === 'pass') pair.pass(Math.floor(random() * 1500))
          else if (what === 'settle') pair.settle()
          // A node that starts anew begins with nothing; what it was told before does not count again.
          else if (what === 'restart') pair.start(which)
          else if (pair.log.length > 0) {
            const old = pair.log[Math.floor(random() * pair.log.length)]!
            const to = old.from === pair.addresses[0] ? 1 : 0
            pair.nodes[to].receive(pair.addresses[to], old.payload)
          }
        }
        for (const by of [0, 1] as const) {
          const views = pair.heard(by)
          expect(new Set(views).size).toBe(views.length)
          for (const view of views) expect(view).toBeLessThanOrEqual(said)
        }
        // Healed. Traffic in both directions shows either side when its keys are no longer the peer's.
        pair.fate = () => 'deliver'
        pair.settle(5000)
        for (let i = 0; i < 12; i++) {
          pair.say(0, ++said)
          pair.say(1, ++said)
          pair.pass(SILENCE_MS / 2)
        }
        pair.say(0, 1_000_000)
        pair.say(1, 1_000_001)
        pair.settle(5000)
        expect(pair.heard(1)).toContain(1_000_000)
        expect(pair.heard(0)).toContain(1_000_001)
      }),
      { seed: 7, numRuns: 60 },
    )
  })
})
