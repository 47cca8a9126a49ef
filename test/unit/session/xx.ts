// Drives an XX handshake between two values, with fixed keys: the ground on which frames and identities are tested.
import { EMPTY, utf8 } from '../../../protocols/codec/bytes.ts'
import type { Crypto } from '../../../protocols/crypto/crypto.ts'
import { PATTERN_XX } from '../../../protocols/session/noise-patterns.ts'
import type { HandshakeResult, HandshakeState } from '../../../protocols/session/noise.ts'
import { initHandshake, noiseKeyPair, readMessage, split, writeMessage } from '../../../protocols/session/noise.ts'

export const key = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)
export const PROLOGUE = utf8('a test')

export const startXX = (crypto: Crypto, initiator: boolean, prologue = PROLOGUE): HandshakeState =>
  initHandshake(crypto, {
    pattern: PATTERN_XX,
    initiator,
    prologue,
    s: noiseKeyPair(crypto, key(initiator ? 1 : 2)),
  })

export interface Transcript {
  /** States before each message, writer and reader, and the message itself. */
  readonly steps: readonly {
    readonly writer: HandshakeState
    readonly reader: HandshakeState
    readonly message: Uint8Array
  }[]
  readonly initiator: HandshakeResult
  readonly responder: HandshakeResult
}

/** All three messages with the given payloads. */
export function runXX(crypto: Crypto, payloads: readonly Uint8Array[] = [EMPTY, EMPTY, EMPTY]): Transcript {
  const steps: Transcript['steps'][number][] = []
  let [writer, reader] = [startXX(crypto, true), startXX(crypto, false)]
  payloads.forEach((payload, index) => {
    const written = writeMessage(crypto, writer, payload, key(11 + index))!
    steps.push({ writer, reader, message: written.message })
    const read = readMessage(crypto, reader, written.message)!
    ;[writer, reader] = [read.state, written.state]
  })
  // Three messages: the roles have changed three times, so the responder would write next.
  return { steps, initiator: split(crypto, reader), responder: split(crypto, writer) }
}
