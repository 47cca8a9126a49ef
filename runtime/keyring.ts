// Private keys of a live node, in memory only, signing off the main thread (libuv's pool): P-384 takes half a millisecond.
// The rule to remember: keys come in and never go out; no error or log carries one.
import { createPrivateKey, sign, type KeyObject } from 'node:crypto'
import type { SignItem, SigningKeyName } from '../actors/effects.ts'
import { InvariantViolation } from '../protocols/errors.ts'
import type { KeyringPort } from './host/ports.ts'

export class LiveKeyring implements KeyringPort {
  readonly #keys = new Map<SigningKeyName, KeyObject>()

  install(name: SigningKeyName, pkcs8: Uint8Array): void {
    this.#keys.set(name, createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' }))
  }

  sign(items: readonly SignItem[], done: (error: Error | undefined, signatures: readonly Uint8Array[]) => void): void {
    const signatures = new Array<Uint8Array>(items.length)
    let left = items.length
    let failed = false
    items.forEach(({ key: name, hash, message, format }, i) => {
      const key = this.#keys.get(name)
      if (key === undefined) throw new InvariantViolation(`this node has no key '${name}'`)
      const dsaEncoding = format === 'raw' ? 'ieee-p1363' : 'der'
      sign(hash, message, { key, dsaEncoding }, (error, signature) => {
        if (failed) return
        if (error !== null) {
          failed = true
          done(error, [])
          return
        }
        signatures[i] = new Uint8Array(signature)
        if (--left === 0) done(undefined, signatures)
      })
    })
  }
}
