// Power failures: at every change a story makes to the disk, the states the disk may be in (store/ledger/crash-states.ts), each opened again;
// and power failures during that. All states for short stories, drawn ones for long.
import { Prng } from '../../runtime/prng.ts'
import type { Choose } from '../../store/ledger/crash-states.ts'
import { type DiskHistory, MemoryFiles } from '../../store/ledger/memory-files.ts'
import { drawn, exhaust } from './choices.ts'
import { type Figures, Tally } from './figures.ts'
import { reopen } from './reopen.ts'
import { DIRECTORY, type Promised, Story, type StoryShape } from './story.ts'

interface CrashPoint {
  readonly history: DiskHistory
  readonly promised: Promised
  readonly what: string
}

/** Every moment of a story at which a power failure leaves something else than before. */
function crashPoints(seed: number, actions: number, shape: StoryShape): CrashPoint[] {
  const points: CrashPoint[] = []
  let doing = 'open'
  const note = (story: Story): void =>
    void points.push({ history: story.files.history(), promised: story.promised, what: doing })
  const story = new Story(new Prng(seed), shape, note)
  for (let i = 0; i < actions; i++) {
    doing = `action ${i}`
    doing = `${doing} ${story.act()}`
    note(story)
  }
  return points
}

const nothing = (): void => undefined

/** One state of one crash point; and once in a while another power failure while it is being opened. */
function tryState(point: CrashPoint, choose: Choose, tally: Tally, label: string, again?: Prng): void {
  const during: DiskHistory[] = []
  const files: MemoryFiles = new MemoryFiles({ seed: 1, defer: nothing, onChange: () => during.push(files.history()) })
  files.crashTo(point.history, choose)
  const { problem, ...opened } = reopen(files, DIRECTORY, point.promised)
  if (problem !== undefined) return tally.lost(`${label}, ${point.what}`, problem)
  tally.tried('outcome' in opened ? opened.outcome : '')
  if (again === undefined || during.length === 0) return
  const second = new MemoryFiles({ seed: 1, defer: nothing })
  second.crashTo(during[again.integer(0, during.length - 1)]!, drawn(again))
  const after = reopen(second, DIRECTORY, point.promised)
  if (after.problem !== undefined) tally.lost(`${label}, ${point.what}, and again while opening`, after.problem)
  else tally.tried('again while opening')
}

const LONG: StoryShape = { chunkBytes: 1500, valueBytesMax: 700, batchMax: 5, rollbacks: true }
const SHORT: StoryShape = { chunkBytes: 900, valueBytesMax: 60, batchMax: 2, rollbacks: true }

/** `states`: how many to draw, over as many stories as that takes. */
export function drawnCrashStates(seed: number, states: number): Figures {
  const tally = new Tally('power failures, drawn', 'crash states')
  const perPoint = 4
  for (let story = seed; tally.figures.tried < states; story++) {
    const prng = new Prng(story).fork('states')
    for (const point of crashPoints(story, 60, LONG))
      for (let i = 0; i < perPoint; i++) tryState(point, drawn(prng), tally, `story ${story}, state ${i}`, prng)
  }
  return tally.figures
}

/** Every state of every crash point of short stories; points with more than `limit` states only that many. */
export function allCrashStates(seed: number, stories: number, limit: number): Figures {
  const tally = new Tally('power failures, all', 'crash states')
  for (let story = seed; story < seed + stories; story++) {
    for (const point of crashPoints(story, 14, SHORT)) {
      const all = exhaust(limit, (choose) => tryState(point, choose, tally, `short story ${story}`))
      tally.count(all ? '(moments, all states)' : '(moments, cut off)')
    }
  }
  return tally.figures
}
