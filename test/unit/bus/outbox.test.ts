// Goal: whatever is appended, whenever writes complete, an outbox writes the bytes in order, once, one write at a time.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BLOCK_BYTES, BlockPool, Outbox } from '../../../runtime/bus/broker/outbox.ts'

type Step = number | 'flush' | 'complete'

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.oneof(fc.nat(100), fc.nat(3000), fc.nat(40_000), fc.constant(BLOCK_BYTES)),
  fc.constantFrom('flush' as const, 'complete' as const),
)

describe('the outbox', () => {
  it('keeps order, counts what it owes, and writes one batch at a time', () => {
    const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const written: Buffer[] = []
      let done: (() => void) | undefined
      const outbox = new Outbox(new BlockPool(), (buffers, whenDone) => {
        expect(done).toBeUndefined()
        written.push(...buffers.map((buffer) => Buffer.from(buffer)))
        done = whenDone
      })
      const complete = (): void => {
        const whenDone = done
        done = undefined
        whenDone?.()
      }
      const expected: Buffer[] = []
      let seed = 0
      for (const next of steps) {
        if (next === 'flush') outbox.flush()
        else if (next === 'complete') complete()
        else {
          const bytes = Buffer.alloc(next + 2, ++seed & 255)
          expected.push(bytes.subarray(1, next + 1))
          outbox.append(bytes, 1, next + 1)
        }
      }
      outbox.flush()
      while (done !== undefined) complete()
      expect(Buffer.compare(Buffer.concat(written), Buffer.concat(expected))).toBe(0)
      expect(outbox.pendingBytes).toBe(0)
      expect(outbox.isWriting).toBe(false)
    })
    fc.assert(property, { seed: 1, numRuns: 300 })
  })

  it('packs what waits for a slow client densely, however often it is flushed', () => {
    const batches: (readonly Buffer[])[] = []
    const completions: (() => void)[] = []
    const outbox = new Outbox(new BlockPool(), (buffers, done) => {
      batches.push(buffers)
      completions.push(done)
    })
    for (let i = 0; i < 100_000; i++) {
      outbox.appendText('thirty bytes of a small message')
      outbox.flush()
    }
    expect(batches).toHaveLength(1)
    completions[0]!()
    expect(batches).toHaveLength(2)
    const bytes = batches[1]!.reduce((total, buffer) => total + buffer.length, 0)
    const memory = new Set(batches[1]!.map((buffer) => buffer.buffer)).size * BLOCK_BYTES
    expect(bytes).toBe(99_999 * 31)
    expect(memory).toBeLessThan(1.1 * bytes)
  })
})
