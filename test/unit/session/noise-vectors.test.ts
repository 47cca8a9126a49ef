// Goal: our Noise engine is the Noise Protocol Framework's. Every published 25519_AESGCM_SHA256 vector (one-way, interactive, deferred and
// pre-shared-key patterns) is reproduced byte by byte from both sides, with both crypto implementations.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { EMPTY, fromHex, toHex } from '../../../protocols/codec/bytes.ts'
import type { Crypto } from '../../../protocols/crypto/crypto.ts'
import { noisePattern } from '../../../protocols/session/noise-patterns.ts'
import { cipherWithKey, decryptWithAd, encryptWithAd } from '../../../protocols/session/noise-symmetric.ts'
import type { HandshakeState } from '../../../protocols/session/noise.ts'
import {
  handshakeFinished,
  initHandshake,
  noiseKeyPair,
  readMessage,
  split,
  writeMessage,
} from '../../../protocols/session/noise.ts'
import { IMPLEMENTATIONS } from './implementations.ts'

interface Vector {
  readonly protocol_name: string
  readonly init_prologue: string
  readonly init_psks?: readonly string[]
  readonly init_static?: string
  readonly init_ephemeral: string
  readonly init_remote_static?: string
  readonly resp_prologue: string
  readonly resp_psks?: readonly string[]
  readonly resp_static?: string
  readonly resp_ephemeral?: string
  readonly resp_remote_static?: string
  readonly handshake_hash: string
  readonly messages: readonly { readonly payload: string; readonly ciphertext: string }[]
}

const file = new URL('../../golden/noise/cacophony-25519-aesgcm-sha256.json', import.meta.url)
const { vectors } = JSON.parse(readFileSync(file, 'utf8')) as { readonly vectors: readonly Vector[] }

function start(crypto: Crypto, vector: Vector, initiator: boolean): HandshakeState {
  const pattern = noisePattern(vector.protocol_name.split('_')[1]!)!
  const own = initiator ? vector.init_static : vector.resp_static
  const peer = initiator ? vector.init_remote_static : vector.resp_remote_static
  return initHandshake(crypto, {
    pattern,
    initiator,
    prologue: fromHex(initiator ? vector.init_prologue : vector.resp_prologue),
    psks: ((initiator ? vector.init_psks : vector.resp_psks) ?? []).map(fromHex),
    ...(own === undefined ? {} : { s: noiseKeyPair(crypto, fromHex(own)) }),
    ...(peer === undefined ? {} : { rs: fromHex(peer) }),
  })
}

function run(crypto: Crypto, vector: Vector): void {
  let [initiator, responder] = [start(crypto, vector, true), start(crypto, vector, false)]
  const handshakeMessages = initiator.pattern.messages.length
  expect(vector.messages.length).toBe(handshakeMessages + 2)
  vector.messages.slice(0, handshakeMessages).forEach(({ payload, ciphertext }, index) => {
    const initiatorWrites = index % 2 === 0
    const ephemeral = initiatorWrites ? vector.init_ephemeral : vector.resp_ephemeral
    const key = ephemeral === undefined ? undefined : fromHex(ephemeral)
    const written = writeMessage(crypto, initiatorWrites ? initiator : responder, fromHex(payload), key)!
    expect(toHex(written.message)).toBe(ciphertext)
    const read = readMessage(crypto, initiatorWrites ? responder : initiator, written.message)!
    expect(toHex(read.payload)).toBe(payload)
    ;[initiator, responder] = initiatorWrites ? [written.state, read.state] : [read.state, written.state]
  })
  expect(handshakeFinished(initiator) && handshakeFinished(responder)).toBe(true)
  const [a, b] = [split(crypto, initiator), split(crypto, responder)]
  expect(toHex(a.handshakeHash)).toBe(vector.handshake_hash)
  expect(toHex(b.handshakeHash)).toBe(vector.handshake_hash)
  let ciphers = { initiatorSends: cipherWithKey(a.sendKey), responderSends: cipherWithKey(b.sendKey) }
  expect([toHex(a.receiveKey), toHex(b.receiveKey)]).toEqual([toHex(b.sendKey), toHex(a.sendKey)])
  const oneWay = handshakeMessages === 1
  vector.messages.slice(handshakeMessages).forEach(({ payload, ciphertext }, index) => {
    const sender = oneWay || (handshakeMessages + index) % 2 === 0 ? 'initiatorSends' : 'responderSends'
    const sealed = encryptWithAd(crypto, ciphers[sender], EMPTY, fromHex(payload))
    expect(toHex(sealed.bytes)).toBe(ciphertext)
    expect(toHex(decryptWithAd(crypto, ciphers[sender], EMPTY, sealed.bytes)!.plaintext)).toBe(payload)
    ciphers = { ...ciphers, [sender]: sealed.cipher }
  })
}

describe.each(IMPLEMENTATIONS)('cacophony vectors with $name', (crypto) => {
  it('are all there', () => {
    expect(vectors).toHaveLength(59)
    expect(new Set(vectors.map((vector) => vector.protocol_name)).size).toBe(59)
  })
  it.each(vectors.map((vector) => [vector.protocol_name, vector] as const))('%s', (_name, vector) => {
    run(crypto, vector)
  })
})
