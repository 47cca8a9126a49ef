// Which counters of a direction have been accepted: a sliding window as an immutable value (the scheme of RFC 6479, counted upwards).
// It knows nothing of keys or frames.
// The rule to remember: mark a counter only after its frame authenticated, or a forger could burn counters.
import { REPLAY_WINDOW_FRAMES } from '../limits.ts'

export interface ReplayWindow {
  /** Every counter below is spent: accepted, or fallen out of the window. */
  readonly floor: number
  /** One above the highest accepted counter. */
  readonly ceiling: number
  /** Bit (c mod 32) of word (c div 32 − floor div 32): counter c, floor ≤ c < ceiling, was accepted. Empty when frames arrive in order. */
  readonly words: readonly number[]
}

export const EMPTY_REPLAY_WINDOW: ReplayWindow = { floor: 0, ceiling: 0, words: [] }

const wordOf = (counter: number): number => Math.floor(counter / 32)

/** What the window says of a counter (a safe integer ≥ 0). `tooOld`: it lies REPLAY_WINDOW_FRAMES or more behind the highest accepted. */
export function judgeCounter(window: ReplayWindow, counter: number): 'fresh' | 'replayed' | 'tooOld' {
  if (counter >= window.ceiling) return 'fresh'
  if (counter < window.ceiling - REPLAY_WINDOW_FRAMES) return 'tooOld'
  if (counter < window.floor) return 'replayed'
  const word = window.words[wordOf(counter) - wordOf(window.floor)] ?? 0
  return (word >>> (counter % 32)) & 1 ? 'replayed' : 'fresh'
}

/** The window after `counter`, which must have been judged fresh. In order: constant time; else at most REPLAY_WINDOW_FRAMES / 32 + 1 words are copied. */
export function markAccepted(window: ReplayWindow, counter: number): ReplayWindow {
  if (counter === window.ceiling && counter === window.floor) {
    return { floor: counter + 1, ceiling: counter + 1, words: window.words }
  }
  const ceiling = Math.max(window.ceiling, counter + 1)
  const oldest = Math.max(window.floor, ceiling - REPLAY_WINDOW_FRAMES)
  const base = wordOf(oldest)
  // A jump beyond the whole window leaves nothing to keep, however far it goes.
  const words = window.words.slice(base - wordOf(window.floor))
  const index = wordOf(counter) - base
  while (words.length <= index) words.push(0)
  words[index] = (words[index]! | (1 << (counter % 32))) >>> 0
  return dropAcceptedPrefix(oldest, ceiling, words)
}

/** Raises the floor over what is accepted without a gap, and drops the words below it. */
function dropAcceptedPrefix(oldest: number, ceiling: number, words: readonly number[]): ReplayWindow {
  const base = wordOf(oldest)
  let floor = oldest
  while (floor < ceiling) {
    // Zeros of the shifted complement are accepted counters; bits shifted in from above read as accepted, hence the cap at the word's end.
    const missing = (~words[wordOf(floor) - base]! >>> (floor % 32)) >>> 0
    const run = missing === 0 ? 32 : 31 - Math.clz32(missing & -missing)
    const wordEnd = (wordOf(floor) + 1) * 32
    if (floor + run < wordEnd) {
      floor += run
      break
    }
    floor = wordEnd
  }
  if (floor >= ceiling) return { floor: ceiling, ceiling, words: [] }
  const kept = words.slice(wordOf(floor) - base)
  // Equal windows look equal: nothing below the floor is remembered.
  kept[0] = (kept[0]! & (-1 << (floor % 32))) >>> 0
  return { floor, ceiling, words: kept }
}
