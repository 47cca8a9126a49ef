// One input, one decoder, one verdict: total, bounded in memory, deterministic, blind to what lies around the input, faithful to its encoder.
// Not a judgement of time: steps.ts counts steps, and the command watches the clock.
// The rule to remember: allocation is measured, not believed, and too much of it counts only if it is measured again.
import { isDeepStrictEqual } from 'node:util'
import { getHeapStatistics } from 'node:v8'
import { equalBytes } from '../../../protocols/codec/bytes.ts'
import type { Decoder } from './decoder.ts'

export interface Finding {
  readonly what: 'crash' | 'memory' | 'changed input' | 'not deterministic' | 'reads around' | 'round trip' | 'spelling'
  readonly detail: string
}

export type Verdict = { readonly accepted: boolean } | { readonly finding: Finding }

type Outcome = { readonly value: unknown } | { readonly refused: Error } | { readonly crash: unknown }

const MEASUREMENTS = 4
/** Before and behind the input, when it is decoded in the middle of something else. */
const AROUND_BYTES = 24

const finding = (what: Finding['what'], detail: string): Verdict => ({ finding: { what, detail } })

function attempt(decoder: Decoder, input: Uint8Array): Outcome {
  try {
    return { value: decoder.decode(input) }
  } catch (error) {
    return decoder.refuses.some((known) => error instanceof known) ? { refused: error as Error } : { crash: error }
  }
}

/** Bytes of this isolate, buffers outside the heap included. Exact to a few kilobytes, unless the collector runs. */
function usedBytes(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics()
  return heap + external
}

function measured(decoder: Decoder, input: Uint8Array): { readonly outcome: Outcome; readonly allocated: number } {
  const before = usedBytes()
  const outcome = attempt(decoder, input)
  return { outcome, allocated: usedBytes() - before }
}

/** The same bytes amid others. */
function amid(input: Uint8Array): Uint8Array {
  const whole = new Uint8Array(input.length + 2 * AROUND_BYTES).fill(0x31)
  whole.set(input, AROUND_BYTES)
  return whole.subarray(AROUND_BYTES, AROUND_BYTES + input.length)
}

function same(a: Outcome, b: Outcome): boolean {
  if ('refused' in a) return 'refused' in b && a.refused.message === b.refused.message
  return 'value' in a && 'value' in b && isDeepStrictEqual(a.value, b.value)
}

/** Refusals may be values: `{refused}`, `{ok: false}`, undefined. */
function isRefusal(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return value === undefined
  return ('refused' in value && !Array.isArray(value.refused)) || ('ok' in value && value.ok === false)
}

const tell = (error: unknown): string => (error instanceof Error ? `${error.name}: ${error.message}` : String(error))

function roundTrip(decoder: Decoder, input: Uint8Array, value: unknown): Finding | undefined {
  if (decoder.encode === undefined) return undefined
  let encoded: Uint8Array
  try {
    encoded = decoder.encode(value as never)
  } catch (error) {
    return { what: 'round trip', detail: `what was accepted cannot be encoded: ${tell(error)}` }
  }
  const again = attempt(decoder, encoded)
  if (!same({ value }, again)) return { what: 'round trip', detail: 'decode(encode(decode(x))) is not decode(x)' }
  if (decoder.oneSpelling === true && !equalBytes(encoded, input))
    return { what: 'spelling', detail: 'encode(decode(x)) is not x, although x was accepted' }
  return undefined
}

/** What `decoder` does with `input`. */
export function judge(decoder: Decoder, input: Uint8Array): Verdict {
  try {
    return verdictOf(decoder, input)
  } catch (error) {
    // A value that no one can walk: what comparing it does to us, writing it would do to a node.
    if (error instanceof RangeError) return finding('crash', `its result is nested too deeply: ${tell(error)}`)
    throw error
  }
}

function verdictOf(decoder: Decoder, input: Uint8Array): Verdict {
  const before = input.slice()
  const first = measured(decoder, input)
  const { outcome } = first
  if ('crash' in outcome) return finding('crash', tell(outcome.crash))
  const bound = decoder.bytesPerByte * input.length + decoder.fixedBytes
  let { allocated } = first
  for (let i = 1; i < MEASUREMENTS && allocated > bound; i++)
    allocated = Math.min(allocated, measured(decoder, input).allocated)
  if (allocated > bound) return finding('memory', `${allocated} bytes for ${input.length}; stated: ${bound}`)
  const again = attempt(decoder, input)
  if (!equalBytes(input, before)) return finding('changed input', 'the input is not what it was')
  if (!same(outcome, again)) return finding('not deterministic', 'decoding twice gives two results')
  if (!same(outcome, attempt(decoder, amid(input)))) return finding('reads around', 'the result depends on other bytes')
  if ('refused' in outcome) return { accepted: false }
  if (isRefusal(outcome.value)) return { accepted: false }
  const problem = roundTrip(decoder, input, outcome.value)
  return problem === undefined ? { accepted: true } : { finding: problem }
}
