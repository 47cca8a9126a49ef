// JSON from outside: text to a value, or DecodeError. Not schemas: whoever reads the value checks its fields.
// V8 parses nesting of any depth, but whatever walks the value afterwards (JSON.stringify, sorting, comparing) recurses and would end the
// node with a stack overflow. The rule to remember: no JSON from outside is parsed in any other way.
import { DecodeError } from './bytes.ts'

/** Arrays and objects inside one another. CCF's tables have below 10. */
export const JSON_DEPTH_MAX = 128

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/** Index behind the string that begins at `at`. */
function behindString(text: string, at: number): number {
  for (let i = at + 1; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c === QUOTE) return i + 1
    if (c === BACKSLASH) i++
  }
  return text.length
}

/** Index at which the text is nested deeper than JSON_DEPTH_MAX, −1 when it nowhere is. Of texts that are no JSON, anything. */
function tooDeepAt(text: string): number {
  // Every level takes two characters.
  if (text.length <= 2 * JSON_DEPTH_MAX) return -1
  let depth = 0
  for (let i = 0; i < text.length;) {
    const c = text.charCodeAt(i)
    if (c === QUOTE) {
      i = behindString(text, i)
      continue
    }
    if (c === OPEN_ARRAY || c === OPEN_OBJECT) {
      if (++depth > JSON_DEPTH_MAX) return i
    } else if (c === CLOSE_ARRAY || c === CLOSE_OBJECT) depth--
    i++
  }
  return -1
}

/**
 * The value of a JSON text. Allocates in proportion to it: at worst, `[[],[],…]`, some 60 bytes a character.
 * @throws DecodeError when it is not JSON, or nested deeper than JSON_DEPTH_MAX; its offset counts characters
 */
export function parseJson(text: string): unknown {
  const deep = tooDeepAt(text)
  if (deep >= 0) throw new DecodeError(`JSON nested deeper than ${JSON_DEPTH_MAX}`, deep)
  try {
    return JSON.parse(text) as unknown
  } catch {
    // V8's message quotes the text, which may be a secret.
    throw new DecodeError('not JSON', 0)
  }
}
