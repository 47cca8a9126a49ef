// What commands read: files named on the command line, in which a mistake is the user's and said in one line.
// The rule to remember: the content of a key file never appears in a message.
import { readFile } from 'node:fs/promises'
import { DecodeError } from '../../protocols/codec/bytes.ts'
import { parseJson as parseJsonText } from '../../protocols/codec/json.ts'
import { UsageError } from '../../protocols/errors.ts'

/** @throws UsageError when it cannot be read. `-` is stdin. */
export async function readInput(path: string, what: string): Promise<Uint8Array> {
  try {
    if (path !== '-') return new Uint8Array(await readFile(path))
    const parts: Buffer[] = []
    for await (const part of process.stdin) parts.push(part as Buffer)
    return new Uint8Array(Buffer.concat(parts))
  } catch (error) {
    throw new UsageError(`cannot read ${what} ${path}: ${reasonOf(error)}`)
  }
}

/** @throws UsageError when it cannot be read. */
export const readTextInput = async (path: string, what: string): Promise<string> =>
  new TextDecoder().decode(await readInput(path, what))

/** @throws UsageError when it cannot be read or is not JSON. */
export async function readJsonInput(path: string, what: string): Promise<unknown> {
  return parseJson(await readTextInput(path, what), `${what} ${path}`)
}

/** @throws UsageError */
export function parseJson(text: string, what: string): unknown {
  try {
    return parseJsonText(text)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw new UsageError(`${what} is not JSON`)
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of its path is not a directory',
}

export function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  return REASONS[code] ?? (error instanceof Error ? error.message : String(error))
}
