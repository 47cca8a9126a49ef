// Goal: no decoder takes more steps than in proportion to its input: the blocks of code that V8 counts as executed, so no clock is asked.
// What V8 does inside one call (JSON.parse, regular expressions, copies) is not counted; the long hunt watches the clock for that.
import { Session } from 'node:inspector'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { catalogue } from '../../fuzz/decoders/catalogue.ts'
import type { Decoder } from '../../fuzz/decoders/decoder.ts'
import { mutant } from '../../fuzz/decoders/hunt.ts'

const MUTANTS = 60
const BYTES_MIN = 1500
const BYTES_MAX = 16 * 1024
/** A parser in five sizes of pieces takes most. Quadratic ones take a thousand times more. */
const STEPS_PER_BYTE = 250
/** Signatures, handshakes. */
const STEPS_FIXED = 400_000

const session = new Session()

interface Coverage {
  readonly result: readonly {
    readonly functions: readonly { readonly ranges: readonly { readonly count: number }[] }[]
  }[]
}

function post(method: string, params: object = {}): unknown {
  let answer: unknown
  session.post(method, params, (error, result: unknown) => {
    if (error !== null) throw error
    answer = result
  })
  return answer
}

/** Blocks executed since the last call. */
function stepsSince(): number {
  let steps = 0
  for (const { functions } of (post('Profiler.takePreciseCoverage') as Coverage).result)
    for (const { ranges } of functions) for (const { count } of ranges) steps += count
  return steps
}

function stepsOf(decode: Decoder['decode'], refuses: Decoder['refuses'], input: Uint8Array): number {
  stepsSince()
  try {
    decode(input)
  } catch (error) {
    if (!refuses.some((known) => error instanceof known)) throw error
  }
  return stepsSince()
}

beforeAll(() => {
  session.connect()
  post('Profiler.enable')
  post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
})
afterAll(() => session.disconnect())

describe('the steps of', () => {
  it.each(catalogue.map((decoder) => [decoder.name, decoder] as const))('%s grow with its input only', (_, decoder) => {
    const seeds = decoder.seeds()
    const tooMany: string[] = []
    for (let n = 0; n < MUTANTS; n++) {
      const input = mutant(decoder, seeds, 8, n).subarray(0, BYTES_MAX)
      if (input.length < BYTES_MIN) continue
      const steps = stepsOf(decoder.decode, decoder.refuses, input)
      const most = STEPS_FIXED + STEPS_PER_BYTE * input.length
      if (steps > most) tooMany.push(`${steps} steps for ${input.length} bytes (mutant ${n})`)
    }
    expect(tooMany).toEqual([])
  })

  it('a quadratic decoder do not', () => {
    const quadratic = (bytes: Uint8Array): number => {
      let seen = 0
      for (let i = 0; i < bytes.length; i++) for (let j = 0; j < i; j++) if (bytes[i] === bytes[j]) seen++
      return seen
    }
    const input = new Uint8Array(8 * 1024)
    expect(stepsOf(quadratic, [], input)).toBeGreaterThan(STEPS_FIXED + STEPS_PER_BYTE * input.length)
  })
})
