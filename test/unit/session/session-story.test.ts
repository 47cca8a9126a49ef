// Goal: the parts fit together. A client and a node go from hello to answered requests with nothing but the bytes between them, and those bytes
// reveal none of what was said, asked or answered, nor who asked. A client that trusts another service gets nowhere.
import { describe, expect, it } from 'vitest'
import { EMPTY, fromUtf8, toByteString, utf8 } from '../../../protocols/codec/bytes.ts'
import type { Crypto } from '../../../protocols/crypto/crypto.ts'
import { nodeId, seqno, view } from '../../../protocols/ids.ts'
import { openFrame, sealFrame, startReceiving, startSending } from '../../../protocols/session/frame.ts'
import type { Hello } from '../../../protocols/session/hello.ts'
import { decodeHello, encodeHello, sessionPrologue } from '../../../protocols/session/hello.ts'
import { serviceIdentity, verifyIdentityPayload } from '../../../protocols/session/identity-payload.ts'
import { decodeClientBatch, decodeNodeBatch } from '../../../protocols/session/messages-decode.ts'
import { encodeClientBatch, encodeNodeBatch } from '../../../protocols/session/messages-encode.ts'
import { PATTERN_XX } from '../../../protocols/session/noise-patterns.ts'
import type { HandshakeState } from '../../../protocols/session/noise.ts'
import { initHandshake, noiseKeyPair, readMessage, split, writeMessage } from '../../../protocols/session/noise.ts'
import { certificate, der, identity, payloadOf } from './identities.ts'
import { IMPLEMENTATIONS } from './implementations.ts'
import { key } from './xx.ts'

function begin(crypto: Crypto, initiator: boolean, trusted: string): HandshakeState {
  const prologue = sessionPrologue('demo', serviceIdentity(crypto, certificate(trusted)))
  return initHandshake(crypto, {
    pattern: PATTERN_XX,
    initiator,
    prologue,
    s: noiseKeyPair(crypto, key(initiator ? 1 : 2)),
  })
}

/** Decodes what must be a hello of the given type. */
function expectHello<T extends Hello['type']>(bytes: Uint8Array, type: T): Extract<Hello, { type: T }> {
  const hello = decodeHello(bytes)
  if (hello?.type !== type) throw new Error(`expected ${type}, got ${String(hello?.type)}`)
  return hello as Extract<Hello, { type: T }>
}

describe.each(IMPLEMENTATIONS)('a session with $name', (crypto) => {
  it('goes from hello to answers, and an eavesdropper learns nothing', () => {
    const wire: Uint8Array[] = []
    const sent = (bytes: Uint8Array): Uint8Array => {
      wire.push(bytes)
      return bytes
    }
    const service = certificate('service')
    const nodeIdentity = payloadOf(crypto, 'node', 'node', crypto.x25519PublicKey(key(2)))
    const userIdentity = payloadOf(crypto, 'userP384', 'client', crypto.x25519PublicKey(key(1)))

    const first = writeMessage(crypto, begin(crypto, true, 'service'), EMPTY, key(11))!
    const clientHello = { type: 'clientHello', replySubject: '_INBOX.c1.h1', noise: first.message } as const
    const heard = expectHello(sent(encodeHello(clientHello)), 'clientHello')

    const read = readMessage(crypto, begin(crypto, false, 'service'), heard.noise)!
    const second = writeMessage(crypto, read.state, nodeIdentity, key(12))!
    const ownId = nodeId(identity('node').spkiSha256)
    const answer = { type: 'nodeAnswer', session: 's1', nodeId: ownId, primaryHint: undefined } as const
    const answered = expectHello(sent(encodeHello({ ...answer, noise: second.message })), 'nodeAnswer')

    const proven = readMessage(crypto, first.state, answered.noise)!
    const node = { payload: proven.payload, remoteStatic: proven.state.rs!, expect: 'node' } as const
    expect(verifyIdentityPayload(crypto, { ...node, serviceCertificate: service })).toEqual({
      kind: 'node',
      nodeId: answered.nodeId,
    })
    const third = writeMessage(crypto, proven.state, userIdentity)!
    const finish = expectHello(sent(encodeHello({ type: 'clientFinish', noise: third.message })), 'clientFinish')
    const finished = readMessage(crypto, second.state, finish.noise)!
    const user = { payload: finished.payload, remoteStatic: finished.state.rs!, expect: 'client' } as const
    expect(verifyIdentityPayload(crypto, { ...user, serviceCertificate: service })).toEqual({
      kind: 'certificate',
      id: identity('userP384').certificateId,
    })

    const [client, host] = [split(crypto, third.state), split(crypto, finished.state)]
    const request = { id: 7, verb: 'POST', path: '/app/log/private', body: utf8('the secret request') }
    const asked = sealFrame(
      crypto,
      startSending(client.sendKey),
      encodeClientBatch({ requests: [request], controls: [] })[0]!,
    )
    if ('refused' in asked) throw new Error(asked.refused)
    const opened = openFrame(crypto, startReceiving(host.receiveKey), sent(asked.bytes))
    if ('refused' in opened) throw new Error(opened.refused)
    expect(decodeClientBatch(opened.plaintext)?.requests).toEqual([request])

    const response = {
      id: 7,
      status: 200,
      contentType: 'bytes' as const,
      body: utf8('the secret answer'),
      txId: { view: view(2), seqno: seqno(15) },
    }
    const replied = sealFrame(
      crypto,
      startSending(host.sendKey),
      encodeNodeBatch({ responses: [response], notices: [] })[0]!,
    )
    if ('refused' in replied) throw new Error(replied.refused)
    const received = openFrame(crypto, startReceiving(client.receiveKey), sent(replied.bytes))
    if ('refused' in received) throw new Error(received.refused)
    const [got] = decodeNodeBatch(received.plaintext)!.responses
    expect([got, fromUtf8(got!.body)]).toEqual([response, 'the secret answer'])
    // A frame reflected to its sender is not authentic: each direction has its own key.
    expect(openFrame(crypto, startReceiving(client.receiveKey), asked.bytes)).toEqual({ refused: 'notAuthentic' })

    const seen = wire.map(toByteString).join('')
    expect(seen).toContain('_INBOX.c1.h1')
    const secrets = [request.path, 'secret', toByteString(nodeIdentity), toByteString(userIdentity)]
    secrets.push(identity('userP384').certificateId, identity('userP384').certificate)
    for (const pair of [client, host]) secrets.push(toByteString(pair.sendKey), toByteString(pair.remoteStatic!))
    // Certificates above all: not even a part of one.
    const text = toByteString(der('userP384'))
    for (let at = 0; at + 24 <= text.length; at += 24) secrets.push(text.slice(at, at + 24))
    for (const secret of secrets) expect([secret, seen.includes(secret)]).toEqual([secret, false])
  })

  it('does not begin between parties that mean different services', () => {
    const first = writeMessage(crypto, begin(crypto, true, 'otherService'), EMPTY, key(11))!
    const read = readMessage(crypto, begin(crypto, false, 'service'), first.message)!
    const second = writeMessage(
      crypto,
      read.state,
      payloadOf(crypto, 'node', 'node', crypto.x25519PublicKey(key(2))),
      key(12),
    )!
    expect(readMessage(crypto, first.state, second.message)).toBeUndefined()
  })
})
