// HandshakeState of the Noise Protocol Framework, revision 34 (§5.3), suite 25519_AESGCM_SHA256, as an immutable value.
// It proves possession of static keys and agrees on two keys; whose static key it is, identity-payload.ts says; data travels in frame.ts.
// The rule to remember: what comes from outside gives undefined, never an exception; a call out of turn is a defect of ours.
// A state holds private keys: it belongs into no log, trace or error.
import { concat, utf8 } from '../codec/bytes.ts'
import type { Crypto } from '../crypto/crypto.ts'
import { invariant } from '../errors.ts'
import type { NoisePattern, NoiseToken } from './noise-patterns.ts'
import type { SymmetricState } from './noise-symmetric.ts'
import {
  decryptAndHash,
  encryptAndHash,
  initializeSymmetric,
  mixHash,
  mixKey,
  mixKeyAndHash,
  NOISE_KEY_BYTES,
  NOISE_TAG_BYTES,
  splitKeys,
} from './noise-symmetric.ts'

/** Every Noise message fits this (§3). */
export const NOISE_MESSAGE_BYTES_MAX = 65535

/** An X25519 key pair; 32 bytes each. */
export interface NoiseKeyPair {
  readonly privateKey: Uint8Array
  readonly publicKey: Uint8Array
}

/** The key pair of a 32-byte private key. */
export const noiseKeyPair = (crypto: Crypto, privateKey: Uint8Array): NoiseKeyPair => ({
  privateKey,
  publicKey: crypto.x25519PublicKey(privateKey),
})

export interface HandshakeState {
  readonly pattern: NoisePattern
  readonly initiator: boolean
  /** Messages written and read so far. */
  readonly messageIndex: number
  readonly symmetric: SymmetricState
  /** Own static and ephemeral keys. */
  readonly s: NoiseKeyPair | undefined
  readonly e: NoiseKeyPair | undefined
  /** The peer's public keys. `rs` is proven only once the message that carried it was read without refusal. */
  readonly rs: Uint8Array | undefined
  readonly re: Uint8Array | undefined
  /** Pre-shared keys not yet used. */
  readonly psks: readonly Uint8Array[]
}

export interface HandshakeOptions {
  readonly pattern: NoisePattern
  readonly initiator: boolean
  /** Context on which both must agree, or the first sealed message is refused. */
  readonly prologue: Uint8Array
  readonly s?: NoiseKeyPair
  /** The peer's static public key, for patterns that presuppose it. */
  readonly rs?: Uint8Array
  /** 32 bytes each, in order of use. */
  readonly psks?: readonly Uint8Array[]
}

/** Initialize (§5.3). Throws InvariantViolation when a key the pattern presupposes is missing: the caller's defect. */
export function initHandshake(crypto: Crypto, options: HandshakeOptions): HandshakeState {
  const { pattern, initiator, prologue, s, rs, psks = [] } = options
  invariant(psks.length === pattern.pskCount, `pattern ${pattern.name} takes ${pattern.pskCount} pre-shared keys`)
  invariant(
    [rs, s?.privateKey, s?.publicKey, ...psks].every((key) => key === undefined || key.length === NOISE_KEY_BYTES),
    'Noise keys have 32 bytes',
  )
  let symmetric = initializeSymmetric(crypto, utf8(`Noise_${pattern.name}_25519_AESGCM_SHA256`))
  symmetric = mixHash(crypto, symmetric, prologue)
  const own = s?.publicKey
  const known = [
    pattern.initiatorStaticKnown ? { key: initiator ? own : rs } : undefined,
    pattern.responderStaticKnown ? { key: initiator ? rs : own } : undefined,
  ]
  for (const preMessage of known) {
    if (preMessage === undefined) continue
    invariant(preMessage.key !== undefined, `pattern ${pattern.name} presupposes a static key that was not given`)
    symmetric = mixHash(crypto, symmetric, preMessage.key)
  }
  return { pattern, initiator, messageIndex: 0, symmetric, s, e: undefined, rs, re: undefined, psks }
}

/** True when every message has been exchanged: `split` may be called. */
export const handshakeFinished = (state: HandshakeState): boolean =>
  state.messageIndex === state.pattern.messages.length

/** True when the next message is ours to write. */
export const isTurnToWrite = (state: HandshakeState): boolean =>
  !handshakeFinished(state) && state.initiator === (state.messageIndex % 2 === 0)

/** True when the next message is the peer's. */
export const isTurnToRead = (state: HandshakeState): boolean => !handshakeFinished(state) && !isTurnToWrite(state)

/**
 * WriteMessage (§5.3). `ephemeralPrivateKey` (32 fresh random bytes, never reused) is needed by messages with token `e`: in XX the first and second.
 * Undefined when a Diffie-Hellman with the peer's key gives zero: the peer sent a point of low order, give the handshake up.
 */
export function writeMessage(
  crypto: Crypto,
  state: HandshakeState,
  payload: Uint8Array,
  ephemeralPrivateKey?: Uint8Array,
): { readonly state: HandshakeState; readonly message: Uint8Array } | undefined {
  invariant(isTurnToWrite(state), 'Noise message written out of turn')
  let next = state
  const parts: Uint8Array[] = []
  for (const token of state.pattern.messages[state.messageIndex]!) {
    if (token === 'e') {
      invariant(
        ephemeralPrivateKey?.length === NOISE_KEY_BYTES,
        'this Noise message needs an ephemeral key of 32 bytes',
      )
      const e = noiseKeyPair(crypto, ephemeralPrivateKey)
      parts.push(e.publicKey)
      next = { ...next, e, symmetric: mixEphemeral(crypto, next, e.publicKey) }
    } else if (token === 's') {
      invariant(next.s !== undefined, 'this Noise message needs a static key')
      const sealed = encryptAndHash(crypto, next.symmetric, next.s.publicKey)
      parts.push(sealed.bytes)
      next = { ...next, symmetric: sealed.state }
    } else {
      const mixed = mixToken(crypto, next, token)
      if (mixed === undefined) return undefined
      next = mixed
    }
  }
  const sealed = encryptAndHash(crypto, next.symmetric, payload)
  const message = concat(...parts, sealed.bytes)
  invariant(message.length <= NOISE_MESSAGE_BYTES_MAX, 'Noise message exceeds 65535 bytes')
  return { state: { ...next, symmetric: sealed.state, messageIndex: state.messageIndex + 1 }, message }
}

/**
 * ReadMessage (§5.3). Undefined for anything but the message that is due: truncated, garbled, out of turn, of another prologue or
 * handshake. The given state remains usable, so a forgery on the wire need not end the handshake.
 */
export function readMessage(
  crypto: Crypto,
  state: HandshakeState,
  message: Uint8Array,
): { readonly state: HandshakeState; readonly payload: Uint8Array } | undefined {
  if (!isTurnToRead(state) || message.length > NOISE_MESSAGE_BYTES_MAX) return undefined
  let next = state
  let offset = 0
  for (const token of state.pattern.messages[state.messageIndex]!) {
    if (token === 'e') {
      const re = message.slice(offset, (offset += NOISE_KEY_BYTES))
      if (re.length !== NOISE_KEY_BYTES) return undefined
      next = { ...next, re, symmetric: mixEphemeral(crypto, next, re) }
    } else if (token === 's') {
      const length = NOISE_KEY_BYTES + (next.symmetric.cipher.key === undefined ? 0 : NOISE_TAG_BYTES)
      const sealed = message.subarray(offset, (offset += length))
      if (sealed.length !== length) return undefined
      const opened = decryptAndHash(crypto, next.symmetric, sealed)
      if (opened === undefined) return undefined
      next = { ...next, rs: opened.plaintext, symmetric: opened.state }
    } else {
      const mixed = mixToken(crypto, next, token)
      if (mixed === undefined) return undefined
      next = mixed
    }
  }
  const opened = decryptAndHash(crypto, next.symmetric, message.subarray(offset))
  if (opened === undefined) return undefined
  return {
    state: { ...next, symmetric: opened.state, messageIndex: state.messageIndex + 1 },
    payload: opened.plaintext,
  }
}

/** With pre-shared keys an ephemeral key also enters the chaining key, or two handshakes would share keys (§9.2). */
function mixEphemeral(crypto: Crypto, state: HandshakeState, publicKey: Uint8Array): SymmetricState {
  const hashed = mixHash(crypto, state.symmetric, publicKey)
  return state.pattern.pskCount > 0 ? mixKey(crypto, hashed, publicKey) : hashed
}

/** Token `psk`, or a Diffie-Hellman; undefined when that gives zero (RFC 7748 §6.1). */
function mixToken(
  crypto: Crypto,
  state: HandshakeState,
  token: Exclude<NoiseToken, 'e' | 's'>,
): HandshakeState | undefined {
  if (token === 'psk') {
    const [psk, ...psks] = state.psks
    invariant(psk !== undefined, 'no pre-shared key left')
    return { ...state, psks, symmetric: mixKeyAndHash(crypto, state.symmetric, psk) }
  }
  // The first letter names the initiator's key, the second the responder's.
  const ownIsEphemeral = token[state.initiator ? 0 : 1] === 'e'
  const peerIsEphemeral = token[state.initiator ? 1 : 0] === 'e'
  const own = ownIsEphemeral ? state.e : state.s
  const peer = peerIsEphemeral ? state.re : state.rs
  invariant(own !== undefined && peer !== undefined, `token ${token} needs keys that are not there`)
  const shared = crypto.x25519(own.privateKey, peer)
  return shared && { ...state, symmetric: mixKey(crypto, state.symmetric, shared) }
}

export interface HandshakeResult {
  /** Key of what this party sends, and of what it receives: 32 bytes each. The peer has them the other way round. */
  readonly sendKey: Uint8Array
  readonly receiveKey: Uint8Array
  /** Names this handshake uniquely; equal on both sides (§11.2). Not secret. */
  readonly handshakeHash: Uint8Array
  /** The peer's static key, which the handshake has proven. Undefined in patterns without one. */
  readonly remoteStatic: Uint8Array | undefined
}

/** Split (§5.2) after the last message. Afterwards drop the handshake state: it holds the ephemeral private key. */
export function split(crypto: Crypto, state: HandshakeState): HandshakeResult {
  invariant(handshakeFinished(state), 'Noise handshake is not finished')
  const [initiatorSends, responderSends] = splitKeys(crypto, state.symmetric)
  return {
    sendKey: state.initiator ? initiatorSends : responderSends,
    receiveKey: state.initiator ? responderSends : initiatorSends,
    handshakeHash: state.symmetric.hash,
    remoteStatic: state.rs,
  }
}
