// What differs between Node and a browser, and nothing else: cryptography, the way to NATS, and the end of the current turn.
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import type { Bus } from '../bus/bus.ts'

export interface Platform {
  readonly crypto: Crypto
  /** Runs `task` soon, after what is ready now: requests made until then share a frame. */
  readonly defer: (task: () => void) => void
  /** Rejects when no server can be reached within `timeoutMs`. */
  readonly openBus: (options: {
    readonly servers: string | readonly string[]
    readonly token: string | undefined
    readonly timeoutMs: number
  }) => Promise<Bus>
}

/** From the operating system or the browser, which both offer the Web Crypto interface. */
export const randomBytes = (count: number): Uint8Array => globalThis.crypto.getRandomValues(new Uint8Array(count))

/** Lets a Node process end although this timer runs; a browser has no such thing. */
export function letProcessEnd(timer: unknown): void {
  if (typeof timer === 'object' && timer !== null && 'unref' in timer && typeof timer.unref === 'function')
    timer.unref()
}
