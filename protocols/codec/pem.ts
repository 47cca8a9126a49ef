// PEM (RFC 7468 §3, the strict form): labelled base64 blocks of LF or CRLF lines, nothing but blank lines around them.
// Not a key store: encrypted PEM (headers inside a block) and explanatory text between blocks are refused.
// The rule to remember: input size and number of blocks are bounded before anything is decoded.
import { DecodeError, fromBase64, toBase64 } from './bytes.ts'

/** Largest PEM text accepted. A certificate chain with a few members is below 20 kB. */
export const PEM_CHARS_MAX = 256 * 1024
/** Blocks in one text. */
export const PEM_BLOCKS_MAX = 64

const LINE_CHARS = 64

export interface PemBlock {
  /** For example `CERTIFICATE`. */
  readonly label: string
  readonly der: Uint8Array
}

/** All blocks of `text`, in order; at least one. Throws DecodeError (its offset counts characters). */
export function parsePemBlocks(text: string): PemBlock[] {
  if (text.length > PEM_CHARS_MAX) throw new DecodeError(`PEM of ${text.length} characters exceeds ${PEM_CHARS_MAX}`, 0)
  const blocks: PemBlock[] = []
  let label: string | undefined
  let body: string[] = []
  let offset = 0
  for (const line of text.split('\n')) {
    const content = line.endsWith('\r') ? line.slice(0, -1) : line
    if (label === undefined) {
      label = openingLabel(content, offset)
      if (label !== undefined && blocks.length === PEM_BLOCKS_MAX) throw new DecodeError('too many PEM blocks', offset)
    } else if (content === `-----END ${label}-----`) {
      blocks.push({ label, der: decodeBody(body.join(''), offset) })
      label = undefined
      body = []
    } else if (content === '' || content.includes('-')) {
      throw new DecodeError('malformed line in a PEM block', offset)
    } else {
      body.push(content)
    }
    offset += line.length + 1
  }
  if (label !== undefined) throw new DecodeError(`PEM block ${label} has no end`, text.length)
  if (blocks.length === 0) throw new DecodeError('no PEM block', 0)
  return blocks
}

function openingLabel(line: string, offset: number): string | undefined {
  if (/^[ \t]*$/.test(line)) return undefined
  const label = /^-----BEGIN ([A-Z0-9]{1,24}(?: [A-Z0-9]{1,24}){0,4})-----$/.exec(line)?.[1]
  if (label === undefined) throw new DecodeError('text outside PEM blocks', offset)
  return label
}

function decodeBody(base64: string, offset: number): Uint8Array {
  if (base64 === '') throw new DecodeError('empty PEM block', offset)
  try {
    return fromBase64(base64)
  } catch {
    throw new DecodeError('PEM block is not base64', offset)
  }
}

/** The content of the only block of `text`, which must have this label. Throws DecodeError. */
export function parsePem(text: string, label: string): Uint8Array {
  const [block, second] = parsePemBlocks(text)
  if (second !== undefined) throw new DecodeError('more than one PEM block', 0)
  if (block!.label !== label) throw new DecodeError(`PEM block is not a ${label}`, 0)
  return block!.der
}

/** The contents of all blocks of `text`, each of which must have this label (a certificate chain). Throws DecodeError. */
export function parsePemMany(text: string, label: string): Uint8Array[] {
  return parsePemBlocks(text).map((block) => {
    if (block.label !== label) throw new DecodeError(`PEM block is not a ${label}`, 0)
    return block.der
  })
}

/** One block as OpenSSL and CCF write it: 64 characters a line, LF, ending with LF. */
export function formatPem(label: string, der: Uint8Array): string {
  const base64 = toBase64(der)
  let text = `-----BEGIN ${label}-----\n`
  for (let at = 0; at < base64.length; at += LINE_CHARS) text += base64.slice(at, at + LINE_CHARS) + '\n'
  return `${text}-----END ${label}-----\n`
}
