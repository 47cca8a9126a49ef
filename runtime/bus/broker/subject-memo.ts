// Who listened to the subject a client published to last: a stream on one subject is resolved once.
// Not a cache of many subjects (the sublist has that). The rule to remember: it holds as long as the sublist's version does.
import type { Filter, Match, Sublist } from '../sublist.ts'
import type { Publication } from './parser.ts'

const SUBJECT_BYTES_MAX = 256
/** Beyond this a native comparison is faster than a loop. */
const LOOP_BYTES_MAX = 48
const UNDERSCORE = 95

/** A subject in Latin-1 (bytes as they came) and the subscriptions it matches. */
export interface Resolved<S> {
  readonly subject: string
  readonly match: Match<S>
}

export class SubjectMemo<S extends Filter> {
  readonly #bytes = Buffer.alloc(SUBJECT_BYTES_MAX)
  #length = -1
  #version = -1
  #resolved: Resolved<S> | undefined

  resolve(publication: Publication, sublist: Sublist<S>): Resolved<S> {
    const { bytes, subjectStart, subjectEnd } = publication
    if (
      this.#resolved !== undefined &&
      this.#version === sublist.version &&
      this.#isSame(bytes, subjectStart, subjectEnd)
    ) {
      return this.#resolved
    }
    const subject = bytes.toString('latin1', subjectStart, subjectEnd)
    const resolved = { subject, match: sublist.match(subject) }
    // `_INBOX` subjects are used once
    if (subject.length > SUBJECT_BYTES_MAX || bytes[subjectStart] === UNDERSCORE) return resolved
    for (let i = 0; i < subject.length; i++) this.#bytes[i] = bytes[subjectStart + i]!
    this.#length = subject.length
    this.#version = sublist.version
    return (this.#resolved = resolved)
  }

  #isSame(bytes: Buffer, start: number, end: number): boolean {
    if (end - start !== this.#length) return false
    if (this.#length > LOOP_BYTES_MAX) return bytes.compare(this.#bytes, 0, this.#length, start, end) === 0
    // backwards: subjects of one service differ at their end
    for (let i = this.#length - 1; i >= 0; i--) if (bytes[start + i] !== this.#bytes[i]) return false
    return true
  }
}
