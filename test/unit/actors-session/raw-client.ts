// The client's side of a session, bare: Noise as initiator and sealed frames, with every byte in the test's hands.
import type { AppRequest } from '../../../protocols/app.ts'
import { EMPTY } from '../../../protocols/codec/bytes.ts'
import {
  openFrame,
  sealFrame,
  startReceiving,
  startSending,
  type ReceiveState,
  type SendState,
} from '../../../protocols/session/frame.ts'
import { decodeHello, encodeHello, sessionPrologue } from '../../../protocols/session/hello.ts'
import { encodeIdentityPayload, serviceIdentity } from '../../../protocols/session/identity-payload.ts'
import { decodeNodeBatch } from '../../../protocols/session/messages-decode.ts'
import { encodeClientBatch } from '../../../protocols/session/messages-encode.ts'
import type { ClientControl, NodeBatch } from '../../../protocols/session/messages.ts'
import { PATTERN_XX } from '../../../protocols/session/noise-patterns.ts'
import {
  initHandshake,
  readMessage,
  split,
  writeMessage,
  type HandshakeState,
} from '../../../protocols/session/noise.ts'
import { crypto, SERVICE, service, sessionPayload, user, type Identity } from './identities.ts'

export const REPLY = '_INBOX.client'

export class RawClient {
  #handshake: HandshakeState
  readonly hello: Uint8Array
  readonly noise: Uint8Array
  #sending: SendState | undefined
  #receiving: ReceiveState | undefined
  readonly who: Identity | 'anonymous'

  constructor(who: Identity | 'anonymous' = user, trust: Identity = service) {
    this.who = who
    const prologue = sessionPrologue(SERVICE, serviceIdentity(crypto, trust.certificate))
    const s = (who === 'anonymous' ? user : who).staticKey
    const fresh = initHandshake(crypto, { pattern: PATTERN_XX, initiator: true, prologue, s })
    const written = writeMessage(crypto, fresh, EMPTY, crypto.sha256(prologue))!
    this.#handshake = written.state
    this.noise = written.message
    this.hello = encodeHello({ type: 'clientHello', replySubject: REPLY, noise: written.message })
  }

  /** Reads the node's answer; returns the finish, and the node's proof of identity. Undefined if the answer does not authenticate. */
  finish(
    answer: Uint8Array,
    payload: Uint8Array = this.who === 'anonymous'
      ? encodeIdentityPayload({ role: 'client', proof: undefined })
      : sessionPayload('client', this.who),
  ): { readonly bytes: Uint8Array; readonly nodePayload: Uint8Array } | undefined {
    const hello = decodeHello(answer)
    if (hello?.type !== 'nodeAnswer') throw new Error(`not an answer: ${hello?.type}`)
    const read = readMessage(crypto, this.#handshake, hello.noise)
    if (read === undefined) return undefined
    const written = writeMessage(crypto, read.state, payload)!
    this.#handshake = written.state
    const keys = split(crypto, written.state)
    this.#sending = startSending(keys.sendKey)
    this.#receiving = startReceiving(keys.receiveKey)
    return { bytes: encodeHello({ type: 'clientFinish', noise: written.message }), nodePayload: read.payload }
  }

  seal(requests: readonly AppRequest[], controls: readonly ClientControl[] = []): Uint8Array {
    return this.sealBytes(encodeClientBatch({ requests, controls })[0] ?? Uint8Array.of(1, 0, 0, 0))
  }

  sealBytes(plaintext: Uint8Array): Uint8Array {
    const sealed = sealFrame(crypto, this.#sending!, plaintext)
    if (!('bytes' in sealed)) throw new Error('exhausted')
    this.#sending = sealed.state
    return sealed.bytes
  }

  open(bytes: Uint8Array): NodeBatch {
    const opened = openFrame(crypto, this.#receiving!, bytes)
    if ('refused' in opened) throw new Error(`frame refused: ${opened.refused}`)
    this.#receiving = opened.state
    const batch = decodeNodeBatch(opened.plaintext)
    if (batch === undefined) throw new Error('malformed node batch')
    return batch
  }
}
