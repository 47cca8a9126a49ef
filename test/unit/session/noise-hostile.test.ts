// Goal: a handshake refuses, as a value, whatever is not the message that is due: cut short, changed in any bit, lengthened, replayed, meant for
// another prologue, or carrying a point of low order. It never throws, and the refused attempt leaves the state usable.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, EMPTY, toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import { InvariantViolation } from '../../../protocols/errors.ts'
import { noisePattern, PATTERN_XX } from '../../../protocols/session/noise-patterns.ts'
import { initHandshake, noiseKeyPair, readMessage, split, writeMessage } from '../../../protocols/session/noise.ts'
import { IMPLEMENTATIONS, native } from './implementations.ts'
import { key, runXX, startXX } from './xx.ts'

const PAYLOADS = [utf8('first, in clear'), utf8('second'), utf8('third')]

describe.each(IMPLEMENTATIONS)('XX with $name', (crypto) => {
  const { steps, initiator, responder } = runXX(crypto, PAYLOADS)

  it('ends with the same keys crossed, the same hash, and each other’s proven static key', () => {
    expect(toHex(initiator.sendKey)).toBe(toHex(responder.receiveKey))
    expect(toHex(initiator.receiveKey)).toBe(toHex(responder.sendKey))
    expect(toHex(initiator.sendKey)).not.toBe(toHex(initiator.receiveKey))
    expect(toHex(initiator.handshakeHash)).toBe(toHex(responder.handshakeHash))
    expect(initiator.remoteStatic).toEqual(noiseKeyPair(crypto, key(2)).publicKey)
    expect(responder.remoteStatic).toEqual(noiseKeyPair(crypto, key(1)).publicKey)
  })

  it('hides static keys and payloads from the second message on', () => {
    const wire = steps.map((step) => toHex(step.message)).join(' ')
    expect(wire).toContain(toHex(PAYLOADS[0]!))
    for (const secret of [PAYLOADS[1]!, PAYLOADS[2]!, initiator.remoteStatic!, responder.remoteStatic!]) {
      expect(wire).not.toContain(toHex(secret))
    }
  })

  it('refuses sealed messages cut anywhere or lengthened', () => {
    for (const { reader, message } of steps.slice(1)) {
      for (let length = 0; length < message.length; length += 7) {
        expect(readMessage(crypto, reader, message.subarray(0, length))).toBeUndefined()
      }
      expect(readMessage(crypto, reader, concat(message, new Uint8Array(1)))).toBeUndefined()
      expect(readMessage(crypto, reader, message)).toBeDefined()
    }
    expect(readMessage(crypto, steps[0]!.reader, steps[0]!.message.subarray(0, 31))).toBeUndefined()
  })

  it('refuses points of low order on both sides', () => {
    const zero = new Uint8Array(32)
    const read = readMessage(crypto, startXX(crypto, false), concat(zero, utf8('x')))!
    expect(writeMessage(crypto, read.state, EMPTY, key(12))).toBeUndefined()
    const { reader, message } = steps[1]!
    expect(readMessage(crypto, reader, concat(zero, message.subarray(32)))).toBeUndefined()
  })

  it('fails at the first sealed message when the prologues differ', () => {
    const first = writeMessage(crypto, startXX(crypto, true), EMPTY, key(11))!
    const read = readMessage(crypto, startXX(crypto, false, utf8('another service')), first.message)!
    const second = writeMessage(crypto, read.state, EMPTY, key(12))!
    expect(readMessage(crypto, first.state, second.message)).toBeUndefined()
  })
})

describe('XX', () => {
  const { steps } = runXX(native, PAYLOADS)

  it('refuses every single changed bit, at once or at the next message', () => {
    steps.forEach(({ reader, message }, index) => {
      for (let bit = 0; bit < message.length * 8; bit++) {
        const changed = message.slice()
        changed[bit >> 3]! ^= 1 << (bit & 7)
        const read = readMessage(native, reader, changed)
        if (index > 0) {
          expect(read).toBeUndefined()
          continue
        }
        // The first message is in clear: it is read, but the two transcripts differ, so the answer will not open.
        const answer = writeMessage(native, read!.state, EMPTY, key(12))
        if (answer !== undefined) expect(readMessage(native, steps[1]!.reader, answer.message)).toBeUndefined()
      }
    })
  })

  it('never throws on random or spliced input', () => {
    const source = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.tuple(fc.nat(2), fc.uint8Array({ maxLength: 40 }), fc.nat(200)).map(([index, noise, at]) => {
        const { message } = steps[index]!
        return concat(message.subarray(0, at), noise, message.subarray(at + noise.length))
      }),
    )
    fc.assert(
      fc.property(source, fc.nat(2), (bytes, index) => {
        const { reader, message } = steps[index]!
        const read = readMessage(native, reader, bytes)
        if (index > 0 && toHex(bytes) !== toHex(message)) expect(read).toBeUndefined()
      }),
      { seed: 1, numRuns: 500 },
    )
  })

  it('refuses messages out of turn, of another place, and too long', () => {
    expect(readMessage(native, steps[0]!.writer, steps[0]!.message)).toBeUndefined()
    expect(readMessage(native, steps[1]!.reader, steps[0]!.message)).toBeUndefined()
    expect(readMessage(native, steps[2]!.reader, steps[1]!.message)).toBeUndefined()
    expect(readMessage(native, steps[0]!.reader, new Uint8Array(65536))).toBeUndefined()
    expect(readMessage(native, steps[0]!.reader, new Uint8Array(65535).fill(9))).toBeDefined()
  })

  it('refuses a static key cut short where it travels in clear (pattern IX)', () => {
    const ix = { pattern: noisePattern('IX')!, prologue: EMPTY, s: noiseKeyPair(native, key(1)) }
    const written = writeMessage(native, initHandshake(native, { ...ix, initiator: true }), EMPTY, key(11))!
    const reader = initHandshake(native, { ...ix, initiator: false })
    expect(written.message).toHaveLength(64)
    for (let length = 0; length < 64; length++) {
      expect(readMessage(native, reader, written.message.subarray(0, length))).toBeUndefined()
    }
    expect(readMessage(native, reader, written.message)).toBeDefined()
  })

  it('is a value: reading and writing leave the given states as they were', () => {
    const before = JSON.stringify(steps)
    for (const { reader, message } of steps) {
      const once = readMessage(native, reader, message)!
      const twice = readMessage(native, reader, message)!
      expect(twice).toEqual(once)
    }
    expect(JSON.stringify(steps)).toBe(before)
  })

  it('treats its own misuse as a defect', () => {
    const state = startXX(native, true)
    expect(() => writeMessage(native, startXX(native, false), EMPTY, key(1))).toThrow(InvariantViolation)
    expect(() => writeMessage(native, state, EMPTY)).toThrow(InvariantViolation)
    expect(() => writeMessage(native, state, new Uint8Array(65536 - 32), key(1))).toThrow(InvariantViolation)
    expect(() => split(native, state)).toThrow(InvariantViolation)
    const prologue = EMPTY
    expect(() => initHandshake(native, { pattern: noisePattern('NK')!, initiator: true, prologue })).toThrow(
      InvariantViolation,
    )
    expect(() => initHandshake(native, { pattern: PATTERN_XX, initiator: true, prologue, psks: [key(1)] })).toThrow(
      InvariantViolation,
    )
  })
})

describe('pattern names', () => {
  it('are refused unless they are in the table', () => {
    for (const name of ['', 'XXX', 'ZZ', 'xx', 'XXpsk', 'XXpsk4', 'XXpsk0psk1', 'toString', '__proto__']) {
      expect(noisePattern(name)).toBeUndefined()
    }
    expect(noisePattern('NNpsk0+psk2')?.messages).toEqual([
      ['psk', 'e'],
      ['e', 'ee', 'psk'],
    ])
  })
})
