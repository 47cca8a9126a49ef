// A seeded story of a ledger at work (appends, group commits, rollbacks, commits), with the book of what it promised at every moment.
// The rule to remember: promised is only what `flush` answered and `truncate` returned; everything else may be there or not.
import type { Prng } from '../../runtime/prng.ts'
import type { StorageError, StorageFailureKind } from '../../store/ledger/files.ts'
import { openLedger, type Ledger } from '../../store/ledger/ledger.ts'
import { type FileOperation, MemoryFiles } from '../../store/ledger/memory-files.ts'
import { Chain, lastSignature, type Log } from './chain.ts'

export const DIRECTORY = '/node/ledger'

export interface Promised {
  /** What may be found is a prefix of one of these: two, while a rollback runs. */
  readonly logs: readonly Log[]
  /** At least that much is found. */
  readonly durable: number
  readonly committed: number
}

export interface StoryShape {
  readonly chunkBytes: number
  readonly valueBytesMax: number
  readonly batchMax: number
  /** Ten rollbacks in a hundred actions, or none. */
  readonly rollbacks: boolean
}

export interface Fault {
  readonly operation: FileOperation
  readonly kind: StorageFailureKind
  readonly skip: number
}

export class Story {
  readonly files: MemoryFiles
  readonly ledger: Ledger
  readonly chain = new Chain()
  readonly #shape: StoryShape
  readonly #prng: Prng
  readonly #tasks: (() => void)[] = []
  /** Set when the disk failed: the story ends there. */
  failure: StorageError | undefined
  #rollingBackFrom: Log | undefined
  #view = 2
  #durable = 0
  #committed = 0
  /** A rollback answers waiting flushes with what is left of what they asked for. */
  #generation = 0

  /** Lets the `skip + 1`st operation of that name fail, from the opening on. */
  static failing(prng: Prng, shape: StoryShape, fault: Fault): Story {
    return new Story(prng, shape, () => undefined, fault)
  }

  constructor(prng: Prng, shape: StoryShape, onChange: (story: Story) => void, fault?: Fault) {
    this.#prng = prng
    this.#shape = shape
    let ready = false
    this.files = new MemoryFiles({
      seed: prng.u32(),
      defer: (task) => void this.#tasks.push(task),
      onChange: () => {
        if (ready) onChange(this)
      },
    })
    if (fault !== undefined) this.files.failNext(fault.operation, fault.kind, fault.skip)
    this.ledger = openLedger({ directory: DIRECTORY, files: this.files, chunkBytes: shape.chunkBytes })
    ready = true
  }

  get promised(): Promised {
    const logs = this.#rollingBackFrom === undefined ? [this.chain.log] : [this.chain.log, this.#rollingBackFrom]
    return { logs, durable: this.#durable, committed: this.#committed }
  }

  /** @returns what the action was */
  act(): string {
    const draw = this.#prng.integer(0, 99)
    if (draw < 34) return this.#append()
    if (draw < 52) return this.#flush()
    if (draw < 78) return this.#settle()
    if (draw < 90 || !this.#shape.rollbacks) return this.#commit()
    return this.#truncate()
  }

  #append(): string {
    const count = this.#prng.integer(1, this.#shape.batchMax)
    const signed = this.#prng.chance(2, 3)
    const entries = []
    for (let i = 1; i <= count; i++) {
      const shape = { view: this.#view, valueBytes: this.#prng.integer(0, this.#shape.valueBytesMax) }
      entries.push(this.chain.add({ ...shape, signature: signed && i === count }, this.#committed))
    }
    this.failure ??= this.ledger.append(entries)
    return `append ${count}${signed ? ' signed' : ''}`
  }

  #flush(): string {
    const generation = this.#generation
    const asked = this.chain.log.length
    this.ledger.flush((error, durable) => {
      if (error !== undefined) return void (this.failure ??= error)
      if (generation === this.#generation && durable < asked) throw new Error(`${asked} asked for, ${durable} answered`)
      this.#durable = Math.max(this.#durable, durable)
    })
    return 'flush'
  }

  #settle(): string {
    const count = Math.min(this.#tasks.length, this.#prng.integer(1, 3))
    for (let i = 0; i < count; i++) this.#tasks.shift()!()
    return `settle ${count}`
  }

  /** Only what a majority holds is committed: here, what this node flushed, up to a signature. */
  #commit(): string {
    const seqno = lastSignature(this.chain.log, Math.max(0, this.#durable - this.#prng.integer(0, 3)))
    this.#committed = Math.max(this.#committed, seqno)
    this.ledger.commit(seqno)
    return `commit ${seqno}`
  }

  #truncate(): string {
    const after = Math.max(this.#committed, this.chain.log.length - this.#prng.integer(0, 8))
    this.#rollingBackFrom = this.chain.log
    this.chain.cutAfter(after)
    this.#durable = Math.min(this.#durable, after)
    this.#generation++
    this.#view += 2
    const refused = this.ledger.truncate(after)
    if (refused !== undefined) this.failure ??= refused
    else this.#rollingBackFrom = undefined
    return `truncate ${after}`
  }
}
