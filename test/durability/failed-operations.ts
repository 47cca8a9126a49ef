// The n-th operation of every kind fails, for every n, on the memory twin: the ledger must say so and promise nothing false, and after a power failure
// at that moment what it had promised must be there. What the kernel really does is kernel-faults.ts.
import { CorruptDataError } from '../../protocols/errors.ts'
import { Prng } from '../../runtime/prng.ts'
import { StorageError, type StorageFailureKind } from '../../store/ledger/files.ts'
import { type FileOperation, MemoryFiles } from '../../store/ledger/memory-files.ts'
import { drawn } from './choices.ts'
import { type Figures, Tally } from './figures.ts'
import { reopen } from './reopen.ts'
import { DIRECTORY, type Fault, Story, type StoryShape } from './story.ts'

const OPERATIONS: readonly FileOperation[] = [
  'open',
  'write',
  'read',
  'datasync',
  'truncate',
  'rename',
  'unlink',
  'syncDirectory',
]
const KINDS: readonly StorageFailureKind[] = ['io', 'full']
const SHAPE: StoryShape = { chunkBytes: 1500, valueBytesMax: 500, batchMax: 5, rollbacks: true }
const ACTIONS = 60
/** Power failures tried after each. */
const STATES = 3

/** @returns the story where it ended; undefined when the ledger could not even be opened, and said so */
function play(seed: number, fault: Fault): Story | undefined {
  try {
    const story = Story.failing(new Prng(seed), SHAPE, fault)
    for (let i = 0; i < ACTIONS && story.failure === undefined; i++) {
      story.act()
      read(story, i)
    }
    return story
  } catch (error) {
    if (error instanceof StorageError || error instanceof CorruptDataError) return undefined
    throw error
  }
}

/** Reading is an operation too; a failed one stops nothing. */
function read(story: Story, i: number): void {
  try {
    story.ledger.read(1 + (i % Math.max(1, story.ledger.lastSeqno)))
  } catch (error) {
    if (!(error instanceof StorageError)) throw error
  }
}

/** Every operation and every n that `stories` stories reach. */
export function failedOperations(seed: number, stories: number): Figures {
  const tally = new Tally('failing operations, every n-th', 'faults injected')
  for (let at = seed; at < seed + stories; at++) {
    for (const operation of OPERATIONS) {
      for (const kind of KINDS) {
        for (let skip = 0; ; skip++) {
          const label = `story ${at}, ${kind} at ${operation} ${skip}`
          try {
            const story = play(at, { operation, kind, skip })
            if (story === undefined) {
              tally.tried('refused, and said why')
              continue
            }
            // Renames are tried again, and reads stop nothing: only then does a story reach its end although something failed.
            if (story.files.hasFailuresLeft) break
            const problem = afterwards(story, new Prng(at + skip))
            if (problem !== undefined) tally.lost(label, problem)
            else tally.tried(story.failure === undefined ? 'went on' : 'stopped, and said why')
          } catch (error) {
            tally.lost(label, String(error))
          }
        }
      }
    }
  }
  return tally.figures
}

function afterwards(story: Story, prng: Prng): string | undefined {
  const { promised } = story
  const history = story.files.history()
  for (let i = 0; i < STATES; i++) {
    const files = new MemoryFiles({ seed: 1, defer: () => undefined })
    files.crashTo(history, drawn(prng))
    const { problem } = reopen(files, DIRECTORY, promised)
    if (problem !== undefined) return problem
  }
  return undefined
}
