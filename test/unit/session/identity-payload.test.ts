// Goal: a Noise static key is believed to belong to an X.509 identity only when that identity's key says so, for this role, this service and this
// very static key; nodes must moreover be endorsed by the service, or pinned. Everything else is refused by name, never by an exception.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, EMPTY, toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import type { Crypto } from '../../../protocols/crypto/crypto.ts'
import { InvariantViolation } from '../../../protocols/errors.ts'
import { nodeId } from '../../../protocols/ids.ts'
import type { SessionRole, VerifyIdentityOptions } from '../../../protocols/session/identity-payload.ts'
import {
  IDENTITY_CERTIFICATE_BYTES_MAX,
  decodeIdentityPayload,
  encodeIdentityPayload,
  SIGNATURE_BYTES_MAX,
  verifyIdentityPayload,
} from '../../../protocols/session/identity-payload.ts'
import { certificate, der, identity, payloadOf } from './identities.ts'
import { IMPLEMENTATIONS, native } from './implementations.ts'
import { key, runXX } from './xx.ts'

const SERVICE = certificate('service')
const STATIC = key(5)

const verify = (crypto: Crypto, payload: Uint8Array, options: Partial<VerifyIdentityOptions> = {}): unknown =>
  verifyIdentityPayload(crypto, {
    payload,
    remoteStatic: STATIC,
    serviceCertificate: SERVICE,
    expect: 'client',
    ...options,
  })

describe.each(IMPLEMENTATIONS)('identities with $name', (crypto) => {
  it('believes users of every curve by the digest of their certificate', () => {
    for (const name of ['userP256', 'userP384', 'userP521']) {
      const id = identity(name).certificateId
      expect(verify(crypto, payloadOf(crypto, name, 'client', STATIC))).toEqual({ kind: 'certificate', id })
    }
  })

  it('believes a node the service endorsed, under its renewed certificate too', () => {
    const payload = payloadOf(crypto, 'node', 'node', STATIC)
    const node = { kind: 'node', nodeId: identity('node').spkiSha256 }
    expect(verify(crypto, payload, { expect: 'node' })).toEqual(node)
    expect(verify(crypto, payload, { expect: 'node', serviceCertificate: certificate('renewed') })).toEqual(node)
  })

  it('believes a node without endorsement only when its id is pinned', () => {
    const payload = payloadOf(crypto, 'joiner', 'node', STATIC)
    const id = nodeId(identity('joiner').spkiSha256)
    expect(verify(crypto, payload, { expect: 'node' })).toEqual({ refused: 'notEndorsed' })
    const pinned = { expect: 'node', trustedNodeIds: new Set([id]) } as const
    expect(verify(crypto, payload, pinned)).toEqual({ kind: 'node', nodeId: id })
    expect(verify(crypto, payloadOf(crypto, 'foreignNode', 'node', STATIC), pinned)).toEqual({ refused: 'notEndorsed' })
  })

  it('refuses a proof made for anything else', () => {
    const refuse = (payload: Uint8Array, refused: string, options: Partial<VerifyIdentityOptions> = {}): void => {
      expect(verify(crypto, payload, options)).toEqual({ refused })
    }
    const otherService = certificate('otherService')
    refuse(payloadOf(crypto, 'userP256', 'client', key(6)), 'badSignature')
    refuse(payloadOf(crypto, 'userP256', 'client', STATIC, { service: otherService }), 'badSignature')
    refuse(payloadOf(crypto, 'userP256', 'client', STATIC, { signedRole: 'node' }), 'badSignature')
    refuse(payloadOf(crypto, 'userP256', 'client', STATIC, { signer: 'userP384' }), 'badSignature')
    refuse(payloadOf(crypto, 'node', 'node', STATIC), 'wrongRole')
    refuse(payloadOf(crypto, 'userP256', 'client', STATIC), 'wrongRole', { expect: 'node' })
    refuse(payloadOf(crypto, 'foreignNode', 'node', STATIC), 'notEndorsed', { expect: 'node' })
    refuse(payloadOf(crypto, 'node', 'node', STATIC), 'badSignature', {
      expect: 'node',
      serviceCertificate: otherService,
    })
    refuse(payloadOf(crypto, 'userP256', 'client', STATIC), 'malformed', { remoteStatic: STATIC.subarray(1) })
  })
})

describe('identity payloads', () => {
  const user = payloadOf(native, 'userP256', 'client', STATIC)

  it('check dates only when told the time', () => {
    const from = Date.UTC(2026, 10, 22, 11, 32, 11) / 1000
    const { notBeforeSeconds, notAfterSeconds } = certificate('userP256')
    expect(notBeforeSeconds).toBe(from)
    const id = identity('userP256').certificateId
    for (const nowSeconds of [notBeforeSeconds, notAfterSeconds]) {
      expect(verify(native, user, { nowSeconds })).toEqual({ kind: 'certificate', id })
    }
    for (const nowSeconds of [notBeforeSeconds - 1, notAfterSeconds + 1]) {
      expect(verify(native, user, { nowSeconds })).toEqual({ refused: 'notValidNow' })
    }
    expect(verify(native, user)).toEqual({ kind: 'certificate', id })
  })

  it('lets clients be anonymous, nodes not', () => {
    const anonymous = encodeIdentityPayload({ role: 'client', proof: undefined })
    expect(toHex(anonymous)).toBe('0101' + '00000000' + '00000000')
    expect(verify(native, anonymous)).toEqual({ kind: 'anonymous' })
    expect(verify(native, anonymous, { expect: 'node' })).toEqual({ refused: 'wrongRole' })
    const nobody = concat(Uint8Array.of(1, 0), new Uint8Array(8))
    expect(verify(native, nobody, { expect: 'node' })).toEqual({ refused: 'malformed' })
    expect(() => encodeIdentityPayload({ role: 'node', proof: undefined })).toThrow(InvariantViolation)
  })

  it('survive the codec and are bounded', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<SessionRole>('node', 'client'),
        fc.uint8Array({ minLength: 1, maxLength: 300 }),
        fc.uint8Array({ maxLength: SIGNATURE_BYTES_MAX }),
        (role, cert, signature) => {
          const payload = { role, proof: { certificate: cert, signature } }
          expect(decodeIdentityPayload(encodeIdentityPayload(payload))).toEqual(payload)
        },
      ),
      { seed: 1, numRuns: 200 },
    )
    const large = { certificate: new Uint8Array(IDENTITY_CERTIFICATE_BYTES_MAX + 1), signature: EMPTY }
    expect(() => encodeIdentityPayload({ role: 'client', proof: large })).toThrow(InvariantViolation)
    const claimed = concat(Uint8Array.of(1, 1, 0xff, 0xff, 0xff, 0xff), EMPTY)
    expect(decodeIdentityPayload(claimed)).toBeUndefined()
  })

  it('are refused when cut or lengthened anywhere, and when their version is unknown', () => {
    for (let length = 0; length < user.length; length++) {
      expect(verify(native, user.subarray(0, length))).toEqual({ refused: 'malformed' })
    }
    expect(verify(native, concat(user, Uint8Array.of(0)))).toEqual({ refused: 'malformed' })
    expect(verify(native, concat(Uint8Array.of(2), user.subarray(1)))).toEqual({ refused: 'malformed' })
    expect(verify(native, concat(Uint8Array.of(1, 2), user.subarray(2)))).toEqual({ refused: 'malformed' })
  })

  it('are refused, not thrown at, when certificate or signature is garbage', () => {
    const rsaLike = encodeIdentityPayload({ role: 'client', proof: { certificate: utf8('no DER'), signature: EMPTY } })
    expect(verify(native, rsaLike)).toEqual({ refused: 'badCertificate' })
    const empty = encodeIdentityPayload({ role: 'client', proof: { certificate: der('userP256'), signature: EMPTY } })
    expect(verify(native, empty)).toEqual({ refused: 'badSignature' })
    const changes = fc.array(fc.tuple(fc.nat(user.length - 1), fc.integer({ min: 1, max: 255 })), {
      minLength: 1,
      maxLength: 3,
    })
    fc.assert(
      fc.property(changes, (list) => {
        const changed = user.slice()
        for (const [at, difference] of list) changed[at]! ^= difference
        const result = verify(native, changed)
        // A change of the certificate outside its key leaves the proof valid, but names another identity, which nobody registered.
        const same = toHex(changed) === toHex(user)
        if (!same) expect(result).not.toEqual({ kind: 'certificate', id: identity('userP256').certificateId })
      }),
      { seed: 2, numRuns: 400 },
    )
  })

  it('travels in a handshake: the static key it names is the one the handshake proves', () => {
    const clientStatic = native.x25519PublicKey(key(1))
    const nodeStatic = native.x25519PublicKey(key(2))
    const { initiator, responder, steps } = runXX(native, [
      EMPTY,
      payloadOf(native, 'node', 'node', nodeStatic),
      payloadOf(native, 'userP384', 'client', clientStatic),
    ])
    expect(steps).toHaveLength(3)
    expect(initiator.remoteStatic).toEqual(nodeStatic)
    expect(responder.remoteStatic).toEqual(clientStatic)
    const payload = payloadOf(native, 'userP384', 'client', clientStatic)
    const id = identity('userP384').certificateId
    expect(verify(native, payload, { remoteStatic: responder.remoteStatic! })).toEqual({ kind: 'certificate', id })
    expect(verify(native, payload, { remoteStatic: initiator.remoteStatic! })).toEqual({ refused: 'badSignature' })
  })
})
