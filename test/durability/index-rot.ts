// Bit rot in the LMDB file of an index. What LMDB would make of it is found out in child processes, since it may kill them; what a node does is to make its
// index anew at every start, unread (freshSignatures), and that must work over any damage.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Prng } from '../../runtime/prng.ts'
import { SECTOR_BYTES } from '../../store/ledger/crash-states.ts'
import { freshSignatures } from '../../store/signatures-lmdb.ts'
import { type Figures, Tally } from './figures.ts'
import { answers } from './index-child.ts'
import { runChild } from './kills.ts'

const ENTRIES = 3000
const BATCH = 500
/** Directories given to one child. */
const PER_CHILD = 20
const FILE = 'signatures.mdb'
const TIME_LIMIT = ['timeout', '-s', 'KILL', '30']

async function fill(directory: string): Promise<void> {
  const index = freshSignatures(directory)
  for (let from = 1; from <= ENTRIES; from += BATCH) {
    await index.put(Array.from({ length: BATCH / 2 }, (_, i) => from + 2 * i))
  }
  await index.close()
}

function damage(bytes: Uint8Array, prng: Prng): Uint8Array {
  // Most of the file is pages of old versions; the first two pages say which version counts.
  const at = prng.chance(1, 4) ? prng.integer(0, 8191) : prng.integer(0, bytes.length - 1)
  const sector = SECTOR_BYTES * Math.floor(at / SECTOR_BYTES)
  const kind = prng.integer(0, 9)
  if (kind < 6) bytes[at]! ^= 1 << prng.integer(0, 7)
  else if (kind < 7) bytes.fill(0, sector, sector + SECTOR_BYTES)
  else if (kind < 8) bytes.set(prng.bytes(SECTOR_BYTES).subarray(0, bytes.length - sector), sector)
  else if (kind < 9) return bytes.subarray(0, at)
  else bytes.copyWithin(sector, 0, SECTOR_BYTES)
  return bytes
}

/** Runs children over the directories until each has been opened. @returns what came of each */
async function openedAsTheyAre(program: string, directories: readonly string[], right: string): Promise<string[]> {
  const found: string[] = []
  while (found.length < directories.length) {
    const rest = directories.slice(found.length)
    const ended = await runChild([...TIME_LIMIT, process.execPath, program, 'index', String(ENTRIES), ...rest])
    const said = ended.output.split('\n').slice(0, -1)
    for (const line of said) {
      if (line === `answered ${right}`) found.push('answers the same')
      else if (line.startsWith('answered')) found.push('answers wrongly, without a word')
      else if (line.startsWith('refused')) found.push('refused')
    }
    // `timeout` says 128 + 9 for the one it kills, and for one that was killed by a signal the same plus its number.
    if (ended.code !== 0 && found.length < directories.length)
      found.push(ended.code === 137 || ended.signal === 'SIGKILL' ? 'hangs' : 'kills its process')
  }
  return found
}

/** `program`: the bundled child.ts. */
export async function indexRot(program: string, seed: number, count: number): Promise<Figures> {
  const tally = new Tally('bit rot in the index', 'damages')
  const prng = new Prng(seed).fork('index')
  const parent = mkdtempSync(join(tmpdir(), 'concordat-rot-'))
  try {
    const good = join(parent, 'good')
    await fill(good)
    const right = answers(good, ENTRIES)
    const bytes = new Uint8Array(readFileSync(join(good, FILE)))
    for (let done = 0; done < count; done += PER_CHILD) {
      const directories = Array.from({ length: Math.min(PER_CHILD, count - done) }, (_, i) =>
        join(parent, String(done + i)),
      )
      for (const directory of directories) {
        mkdirSync(directory)
        copyFileSync(join(good, `${FILE}-lock`), join(directory, `${FILE}-lock`))
        writeFileSync(join(directory, FILE), damage(bytes.slice(), prng))
      }
      for (const outcome of await openedAsTheyAre(program, directories, right))
        tally.count(`(opened as it is: ${outcome})`)
      for (const [i, directory] of directories.entries()) {
        await fill(directory)
        if (answers(directory, ENTRIES) === right) tally.tried('made anew')
        else tally.lost(`seed ${seed}, damage ${done + i}`, 'an index made anew answers wrongly')
        rmSync(directory, { recursive: true, force: true })
      }
    }
  } finally {
    rmSync(parent, { recursive: true, force: true })
  }
  return tally.figures
}
