// Path templates: `/log/{id}`, `/proposals/{id}:withdraw`. Compiled once; the patterns run in linear time, since a
// parameter never matches the character that ends it (CCF facts §8.3: `/`, or the literal that follows the brace).

export interface Template {
  readonly pattern: RegExp
  readonly names: readonly string[]
  /** Number of `/`. */
  readonly segments: number
  /** Per segment: its literal text, or what stands before its first and after its last parameter. */
  readonly shape: readonly SegmentShape[]
}

type SegmentShape =
  { readonly literal: string } | { readonly literal?: undefined; readonly before: string; readonly after: string }

const PARAMETER = /\{([^{}]*)\}/g
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

const escape = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')

function compileSegment(path: string, segment: string, names: string[]): { source: string; shape: SegmentShape } {
  const fail = (reason: string): never => {
    throw new RangeError(`path template ${path}: ${reason}`)
  }
  const matches = [...segment.matchAll(PARAMETER)]
  let source = ''
  let at = 0
  for (const [i, match] of matches.entries()) {
    const name = match[1]!
    if (!NAME.test(name)) fail('a parameter needs a name')
    if (names.includes(name)) fail(`parameter ${name} twice`)
    names.push(name)
    if (i > 0 && match.index === at) fail('two parameters without text between them')
    source += escape(segment.slice(at, match.index))
    at = match.index + match[0].length
    const following = segment[at]
    source += following === undefined || following === '{' ? '([^/]+)' : `([^/${escape(following)}]+)`
  }
  const after = segment.slice(at)
  if (/[{}]/.test(segment.replace(PARAMETER, ''))) fail('unbalanced brace')
  source += escape(after)
  const first = matches[0]
  return {
    source,
    shape: first === undefined ? { literal: segment } : { before: segment.slice(0, first.index), after },
  }
}

/** @throws RangeError when the template is malformed. A path without parameters gives no names. */
export function compileTemplate(path: string): Template {
  if (!path.startsWith('/')) throw new RangeError(`path template ${path}: does not begin with /`)
  if (/[?#%\s]/.test(path)) throw new RangeError(`path template ${path}: only literal text and {name}`)
  const names: string[] = []
  const parts = path
    .slice(1)
    .split('/')
    .map((segment) => compileSegment(path, segment, names))
  return {
    pattern: new RegExp(`^/${parts.map((part) => part.source).join('/')}$`),
    names,
    segments: parts.length,
    shape: parts.map((part) => part.shape),
  }
}

function segmentsOverlap(a: SegmentShape, b: SegmentShape): boolean {
  if (a.literal !== undefined && b.literal !== undefined) return a.literal === b.literal
  const aBefore = a.literal ?? a.before
  const aAfter = a.literal ?? a.after
  const bBefore = b.literal ?? b.before
  const bAfter = b.literal ?? b.after
  return (
    (aBefore.startsWith(bBefore) || bBefore.startsWith(aBefore)) && (aAfter.endsWith(bAfter) || bAfter.endsWith(aAfter))
  )
}

/** Whether some path may match both. Errs on the side of yes. */
export const overlaps = (a: Template, b: Template): boolean =>
  a.segments === b.segments && a.shape.every((segment, i) => segmentsOverlap(segment, b.shape[i]!))
