// Bit rot in the files of a ledger: bits flipped, sectors zeroed, files cut, extended, swapped, deleted, duplicated. Each must be refused naming the file,
// or cut at a signature and said, or be harmless; a change that is accepted must lie where nobody vouches for a byte, or be found by `ledger verify`.
import { equalBytes } from '../../protocols/codec/bytes.ts'
import { nativeCrypto } from '../../protocols/crypto/native.ts'
import { CorruptDataError } from '../../protocols/errors.ts'
import { unauthenticatedRanges } from '../../protocols/ledger/unauthenticated.ts'
import { startVerification, verifyEntry } from '../../protocols/ledger/verify.ts'
import { LedgerWriter } from '../../runtime/bench/made-ledger.ts'
import { Prng } from '../../runtime/prng.ts'
import { SECTOR_BYTES } from '../../store/ledger/crash-states.ts'
import { StorageError } from '../../store/ledger/files.ts'
import { openLedger } from '../../store/ledger/ledger.ts'
import { MemoryFiles } from '../../store/ledger/memory-files.ts'
import { isSignatureEntry } from '../../store/ledger/scan.ts'
import { type Figures, Tally } from './figures.ts'
import { DIRECTORY } from './story.ts'

type Files = ReadonlyMap<string, Uint8Array>
type Entries = readonly Uint8Array[]

interface Made {
  readonly entries: Entries
  readonly files: Files
  /** End of the last `.committed` chunk. */
  readonly committed: number
}

const SIGNATURES = 9
const COMMITTED_SIGNATURES = 6

/** A ledger of a service of our own with true signatures: committed chunks, a complete one, an open one. */
function makeLedger(prng: Prng): Made {
  const writer = new LedgerWriter('rot').begin('Open')
  const signatures: number[] = []
  for (let i = 0; i < SIGNATURES; i++) {
    writer.writePrivate(prng.integer(3, 12)).sign()
    signatures.push(writer.entries.length)
  }
  const files = new MemoryFiles({ seed: 1, defer: (task) => task() })
  const ledger = openLedger({ directory: DIRECTORY, files, chunkBytes: 6000 })
  ledger.append(writer.entries.map((bytes, i) => ({ seqno: i + 1, bytes, committable: isSignatureEntry(bytes) })))
  ledger.flush(() => undefined)
  ledger.commit(signatures[COMMITTED_SIGNATURES]!)
  const { entries } = writer
  const names = files.readdir(DIRECTORY)
  const contents = new Map(names.map((name) => [name, files.contentOf(`${DIRECTORY}/${name}`)]))
  const ends = names.flatMap((name) => /^ledger_\d+-(\d+)\.committed$/.exec(name)?.[1] ?? []).map(Number)
  return { entries, files: contents, committed: Math.max(...ends) }
}

interface Damage {
  readonly what: string
  readonly files: Files
}

function changed(files: Files, name: string, change: (bytes: Uint8Array) => Uint8Array): Files {
  return new Map([...files].map(([at, bytes]) => [at, at === name ? change(bytes.slice()) : bytes]))
}

const DAMAGES = [
  'bit',
  'bit',
  'bit',
  'bit',
  'byte',
  'zeroed sector',
  'cut',
  'extended',
  'swapped sectors',
  'swapped files',
  'deleted',
  'duplicated',
]

function damage(files: Files, prng: Prng): Damage {
  const kind = DAMAGES[prng.integer(0, DAMAGES.length - 1)]!
  const names = [...files.keys()]
  const name = names[prng.integer(0, names.length - 1)]!
  const bytes = files.get(name)!
  const at = prng.integer(0, bytes.length - 1)
  const sector = (i: number): number => SECTOR_BYTES * Math.floor(i / SECTOR_BYTES)
  const what = `${kind} at byte ${at} of ${name}`
  const edited = (change: (bytes: Uint8Array) => Uint8Array | void): Damage => ({
    what,
    files: changed(files, name, (copy) => change(copy) ?? copy),
  })
  const other = names[prng.integer(0, names.length - 1)]!
  switch (kind) {
    case 'bit':
      return edited((copy) => void (copy[at]! ^= 1 << prng.integer(0, 7)))
    case 'byte':
      return edited((copy) => void (copy[at] = prng.integer(0, 255)))
    case 'zeroed sector':
      return edited((copy) => void copy.fill(0, sector(at), sector(at) + SECTOR_BYTES))
    case 'cut':
      return edited((copy) => copy.subarray(0, at))
    case 'extended':
      return edited(
        (copy) => new Uint8Array([...copy, ...(prng.chance(1, 2) ? prng.bytes(at % 700) : new Uint8Array(at % 700))]),
      )
    case 'swapped sectors': {
      const to = sector(prng.integer(0, bytes.length - 1))
      return edited((copy) => {
        copy.set(bytes.subarray(sector(at), Math.min(sector(at) + SECTOR_BYTES, bytes.length - to + sector(at))), to)
        copy.set(bytes.subarray(to, Math.min(to + SECTOR_BYTES, bytes.length - sector(at) + to)), sector(at))
      })
    }
    case 'swapped files':
      return {
        what: `${name} and ${other} swapped`,
        files: new Map([...files, [name, files.get(other)!], [other, bytes]]),
      }
    case 'deleted':
      return { what: `${name} deleted`, files: new Map([...files].filter(([at]) => at !== name)) }
    default: {
      const copy = [`ledger_${prng.integer(1, 99)}`, `${name}.bak`, name.replace('.committed', '')][prng.integer(0, 2)]!
      return { what: `${name} also as ${copy}`, files: new Map([...files, [copy, files.get(copy) ?? bytes]]) }
    }
  }
}

/** What came of it, in the words of the rule; `problem` when it broke it. */
function judge(
  { entries, committed }: Made,
  { files, what }: Damage,
): { readonly outcome: string } | { readonly problem: string } {
  const disk = new MemoryFiles({ seed: 1, defer: (task) => task() })
  disk.mkdir(DIRECTORY)
  for (const [name, bytes] of files) {
    const file = disk.open(`${DIRECTORY}/${name}`, 'create')
    file.write(bytes, 0)
    file.close()
  }
  try {
    const ledger = openLedger({ directory: DIRECTORY, files: disk, keepAtLeast: committed })
    const { cuts, setAside } = ledger.recovery
    const found = ledger.readRange(1, ledger.lastSeqno, Infinity)
    if (ledger.firstSeqno > 1) return { outcome: 'begins later, and says so: refused without its snapshot' }
    if (found.length < committed) return { problem: `only ${found.length} of ${committed} committed entries` }
    const said = cuts.length > 0 || setAside.length > 0
    if (found.length < entries.length && !said) {
      // A whole chunk is gone from the end: the directory is as it once was, and only who knows what was committed can tell.
      if (what.endsWith('deleted')) return { outcome: 'a shorter signed ledger: only `keepAtLeast` tells' }
      return { problem: `${found.length} of ${entries.length} entries, and not a word` }
    }
    const other = found.find(({ seqno, bytes }) => !equalBytes(bytes, entries[seqno - 1] ?? new Uint8Array(0)))
    if (other !== undefined) return unvouched(entries, found, other.seqno)
    return { outcome: said ? 'opened at a signature, and said' : 'harmless: the same ledger' }
  } catch (error) {
    if (error instanceof CorruptDataError) return { outcome: 'refused, naming file and offset' }
    if (error instanceof StorageError) return { outcome: 'refused, naming the file' }
    return { problem: String(error) }
  }
}

/** An entry that is not the one written: only the last signature's own bytes can be, which the next one would sign (unauthenticated.ts). */
function unvouched(
  entries: Entries,
  found: readonly { readonly seqno: number; readonly bytes: Uint8Array }[],
  seqno: number,
) {
  let state = startVerification({ crypto: nativeCrypto })
  try {
    for (const { bytes } of found) state = verifyEntry(state, bytes, { file: '', offset: 0 })
  } catch (error) {
    if (error instanceof CorruptDataError)
      return { outcome: 'opened; found by `ledger verify`: text of the last signature' }
    throw error
  }
  const written = entries[seqno - 1]!
  const isOutside = (at: number): boolean =>
    unauthenticatedRanges(written).some(({ from, to }) => at >= from && at < to)
  const isHarmless =
    seqno === found.length && found.at(-1)!.bytes.every((byte, at) => byte === written[at] || isOutside(at))
  return isHarmless
    ? { outcome: 'opened; bytes of the last signature that nobody vouches for' }
    : { problem: `seqno ${seqno} served changed` }
}

export function bitRot(seed: number, count: number): Figures {
  const tally = new Tally('bit rot in ledger files', 'damages')
  const prng = new Prng(seed).fork('rot')
  const made = makeLedger(prng)
  for (let i = 0; i < count; i++) {
    const damaged = damage(made.files, prng)
    const judged = judge(made, damaged)
    if ('problem' in judged) tally.lost(`seed ${seed}, damage ${i}: ${damaged.what}`, judged.problem)
    else tally.tried(judged.outcome)
  }
  return tally.figures
}
