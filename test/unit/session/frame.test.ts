// Goal: whatever the network does to sealed frames (loss, duplication, any order, forgery), each plaintext is accepted at most once and unchanged,
// frames inside the replay window are all accepted, and everything else is refused by name. The window agrees with a plain set of counters.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, EMPTY, toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import { InvariantViolation } from '../../../protocols/errors.ts'
import { FRAME_BYTES_MAX, FRAMES_PER_KEY_MAX, REPLAY_WINDOW_FRAMES } from '../../../protocols/limits.ts'
import type { ReceiveState } from '../../../protocols/session/frame.ts'
import {
  FRAME_OVERHEAD_BYTES,
  FRAME_PLAINTEXT_BYTES_MAX,
  isRekeyDue,
  isSealedFrame,
  openFrame,
  sealFrame,
  startReceiving,
  startSending,
} from '../../../protocols/session/frame.ts'
import type { ReplayWindow } from '../../../protocols/session/replay-window.ts'
import { EMPTY_REPLAY_WINDOW, judgeCounter, markAccepted } from '../../../protocols/session/replay-window.ts'
import { IMPLEMENTATIONS, native, noble } from './implementations.ts'
import { key } from './xx.ts'

function sealAt(counter: number, plaintext: Uint8Array): Uint8Array {
  const sealed = sealFrame(native, { key: key(7), counter }, plaintext)
  if ('refused' in sealed) throw new Error(sealed.refused)
  return sealed.bytes
}

describe.each(IMPLEMENTATIONS)('frames with $name', (crypto) => {
  it('carry plaintexts in order, counting from zero', () => {
    let send = startSending(key(7))
    let receive = startReceiving(key(7))
    for (const text of ['', 'one', 'two']) {
      const sealed = sealFrame(crypto, send, utf8(text))
      if ('refused' in sealed) throw new Error(sealed.refused)
      const opened = openFrame(crypto, receive, sealed.bytes)
      if ('refused' in opened) throw new Error(opened.refused)
      expect(toHex(opened.plaintext)).toBe(toHex(utf8(text)))
      send = sealed.state
      receive = opened.state
    }
    expect(send.counter).toBe(3)
    expect(receive.window).toEqual({ floor: 3, ceiling: 3, words: [] })
  })

  it('have the documented layout', () => {
    const sealed = sealFrame(crypto, { key: key(7), counter: 0x01020304 }, utf8('abc'))
    if ('refused' in sealed) throw new Error(sealed.refused)
    expect(toHex(sealed.bytes.subarray(0, 9))).toBe('810403020100000000')
    expect(sealed.bytes.length).toBe(FRAME_OVERHEAD_BYTES + 3)
    const inner = crypto.aesGcmSeal(
      key(7),
      Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4),
      sealed.bytes.subarray(0, 9),
      utf8('abc'),
    )
    expect(toHex(sealed.bytes.subarray(9))).toBe(toHex(concat(inner.ciphertext, inner.tag)))
  })
})

describe('frames', () => {
  it('are the same bytes from both implementations', () => {
    const plaintext = utf8('the same')
    expect(sealFrame(noble, startSending(key(3)), plaintext)).toEqual(
      sealFrame(native, startSending(key(3)), plaintext),
    )
  })

  it('are refused when any bit is changed, and the true frame still passes afterwards', () => {
    const bytes = sealAt(5, utf8('do not touch'))
    const state = startReceiving(key(7))
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = bytes.slice()
      changed[bit >> 3]! ^= 1 << (bit & 7)
      expect(openFrame(native, state, changed)).toHaveProperty('refused')
    }
    expect(openFrame(native, state, bytes)).toHaveProperty('plaintext')
    expect(openFrame(native, startReceiving(key(8)), bytes)).toEqual({ refused: 'notAuthentic' })
  })

  it('are refused by name when malformed, exhausted or too large', () => {
    const state = startReceiving(key(7))
    const bytes = sealAt(0, utf8('x'))
    expect(openFrame(native, state, EMPTY)).toEqual({ refused: 'malformed' })
    expect(openFrame(native, state, bytes.subarray(0, FRAME_OVERHEAD_BYTES - 1))).toEqual({ refused: 'malformed' })
    expect(openFrame(native, state, concat(Uint8Array.of(0x82), bytes.subarray(1)))).toEqual({ refused: 'malformed' })
    const large = new Uint8Array(FRAME_BYTES_MAX + 1)
    large[0] = 0x81
    expect(openFrame(native, state, large)).toEqual({ refused: 'malformed' })
    const exhausted = { key: key(7), counter: FRAMES_PER_KEY_MAX }
    expect(sealFrame(native, exhausted, EMPTY)).toEqual({ refused: 'exhausted' })
    const beyond = bytes.slice()
    beyond[8] = 1
    expect(openFrame(native, state, beyond)).toEqual({ refused: 'exhausted' })
    expect(sealAt(FRAMES_PER_KEY_MAX - 1, new Uint8Array(FRAME_PLAINTEXT_BYTES_MAX)).length).toBe(FRAME_BYTES_MAX)
    expect(() => sealAt(0, new Uint8Array(FRAME_PLAINTEXT_BYTES_MAX + 1))).toThrow(InvariantViolation)
    expect(isRekeyDue({ key: key(7), counter: FRAMES_PER_KEY_MAX / 2 - 1 })).toBe(false)
    expect(isRekeyDue({ key: key(7), counter: FRAMES_PER_KEY_MAX / 2 })).toBe(true)
    expect(isSealedFrame(bytes)).toBe(true)
    expect(isSealedFrame(EMPTY)).toBe(false)
  })

  it('opens views in the middle of a larger buffer', () => {
    const bytes = sealAt(0, utf8('inside'))
    const around = concat(new Uint8Array(13), bytes, new Uint8Array(5))
    const opened = openFrame(native, startReceiving(key(7)), around.subarray(13, 13 + bytes.length))
    expect('plaintext' in opened && toHex(opened.plaintext)).toBe(toHex(utf8('inside')))
  })

  it('arrive at most once and unchanged, under loss, duplication, any order and random bytes', () => {
    const frames = Array.from({ length: 80 }, (_, counter) => sealAt(counter, utf8(`plaintext ${counter}`)))
    const delivery = fc.array(
      fc.oneof({ weight: 9, arbitrary: fc.nat(frames.length - 1) }, fc.uint8Array({ maxLength: 60 })),
      { maxLength: 200 },
    )
    fc.assert(
      fc.property(delivery, (deliveries) => {
        let state: ReceiveState = startReceiving(key(7))
        const accepted = new Set<number>()
        for (const item of deliveries) {
          const opened = openFrame(native, state, typeof item === 'number' ? frames[item]! : item)
          if ('refused' in opened) {
            // All of these lie inside the window, so a refusal of a true frame means that it had arrived before.
            if (typeof item === 'number') expect([opened.refused, accepted.has(item)]).toEqual(['replayed', true])
            continue
          }
          expect(typeof item).toBe('number')
          expect(toHex(opened.plaintext)).toBe(toHex(utf8(`plaintext ${String(item)}`)))
          expect(accepted.has(item as number)).toBe(false)
          accepted.add(item as number)
          state = opened.state
        }
        expect(accepted).toEqual(new Set(deliveries.filter((item) => typeof item === 'number')))
      }),
      { seed: 1, numRuns: 60 },
    )
  })

  it('never throw on random bytes', () => {
    const headed = fc.uint8Array({ maxLength: 100 }).map((bytes) => concat(Uint8Array.of(0x81), bytes))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), headed), (bytes) => {
        expect(openFrame(native, startReceiving(key(7)), bytes)).toHaveProperty('refused')
      }),
      { seed: 2, numRuns: 1000 },
    )
  })
})

/** The window's twin: a set, and the highest counter. */
class SetOfCounters {
  readonly accepted = new Set<number>()
  highest = -1
  judge(counter: number): 'fresh' | 'replayed' | 'tooOld' {
    if (counter <= this.highest - REPLAY_WINDOW_FRAMES) return 'tooOld'
    return this.accepted.has(counter) ? 'replayed' : 'fresh'
  }
  mark(counter: number): void {
    this.accepted.add(counter)
    this.highest = Math.max(this.highest, counter)
  }
}

describe('replay window', () => {
  const follow = (counters: readonly number[]): ReplayWindow => {
    const twin = new SetOfCounters()
    let window = EMPTY_REPLAY_WINDOW
    for (const counter of counters) {
      const verdict = judgeCounter(window, counter)
      expect([counter, verdict]).toEqual([counter, twin.judge(counter)])
      if (verdict !== 'fresh') continue
      const frozen = JSON.stringify(window)
      const next = markAccepted(window, counter)
      expect(JSON.stringify(window)).toBe(frozen)
      window = next
      twin.mark(counter)
      expect(window.words.length).toBeLessThanOrEqual(REPLAY_WINDOW_FRAMES / 32 + 1)
      expect(window.ceiling - window.floor).toBeLessThanOrEqual(REPLAY_WINDOW_FRAMES)
    }
    const judged = (counter: number): unknown => [counter, judgeCounter(window, counter)]
    for (let counter = Math.max(0, twin.highest - 1100); counter < twin.highest + 40; counter++) {
      expect(judged(counter)).toEqual([counter, twin.judge(counter)])
    }
    return window
  }

  it('agrees with a set of counters on random walks, near jumps and far jumps', () => {
    const walk = fc
      .array(
        fc.oneof(
          { weight: 6, arbitrary: fc.integer({ min: -6, max: 8 }) },
          { weight: 2, arbitrary: fc.integer({ min: -1100, max: 1100 }) },
          { weight: 1, arbitrary: fc.constantFrom(31, 32, 33, 1023, 1024, 1025, 2048, 100_000, -1023, -1024, -1025) },
        ),
        { minLength: 1, maxLength: 150 },
      )
      .map((steps) => {
        let at = 0
        return steps.map((step) => (at = Math.max(0, at + step)))
      })
    fc.assert(
      fc.property(walk, (counters) => {
        follow(counters)
      }),
      { seed: 3, numRuns: 150 },
    )
  })

  it('costs nothing in order, recovers from a gap by itself, and keeps equal histories equal', () => {
    const inOrder = follow(Array.from({ length: 3000 }, (_, i) => i))
    expect(inOrder).toEqual({ floor: 3000, ceiling: 3000, words: [] })
    const reversed = follow(Array.from({ length: 1024 }, (_, i) => 1023 - i))
    expect(reversed).toEqual({ floor: 1024, ceiling: 1024, words: [] })
    const lost = follow([0, 1, 2, ...Array.from({ length: 1023 }, (_, i) => 4 + i)])
    expect(lost.floor).toBe(3)
    expect(markAccepted(lost, lost.ceiling)).toEqual({ floor: 1028, ceiling: 1028, words: [] })
    expect(follow([5, 0, 9, 1, 2])).toEqual(follow([0, 1, 2, 5, 9]))
  })

  it('works up to the last counter of a key', () => {
    const last = FRAMES_PER_KEY_MAX - 1
    const window = follow([last - 1])
    expect(judgeCounter(markAccepted(window, last), last)).toBe('replayed')
    expect(judgeCounter(window, last - REPLAY_WINDOW_FRAMES)).toBe('fresh')
    expect(judgeCounter(window, last - 1 - REPLAY_WINDOW_FRAMES)).toBe('tooOld')
  })
})
