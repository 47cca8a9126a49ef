// What a commit cannot do without, on this machine: sign a root, verify it on a backup, seal an entry, synchronise a file. Other machines differ by
// factors in each (reference/measurements.md §6), so a latency says little without these beside it.
import { createPrivateKey, sign } from 'node:crypto'
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nativeCrypto } from '../../protocols/crypto/native.ts'
import { GCM_IV_BYTES, AES_KEY_BYTES } from '../../protocols/crypto/sizes.ts'
import { identityHash } from '../../protocols/session/identity-payload.ts'
import { generateEcKeys, type IdentityCurve } from '../identity.ts'

/** Medians, in microseconds. */
export interface PrimitiveCosts {
  readonly sign: number
  readonly verify: number
  /** AES-256-GCM over 64 bytes. */
  readonly seal: number
  /** Appending 2 KiB, about a signature transaction, and fdatasync. */
  readonly durableWrite: number
}

const TIMES = 200

function median(operation: () => void): number {
  const samples = Array.from({ length: TIMES }, () => {
    const from = performance.now()
    operation()
    return performance.now() - from
  })
  return samples.sort((a, b) => a - b)[TIMES / 2]! * 1000
}

/** `curve`: of the keys of node and service. Files are written where temporary ones are, as the service's of the bench. */
export async function primitiveCosts(curve: IdentityCurve): Promise<PrimitiveCosts> {
  const pair = await generateEcKeys(curve)
  const hash = identityHash(curve)
  // Parsed once, as a node's keyring does.
  const key = createPrivateKey({ key: Buffer.from(pair.privateKeyPkcs8), format: 'der', type: 'pkcs8' })
  const message = new Uint8Array(64)
  const signature = new Uint8Array(sign(hash, message, key))
  const publicKey = nativeCrypto.importEcPublicKey(pair.spki)!
  const directory = mkdtempSync(join(tmpdir(), 'concordat-primitives-'))
  const file = openSync(join(directory, 'written'), 'w')
  const block = new Uint8Array(2048).fill(1)
  const [secret, iv] = [new Uint8Array(AES_KEY_BYTES), new Uint8Array(GCM_IV_BYTES)]
  try {
    return {
      sign: median(() => sign(hash, message, key)),
      verify: median(() => nativeCrypto.verifyEcdsa(publicKey, hash, message, signature, 'der')),
      seal: median(() => nativeCrypto.aesGcmSeal(secret, iv, message, message)),
      durableWrite: median(() => {
        writeSync(file, block)
        fdatasyncSync(file)
      }),
    }
  } finally {
    closeSync(file)
    rmSync(directory, { recursive: true, force: true })
  }
}
