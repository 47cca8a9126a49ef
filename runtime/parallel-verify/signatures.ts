// Signatures handed to other threads: a door to cryptography that takes every signature for good at first and remembers what to verify, and the
// verifier on the other side. The rule to remember: what was found with this door counts only when every remembered signature holds.
import { toByteString } from '../../protocols/codec/bytes.ts'
import type { Crypto, EcPublicKey } from '../../protocols/crypto/crypto.ts'
import type { SignatureToVerify } from './messages.ts'

/** @param remember is told of every signature that was taken for good */
export const deferring = (crypto: Crypto, remember: (signature: SignatureToVerify) => void): Crypto => ({
  ...crypto,
  verifyEcdsa: ({ curve, spki }, hash, message, signature, format) => {
    remember({ curve, spki, hash, message, signature, format })
    return true
  },
  verifyEcdsaDigest: ({ curve, spki }, digest, signature, format) => {
    remember({ curve, spki, hash: undefined, message: digest, signature, format })
    return true
  },
})

const KEYS_MAX = 1000

export class SignatureVerifier {
  readonly #crypto: Crypto
  /** Importing a key costs about as much as a tenth of a verification. */
  readonly #keys = new Map<string, EcPublicKey | undefined>()

  constructor(crypto: Crypto) {
    this.#crypto = crypto
  }

  holds({ spki, hash, message, signature, format }: SignatureToVerify): boolean {
    const key = this.#keyOf(spki)
    if (key === undefined) return false
    return hash === undefined
      ? this.#crypto.verifyEcdsaDigest(key, message, signature, format)
      : this.#crypto.verifyEcdsa(key, hash, message, signature, format)
  }

  #keyOf(spki: Uint8Array): EcPublicKey | undefined {
    const id = toByteString(spki)
    if (!this.#keys.has(id)) {
      if (this.#keys.size >= KEYS_MAX) this.#keys.clear()
      this.#keys.set(id, this.#crypto.importEcPublicKey(spki))
    }
    return this.#keys.get(id)
  }
}
