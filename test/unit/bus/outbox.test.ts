// Goal: whatever is appended, whenever writes complete, an outbox writes the bytes in order, once, one write at a time.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BLOCK_BYTES, BlockPool, Outbox } from '../../../runtime/bus/broker/outbox.ts'

type Step = { readonly append: number } | { readonly flush: true } | { readonly complete: true }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ append: fc.oneof(fc.nat(100), fc.nat(3000), fc.nat(40_000), fc.constant(BLOCK_BYTES)) }),
  fc.record({ flush: fc.constant(true as const) }),
  fc.record({ complete: fc.constant(true as const) }),
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
      for (const { append, flush, complete: completes } of steps as Partial<
        Record<'append' | 'flush' | 'complete', never>
      >[]) {
        if (append !== undefined) {
          const bytes = Buffer.alloc((append as number) + 2, ++seed & 255)
          expected.push(Buffer.from(bytes.subarray(1, bytes.length - 1)))
          outbox.append(bytes, 1, bytes.length - 1)
        }
        if (flush !== undefined) outbox.flush()
        if (completes !== undefined) complete()
      }
      outbox.flush()
      while (done !== undefined) complete()
      expect(Buffer.compare(Buffer.concat(written), Buffer.concat(expected))).toBe(0)
      expect(outbox.pendingBytes).toBe(0)
      expect(outbox.isWriting).toBe(false)
    })
    fc.assert(property, { seed: 1, numRuns: 300 })
  })
})
