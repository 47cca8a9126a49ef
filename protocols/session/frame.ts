// Sealed frames: what a session or a channel sends once its handshake is done. One AES-256-GCM operation for a whole batch.
//   u8 type ‖ u64le counter ‖ ciphertext ‖ tag (16)      nonce = 4 zero bytes ‖ u64be counter, associated data = type ‖ counter
// What is inside a frame is not decided here (messages.ts; consensus messages in channels).
// The rule to remember: a send state is used once; sealing twice from the same state repeats a nonce and gives the key away.
import type { Crypto } from '../crypto/crypto.ts'
import { invariant } from '../errors.ts'
import { FRAME_BYTES_MAX, FRAMES_PER_KEY_MAX } from '../limits.ts'
import { noiseNonce } from './noise-symmetric.ts'
import type { ReplayWindow } from './replay-window.ts'
import { EMPTY_REPLAY_WINDOW, judgeCounter, markAccepted } from './replay-window.ts'

/** First byte of a sealed frame, version 1. Handshake messages begin with a byte below 0x80 (hello.ts), so one subject carries both. */
export const SEALED_FRAME_TYPE = 0x81

const HEADER_BYTES = 9
const TAG_BYTES = 16
export const FRAME_OVERHEAD_BYTES = HEADER_BYTES + TAG_BYTES
/** Largest plaintext of one frame. */
export const FRAME_PLAINTEXT_BYTES_MAX = FRAME_BYTES_MAX - FRAME_OVERHEAD_BYTES

export interface SendState {
  readonly key: Uint8Array
  /** Counter of the next frame. */
  readonly counter: number
}

export interface ReceiveState {
  readonly key: Uint8Array
  readonly window: ReplayWindow
}

export const startSending = (key: Uint8Array): SendState => ({ key, counter: 0 })
export const startReceiving = (key: Uint8Array): ReceiveState => ({ key, window: EMPTY_REPLAY_WINDOW })

/** True from half of the limit on: start a new handshake now, while frames still flow (as CCF's channels, facts §11). */
export const isRekeyDue = (state: SendState): boolean => state.counter >= FRAMES_PER_KEY_MAX / 2

/** True for bytes that claim to be a sealed frame of this version; says nothing of their authenticity. */
export const isSealedFrame = (bytes: Uint8Array): boolean => bytes[0] === SEALED_FRAME_TYPE

/** Seals one frame. Refused when the key has sealed FRAMES_PER_KEY_MAX frames. Throws InvariantViolation above FRAME_PLAINTEXT_BYTES_MAX. */
export function sealFrame(
  crypto: Crypto,
  state: SendState,
  plaintext: Uint8Array,
): { readonly state: SendState; readonly bytes: Uint8Array } | { readonly refused: 'exhausted' } {
  const { key, counter } = state
  if (counter >= FRAMES_PER_KEY_MAX) return { refused: 'exhausted' }
  invariant(plaintext.length <= FRAME_PLAINTEXT_BYTES_MAX, 'frame content exceeds FRAME_PLAINTEXT_BYTES_MAX')
  const bytes = new Uint8Array(plaintext.length + FRAME_OVERHEAD_BYTES)
  bytes[0] = SEALED_FRAME_TYPE
  const view = new DataView(bytes.buffer)
  view.setUint32(1, counter % 2 ** 32, true)
  view.setUint32(5, Math.floor(counter / 2 ** 32), true)
  const sealed = crypto.aesGcmSeal(key, noiseNonce(counter), bytes.subarray(0, HEADER_BYTES), plaintext)
  bytes.set(sealed.ciphertext, HEADER_BYTES)
  bytes.set(sealed.tag, HEADER_BYTES + plaintext.length)
  return { state: { key, counter: counter + 1 }, bytes }
}

export type FrameRefusal = 'replayed' | 'tooOld' | 'notAuthentic' | 'malformed' | 'exhausted'

/**
 * Opens one frame; each counter is accepted at most once, in any order inside the replay window.
 * A refusal proves nothing about the peer, since anyone can publish on a subject: drop the frame and keep the session.
 */
export function openFrame(
  crypto: Crypto,
  state: ReceiveState,
  bytes: Uint8Array,
): { readonly state: ReceiveState; readonly plaintext: Uint8Array } | { readonly refused: FrameRefusal } {
  if (!isSealedFrame(bytes) || bytes.length < FRAME_OVERHEAD_BYTES || bytes.length > FRAME_BYTES_MAX) {
    return { refused: 'malformed' }
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES)
  const counter = view.getUint32(1, true) + view.getUint32(5, true) * 2 ** 32
  if (counter >= FRAMES_PER_KEY_MAX) return { refused: 'exhausted' }
  // Before decryption: a flood of duplicates then costs next to nothing.
  const verdict = judgeCounter(state.window, counter)
  if (verdict !== 'fresh') return { refused: verdict }
  const tagAt = bytes.length - TAG_BYTES
  const plaintext = crypto.aesGcmOpen(
    state.key,
    noiseNonce(counter),
    bytes.subarray(0, HEADER_BYTES),
    bytes.subarray(HEADER_BYTES, tagAt),
    bytes.subarray(tagAt),
  )
  if (plaintext === undefined) return { refused: 'notAuthentic' }
  return { state: { key: state.key, window: markAccepted(state.window, counter) }, plaintext }
}
