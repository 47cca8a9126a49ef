// What NATS accepts as a subject: for publishing (literal) and for subscribing (with the wildcards * and >).
// Not Concordat's own grammar (that is protocols/subjects.ts): brokers and buses carry anybody's subjects.
// The rule to remember: tokens are separated by dots and never empty; `*` is one whole token, `>` one or more at the end.

/** Longest subject a bus accepts, in UTF-16 units: the control line of 4096 bytes must hold two of them and the numbers. */
export const SUBJECT_LENGTH_MAX = 1024

const DOT = 46
const STAR = 42
const GREATER = 62
const SPACE = 32

/**
 * True if `subject` consists of non-empty tokens without white space or control characters, and has wildcards only as
 * whole tokens, `>` only at the end. The length is not judged.
 */
export function isValidFilter(subject: string): boolean {
  let tokenStart = 0
  for (let i = 0; i <= subject.length; i++) {
    const c = i === subject.length ? DOT : subject.charCodeAt(i)
    if (c <= SPACE || c === 127) return false
    if (c !== DOT) continue
    if (i === tokenStart) return false
    if (i - tokenStart === 1 && subject.charCodeAt(tokenStart) === GREATER && i !== subject.length) return false
    tokenStart = i + 1
  }
  return true
}

/** True if `subject` may be published to by a careful client: a filter without wildcard tokens. */
export function isValidLiteral(subject: string): boolean {
  let tokenStart = 0
  for (let i = 0; i <= subject.length; i++) {
    const c = i === subject.length ? DOT : subject.charCodeAt(i)
    if (c <= SPACE || c === 127) return false
    if (c !== DOT) continue
    const length = i - tokenStart
    if (length === 0) return false
    const first = subject.charCodeAt(tokenStart)
    if (length === 1 && (first === STAR || first === GREATER)) return false
    tokenStart = i + 1
  }
  return true
}

/** Throws RangeError unless `subject` may be published to. */
export function assertPublishable(subject: string): void {
  if (subject.length > SUBJECT_LENGTH_MAX || !isValidLiteral(subject))
    throw new RangeError('invalid subject to publish to')
}

/** Throws RangeError unless `subject` (and `queue`, if given) may be subscribed to. */
export function assertSubscribable(subject: string, queue: string | undefined): void {
  if (subject.length > SUBJECT_LENGTH_MAX || !isValidFilter(subject))
    throw new RangeError('invalid subject to subscribe to')
  if (queue !== undefined && (queue.length > SUBJECT_LENGTH_MAX || !/^[^\s]+$/.test(queue))) {
    throw new RangeError('invalid queue group name')
  }
}
