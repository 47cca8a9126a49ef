// The decoders of ledger secrets: their tables, shares, and the RSA keys they are encrypted to.
import { rsaOaepEncrypt, parseRsaPkcs8, parseRsaSpki } from '../../../protocols/crypto/rsa-oaep.ts'
import type { NodeId } from '../../../protocols/ids.ts'
import { decodeHistoricalSecret, encodeHistoricalSecret } from '../../../protocols/secrets/chain.ts'
import { decodeNodeSecrets, encodeNodeSecrets, type NodeSecret } from '../../../protocols/secrets/node-secrets.ts'
import { decodeRecoveryShares, encodeRecoveryShares } from '../../../protocols/secrets/recovery-shares.ts'
import { decodeShare, encodeShare, splitSecret, splitSeedBytes } from '../../../protocols/secrets/shamir.ts'
import { SEALED_SECRET_BYTES } from '../../../protocols/secrets/wrapping.ts'
import { rsaKeyOf } from '../../../runtime/models/service/rsa-keys.ts'
import { type Decoder, ofBytes } from './decoder.ts'

const key = rsaKeyOf('fuzz')
const NODE = 'a'.repeat(64) as NodeId
const sealed = new Uint8Array(SEALED_SECRET_BYTES).fill(7)
const encrypted = (): Uint8Array => rsaOaepEncrypt(key.spki, new Uint8Array(32), new Uint8Array(32))!
const item = (more: Partial<NodeSecret> = {}): NodeSecret => ({ encryptedSecret: encrypted(), ...more })

export const secretDecoders: readonly Decoder[] = [
  ofBytes({
    name: 'historical-secret',
    of: ['protocols/secrets/chain.ts#decodeHistoricalSecret'],
    format: 'json',
    seeds: () => [
      encodeHistoricalSecret({ nextVersion: 1 }),
      encodeHistoricalSecret({ previous: { encryptedData: sealed, version: 1, previousSecretStoredVersion: 2 } }),
      encodeHistoricalSecret({ previous: { encryptedData: sealed, version: 9 }, nextVersion: 12 }),
    ],
    decode: decodeHistoricalSecret,
    encode: encodeHistoricalSecret,
    bytesPerByte: 64,
  }),
  ofBytes({
    name: 'node-secrets',
    of: ['protocols/secrets/node-secrets.ts#decodeNodeSecrets'],
    format: 'json',
    seeds: () => [
      encodeNodeSecrets({ [NODE]: [item()], ['b'.repeat(64) as NodeId]: [item()] }),
      encodeNodeSecrets({ [NODE]: [item({ version: 1 }), item({ version: 5, previousSecretStoredVersion: 4 })] }),
    ],
    decode: (bytes) => decodeNodeSecrets(bytes, NODE),
    encode: (items: readonly NodeSecret[]) => encodeNodeSecrets({ [NODE]: items }),
    bytesPerByte: 64,
  }),
  ofBytes({
    name: 'recovery-shares',
    of: ['protocols/secrets/recovery-shares.ts#decodeRecoveryShares'],
    format: 'json',
    seeds: () => [
      encodeRecoveryShares({ wrappedLatestLedgerSecret: sealed, encryptedShares: {} }),
      encodeRecoveryShares({
        wrappedLatestLedgerSecret: sealed,
        encryptedShares: { m0: encrypted(), m1: encrypted() },
        previousSecretStoredVersion: 6,
      }),
    ],
    decode: decodeRecoveryShares,
    encode: encodeRecoveryShares,
    bytesPerByte: 64,
  }),
  ofBytes({
    name: 'share',
    of: ['protocols/secrets/shamir.ts#decodeShare'],
    seeds: () => {
      const { secret, shares } = splitSecret(new Uint8Array(splitSeedBytes(2)).fill(3), 2, 3)
      return [secret, ...shares].map(encodeShare)
    },
    decode: decodeShare,
    encode: encodeShare,
    oneSpelling: true,
  }),
  ofBytes({
    name: 'rsa-public-key',
    of: ['protocols/crypto/rsa-oaep.ts#parseRsaSpki'],
    format: 'der',
    seeds: () => [key.spki],
    decode: parseRsaSpki,
    bytesPerByte: 64,
  }),
  ofBytes({
    name: 'rsa-private-key',
    of: ['protocols/crypto/rsa-oaep.ts#parseRsaPkcs8'],
    format: 'der',
    seeds: () => [key.pkcs8],
    decode: parseRsaPkcs8,
    bytesPerByte: 64,
  }),
]
