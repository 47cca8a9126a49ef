// What a worker said before it ended (worker.ts), as a promise, and whether its directory keeps it.
import { lockDirectory } from '../../store/directory-lock.ts'
import { type Ledger, openLedger } from '../../store/ledger/ledger.ts'
import { freshSignatures } from '../../store/signatures-lmdb.ts'
import { hashOf } from './worker.ts'

export class Said {
  /** hashes[i]: of the entry of seqno i + 1. Two logs while a rollback runs. */
  hashes: string[] = []
  beforeRollback: readonly string[] | undefined
  durable = 0
  committed = 0
  #signed: number[] = []

  /** Lines in order; the last may be half a line, which says nothing. */
  hear(output: string): this {
    for (const line of output.split('\n').slice(0, -1)) this.#line(line)
    return this
  }

  #line(line: string): void {
    const [what, first, hash, signed] = line.split(' ')
    const value = Number(first)
    if (what === 'a') {
      this.hashes.length = value - 1
      this.hashes.push(hash!)
      if (signed === 'signed') this.#signed.push(value)
    } else if (what === 'd') this.durable = value
    else if (what === 'c') this.committed = value
    else if (what === 'T') this.beforeRollback = undefined
    else if (what === 't') {
      this.beforeRollback = this.hashes
      this.hashes = this.hashes.slice(0, value)
      this.#signed = this.#signed.filter((seqno) => seqno <= value)
      this.durable = Math.min(this.durable, value)
    }
  }

  /** Up to where what was reported durable is signed, and so must be there. */
  get promised(): number {
    return Math.max(this.committed, ...this.#signed.filter((seqno) => seqno <= this.durable))
  }

  /** A new process goes on from what was found. */
  goOnFrom(ledger: Ledger): void {
    this.hashes = ledger.readRange(1, ledger.lastSeqno, Infinity).map(({ bytes }) => hashOf(bytes))
    this.beforeRollback = undefined
    this.durable = ledger.lastSeqno
    this.#signed = [ledger.lastSeqno]
  }
}

export interface Kept {
  readonly problem: string | undefined
  readonly outcome: string
}

/** Opens the directory as the next process would, and checks lock and ledger; the index must be made anew over what was left. */
export async function keeps(directory: string, said: Said): Promise<Kept> {
  try {
    const lock = await lockDirectory(directory)
    try {
      const ledger = openLedger({ directory: `${directory}/ledger`, chunkBytes: 6000, keepAtLeast: said.committed })
      const problem = lostOf(ledger, said) ?? (await indexLost(directory))
      const { cuts } = ledger.recovery
      said.goOnFrom(ledger)
      await new Promise<void>((done) => ledger.close(() => done()))
      return { problem, outcome: cuts.length > 0 ? 'tail cut' : 'whole' }
    } finally {
      await lock.release()
    }
  } catch (error) {
    return { problem: String(error), outcome: 'refused' }
  }
}

function lostOf(ledger: Ledger, said: Said): string | undefined {
  const found = ledger.readRange(1, ledger.lastSeqno, Infinity).map(({ bytes }) => hashOf(bytes))
  const logs = [said.hashes, ...(said.beforeRollback === undefined ? [] : [said.beforeRollback])]
  const wrong = logs.map((log) => found.findIndex((hash, i) => hash !== log[i]))
  if (!wrong.includes(-1)) return `seqno ${wrong[0]! + 1} is not what was appended`
  const end = ledger.lastSeqno
  return end < said.promised ? `promised up to ${said.promised}, found up to ${end}` : undefined
}

async function indexLost(directory: string): Promise<string | undefined> {
  const index = freshSignatures(`${directory}/index`)
  try {
    await index.put([1])
    return index.next(0) === 1 ? undefined : 'an index made anew answers wrongly'
  } finally {
    await index.close()
  }
}
