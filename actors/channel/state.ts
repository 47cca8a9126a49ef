// What a channel knows of its peer: the keys in use, the handshake under way (if any), and what waits for keys.
// The chart's state is the phase of the handshake; keys outlive it, so traffic flows while new ones are agreed.
// The rule to remember: `receiveBefore` and `agreed` are other keys that may still, or already, be in use by the peer during a switch.
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import type { NodeId } from '../../protocols/ids.ts'
import type { ReceiveState, SendState } from '../../protocols/session/frame.ts'
import type { HandshakeState, NoiseKeyPair } from '../../protocols/session/noise.ts'
import type { Transmit } from '../../protocols/transmit.ts'
import type { HostEvent } from '../effects.ts'

export interface ChannelConfig {
  readonly crypto: Crypto
  /** The service's name, as in subjects. */
  readonly service: string
  /** 32 bytes both ends must agree on (identity.ts, `channelBinding`). */
  readonly binding: Uint8Array
  readonly nodeId: NodeId
  /** The only node believed at the other end: pinned by the hash of its key, whoever endorsed its certificate. */
  readonly peer: NodeId
  /** This node's static key for channels, which `identityPayload` proves to be the node's. */
  readonly staticKey: NoiseKeyPair
  readonly identityPayload: Uint8Array
  /** An attempt at a handshake takes at most that, ms; it doubles with every attempt that fails, up to `retryMaxMs`. */
  readonly retryMinMs: number
  readonly retryMaxMs: number
  /** Sending for that long without hearing anything makes the keys suspect, ms. */
  readonly silenceMs: number
}

export type ChannelEvent =
  Extract<HostEvent, { readonly type: 'bytesDrawn' | 'received' }> | Transmit | { readonly type: 'handshakeTimeout' }

export interface Keys {
  readonly send: SendState
  readonly receive: ReceiveState
}

/** The handshake under way. */
export interface Attempt {
  /** Its id, chosen by the initiator: 32 hex digits. */
  readonly id: string
  readonly handshake: HandshakeState
}

/** A hello that waits for randomness to be answered. */
export interface PendingHello {
  readonly id: string
  readonly noise: Uint8Array
}

export interface ChannelState {
  readonly config: ChannelConfig
  /** Both directions established; undefined until the first handshake is confirmed. */
  readonly current: Keys | undefined
  /** The peer may still seal with these keys: until its first frame under `current`. */
  readonly receiveBefore: ReceiveState | undefined
  /** An initiator's new keys, until the peer's first frame under them proves that it has them too. */
  readonly agreed: Keys | undefined
  readonly attempt: Attempt | undefined
  readonly pendingHello: PendingHello | undefined
  /** Token of the randomness asked for last. */
  readonly drawToken: number
  /** Attempts since the last one that succeeded. */
  readonly failures: number
  /** Frame contents that wait for keys, oldest first. */
  readonly queue: readonly Uint8Array[]
  readonly queuedBytes: number
  /** Frames in a row that did not authenticate. */
  readonly forgeries: number
  /** Host clock, ms, of the first frame sent since something was heard. */
  readonly unansweredSince: number | undefined
}

export const initialState = (config: ChannelConfig): ChannelState => ({
  config,
  current: undefined,
  receiveBefore: undefined,
  agreed: undefined,
  attempt: undefined,
  pendingHello: undefined,
  drawToken: 0,
  failures: 0,
  queue: [],
  queuedBytes: 0,
  forgeries: 0,
  unansweredSince: undefined,
})
