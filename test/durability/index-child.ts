// Opens damaged indexes, one after the other, asks each for everything and says what it answered. The process may die of it: index-rot.ts expects that.
import { createHash } from 'node:crypto'
import { writeSync } from 'node:fs'
import { SignatureSeqnos } from '../../store/signatures-lmdb.ts'

/** Everything an index answers about seqnos up to `last`. */
export function answers(directory: string, last: number): string {
  const index = new SignatureSeqnos(directory)
  const found = Array.from({ length: last }, (_, i) => index.next(i + 1) ?? null)
  void index.close()
  return createHash('sha256').update(JSON.stringify(found)).digest('hex')
}

/** `last`, then directories: for each, `open DIRECTORY`, then `answered HASH` or `refused REASON`. */
export async function checkIndexes([last, ...directories]: readonly string[]): Promise<number> {
  for (const directory of directories) {
    writeSync(1, `open ${directory}\n`)
    try {
      writeSync(1, `answered ${answers(directory, Number(last))}\n`)
    } catch (error) {
      writeSync(1, `refused ${String(error).split('\n')[0]}\n`)
    }
  }
  return 0
}
