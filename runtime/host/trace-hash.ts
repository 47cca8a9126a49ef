// A running digest of what a simulation did: cheap enough for every step, fine enough that any other decision gives another digest.
// Not a digest of states or of whole messages: of each event and effect its type, its scalar fields, and of entries the seal's tag, which
// covers their content; what an actor sends to another of its node counts when it arrives. The rule to remember: what is mixed in must be a decision of the run, never of the machine (times are virtual).
import type { Message } from '../../actors/actor.ts'
import type { Effect } from '../../actors/effects.ts'

/** Offset of the AES-GCM tag within a ledger entry (CCF facts §3.3): four bytes of it tell entries apart. */
const TAG_OFFSET = 8

export class TraceHash {
  #a = 0x811c9dc5 | 0
  #b = 0x2545f491 | 0
  /** Texts seen before, so that a long one is read only once. */
  readonly #words = new Map<string, number>()

  number(value: number): this {
    const word = value | 0
    const a = Math.imul(this.#a ^ word, 0x85ebca6b)
    this.#a = a ^ (a >>> 13)
    this.#b = Math.imul(this.#b + word, 0xc2b2ae35) ^ (this.#a >>> 7)
    if (word === value || !Number.isFinite(value)) return this
    // Beyond 32 bits, or with a fraction: the rest is mixed in too.
    return this.number(Math.trunc(value / 2 ** 32)).number((value % 1) * 2 ** 31)
  }

  word(text: string): this {
    const known = this.#words.get(text)
    if (known !== undefined) return this.number(known)
    this.#words.set(text, this.#words.size)
    for (let i = 0; i < text.length; i++) this.number(text.charCodeAt(i))
    return this.number(text.length)
  }

  /** One step: what came in and what it led to. */
  step(message: Message, effects: readonly Effect[], state: string): void {
    this.#fields(message)
    this.word(state).number(effects.length)
    for (let i = 0; i < effects.length; i++) {
      const effect = effects[i]!
      if (effect.type !== 'send') this.#fields(effect)
      // Another node may never get it, so that it was sent is a fact of its own.
      else if (effect.to.includes('@')) this.word(effect.to).#fields(effect.message)
    }
  }

  /** Scalars, the first bytes of byte arrays, and of lists their items' scalars. */
  #fields(record: object): void {
    const fields = record as Readonly<Record<string, unknown>>
    for (const key in fields) {
      const value = fields[key]
      if (typeof value === 'number') this.number(value)
      else if (typeof value === 'string') this.word(value)
      else if (typeof value === 'boolean') this.number(value ? 1 : 2)
      else if (value instanceof Uint8Array) this.#bytes(value)
      else if (Array.isArray(value)) this.#list(value)
      else if (key === 'summary') this.#summary(value as { readonly view: number; readonly lastSeqno: number })
    }
  }

  #list(items: readonly unknown[]): void {
    this.number(items.length)
    for (const item of items) {
      if (typeof item === 'number') this.number(item)
      else if (typeof item === 'string') this.word(item)
      else if (item instanceof Uint8Array) this.#bytes(item)
      else if (typeof item === 'object' && item !== null) this.#fields(item)
    }
  }

  #bytes(bytes: Uint8Array): void {
    const at = TAG_OFFSET < bytes.length ? TAG_OFFSET : 0
    this.number(bytes.length)
    if (bytes.length >= at + 4) {
      this.number(bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24))
    }
  }

  /** A consensus summary is large and mostly says what other messages said. */
  #summary({ view, lastSeqno }: { readonly view: number; readonly lastSeqno: number }): void {
    this.number(view).number(lastSeqno)
  }

  /** 16 hexadecimal digits. */
  digest(): string {
    const hex = (n: number): string => (n >>> 0).toString(16).padStart(8, '0')
    return hex(this.#a) + hex(this.#b)
  }
}
