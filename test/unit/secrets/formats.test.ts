// Shares, wrapping, chain and tables against CCF's own values (facts §19), against a simple twin, and against whatever is malformed.
// The rule to remember: k shares give everything, k − 1 nothing, and no decoder throws anything but DecodeError.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DecodeError, fromHex, toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import { nativeCrypto } from '../../../protocols/crypto/native.ts'
import { nobleCrypto } from '../../../protocols/crypto/noble.ts'
import type { NodeId } from '../../../protocols/ids.ts'
import * as chain from '../../../protocols/secrets/chain.ts'
import { secretAt } from '../../../protocols/secrets/ledger-secrets.ts'
import { decodeNodeSecrets, encodeNodeSecrets } from '../../../protocols/secrets/node-secrets.ts'
import * as recovery from '../../../protocols/secrets/recovery-shares.ts'
import * as shamir from '../../../protocols/secrets/shamir.ts'
import { sealSecret, wrapLedgerSecret, wrappingKey } from '../../../protocols/secrets/wrapping.ts'
import { Prng } from '../../../runtime/prng.ts'

const SECRET = fromHex('6edd2162336d47359bc40f032c19fc497d9f415288d79c3b27864956ee6dc169d39f54100f782f23')
const WRAPPING_KEY = '585f9ba1448629e7049d206fa918075f624e6d3c05f944cd7f8b302d2a4d6ee0'
const SHARE_1 = '0100000019086d2c3dc0a31a0ee8c35c7b57ff7dd436e75579262b11779a7c7389fb1e4be2282c0339d28c2f'
const LEDGER_SECRET = '6a2e4bec332a6457dccd64af0d4ace7de36de1af02f95f3ecde5a47176f9014a'
const crypto = nobleCrypto

/** Chooses `count` of the items, by a seed. */
const choose = <T>(items: readonly T[], count: number, prng: Prng): T[] => {
  const left = [...items]
  return Array.from({ length: count }, () => left.splice(prng.integer(0, left.length - 1), 1)[0]!)
}

describe('shares', () => {
  it('are read and written as CCF does, and the wrapping key is CCF’s', () => {
    const share = shamir.decodeShare(fromHex(SHARE_1))!
    expect(share.x).toBe(1)
    expect(toHex(shamir.encodeShare(share))).toBe(SHARE_1)
    for (const each of [nobleCrypto, nativeCrypto]) expect(toHex(wrappingKey(each, SECRET))).toBe(WRAPPING_KEY)
  })

  it('recombine from any k of n and from the full secret; k − 1 give something else', () => {
    const spread = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 0, max: 4 }), fc.integer())
    fc.assert(
      fc.property(spread, ([threshold, more, seed]) => {
        const prng = new Prng(seed)
        const made = shamir.splitSecret(prng.bytes(shamir.splitSeedBytes(threshold)), threshold, threshold + more)
        const bytes = shamir.splitSecretBytes(made.secret)
        expect(shamir.recombine(choose(made.shares, threshold, prng))).toEqual(bytes)
        expect(shamir.recombine(made.shares)).toEqual(bytes)
        expect(shamir.recombine([made.secret])).toEqual(bytes)
        if (threshold === 1) return
        expect(shamir.recombine(choose(made.shares, threshold - 1, prng))).not.toEqual(bytes)
      }),
      { numRuns: 60, seed: 1 },
    )
  })

  it('recombine as exact arithmetic says', () => {
    const p = 2n ** 31n - 1n
    const power = (base: bigint, n: bigint): bigint =>
      n === 0n ? 1n : ((n % 2n === 1n ? base : 1n) * power((base * base) % p, n / 2n)) % p
    const limb = fc.integer({ min: 0, max: 2 ** 31 - 2 })
    const shares = fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 2 ** 31 - 2 }), limb), {
      minLength: 1,
      maxLength: 5,
      selector: ([x]) => x,
    })
    fc.assert(
      fc.property(shares, (points) => {
        const expected = points.reduce((sum, [xi, yi]) => {
          const others = points.filter(([x]) => x !== xi).map(([x]) => BigInt(x))
          const weight = others.reduce((w, xj) => (w * xj * power((xj - BigInt(xi) + p) % p, p - 2n)) % p, 1n)
          return (sum + weight * BigInt(yi)) % p
        }, 0n)
        const bytes = shamir.recombine(points.map(([x, y]) => ({ x, y: Array.from({ length: 10 }, () => y) })))!
        expect(BigInt(new DataView(bytes.buffer).getUint32(36, true))).toBe(expected)
      }),
      { numRuns: 100, seed: 1 },
    )
  })

  it('that are doubled, mixed with the secret, too short, or not of the field, are refused', () => {
    const { secret, shares } = shamir.splitSecret(new Prng(1).bytes(shamir.splitSeedBytes(2)), 2, 3)
    expect(shamir.recombine([shares[0]!, shares[0]!])).toBeUndefined()
    expect(shamir.recombine([shares[0]!, secret])).toBeUndefined()
    expect(shamir.recombine([])).toBeUndefined()
    expect(shamir.decodeShare(new Uint8Array(43))).toBeUndefined()
    expect(shamir.decodeShare(new Uint8Array(44).fill(0xff))).toBeUndefined()
    expect(shamir.decodeShare(new Uint8Array(44))).toEqual({ x: 0, y: Array.from({ length: 10 }, () => 0) })
  })
})

describe('the chain', () => {
  const prng = new Prng(7)
  const secrets = Array.from({ length: 4 }, () => prng.bytes(32))
  const sealed = (newer: number): Uint8Array => sealSecret(crypto, secrets[newer]!, secrets[newer - 1]!, prng.bytes(12))
  const record = (seqno: number, newer: number, version: number, stored: number): chain.ChainRecord => ({
    seqno,
    previous: { encryptedData: sealed(newer), version, previousSecretStoredVersion: stored },
  })
  const good: readonly chain.ChainRecord[] = [
    { seqno: 3, nextVersion: 1 },
    record(10, 1, 1, 3),
    record(20, 2, 11, 10),
    { ...record(35, 3, 21, 20), nextVersion: 30 },
  ]

  it('is walked from the latest secret to the first', () => {
    expect(chain.chainProblems(good)).toEqual([])
    const { secrets: opened, problems } = chain.openChain(crypto, good, secrets[3]!)
    expect(problems).toEqual([])
    expect(opened.map(({ version, secret }) => [version, toHex(secret)])).toEqual(
      [1, 11, 21, 30].map((version, i) => [version, toHex(secrets[i]!)]),
    )
    expect(opened.map((s) => s.previousSecretStoredVersion)).toEqual([3, 10, 20, 35])
    expect([1, 10, 11, 29, 30, 99].map((seqno) => secretAt(opened, seqno)?.version)).toEqual([1, 1, 11, 21, 30, 30])
  })

  it('may repeat a step that a recovery wrote twice', () => {
    const again = { ...good[3]!, seqno: 37 }
    const repeated = [...good, { ...again, previous: { ...again.previous!, previousSecretStoredVersion: 35 } }]
    expect(chain.chainProblems(repeated)).toEqual([])
    expect(chain.openChain(crypto, repeated, secrets[3]!)).toMatchObject({ problems: [], secrets: { length: 4 } })
  })

  it('that is broken is told, wherever it is', () => {
    const change = (at: number, previous: Partial<chain.PreviousSecret>) =>
      good.map((it, i) => (i === at ? { ...it, previous: { ...it.previous!, ...previous } } : it))
    expect(chain.chainProblems(good.slice(1))).toHaveLength(1)
    expect(chain.chainProblems(good.toSpliced(2, 1))).toHaveLength(2)
    expect(chain.chainProblems(change(2, { version: 12 }))).toHaveLength(1)
    expect(chain.chainProblems(change(2, { previousSecretStoredVersion: 9 }))).toHaveLength(1)
    expect(chain.chainProblems([...good, { seqno: 40, nextVersion: 41 }])).toEqual(['40: begins another chain'])
    const bent = good[2]!.previous!.encryptedData.map((byte, i) => (i === 40 ? byte ^ 1 : byte))
    const { secrets: opened, problems } = chain.openChain(crypto, change(2, { encryptedData: bent }), secrets[3]!)
    expect(opened.map(({ version }) => version)).toEqual([21, 30])
    expect(problems).toEqual(['20: the secret of version 11: its tag does not hold'])
    expect(chain.openChain(crypto, good, secrets[2]!).secrets).toHaveLength(1)
  })
})

describe('the tables', () => {
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
  const seqno = fc.integer({ min: 1, max: 2 ** 40 })

  it('read back what was written', () => {
    const stored = fc.option(seqno, { nil: undefined })
    fc.assert(
      fc.property(bytes(60), stored, stored, seqno, (data, previousSecretStoredVersion, nextVersion, version) => {
        const previous = {
          encryptedData: data,
          version,
          ...(previousSecretStoredVersion && { previousSecretStoredVersion }),
        }
        const record = { previous, ...(nextVersion && { nextVersion }) }
        expect(chain.decodeHistoricalSecret(chain.encodeHistoricalSecret(record))).toEqual(record)
        const shares = { wrappedLatestLedgerSecret: data, encryptedShares: { a: data, b: data } }
        expect(recovery.decodeRecoveryShares(recovery.encodeRecoveryShares(shares))).toEqual(shares)
        const items = { ['n' as NodeId]: [{ encryptedSecret: data, version }, { encryptedSecret: data }] }
        expect(decodeNodeSecrets(encodeNodeSecrets(items), 'n' as NodeId)).toEqual(items['n' as NodeId])
        expect(decodeNodeSecrets(encodeNodeSecrets(items), 'm' as NodeId)).toEqual([])
      }),
      { numRuns: 50, seed: 1 },
    )
  })

  it('are written with sorted names, and what is not known is left out, but for a rekey’s version', () => {
    const text = (value: Uint8Array): string => new TextDecoder().decode(value)
    expect(text(chain.encodeHistoricalSecret({ nextVersion: 1 }))).toBe('{"next_version":1}')
    expect(text(encodeNodeSecrets({ ['n' as NodeId]: [{ encryptedSecret: Uint8Array.of(1) }] }))).toBe(
      '{"n":[{"encrypted_secret":"AQ==","version":null}]}',
    )
  })

  it('are refused with DecodeError, whatever they hold', () => {
    const json = fc.jsonValue().map((value) => utf8(JSON.stringify(value)))
    const field = fc.constantFrom(
      'encrypted_shares',
      'wrapped_latest_ledger_secret',
      'previous_ledger_secret',
      'next_version',
      'n',
    )
    const shaped = fc.dictionary(field, fc.jsonValue()).map((value) => utf8(JSON.stringify(value)))
    const decoders = [
      chain.decodeHistoricalSecret,
      recovery.decodeRecoveryShares,
      (v: Uint8Array) => decodeNodeSecrets(v, 'n' as NodeId),
    ]
    fc.assert(
      fc.property(fc.oneof(json, shaped, fc.uint8Array()), (value) => {
        for (const decode of decoders) {
          try {
            decode(value)
          } catch (error) {
            expect(error).toBeInstanceOf(DecodeError)
          }
        }
      }),
      { numRuns: 300, seed: 1 },
    )
  })

  it('give the ledger secret to k shares, and to fewer nothing', () => {
    const { shares, secret } = shamir.splitSecret(new Prng(3).bytes(shamir.splitSeedBytes(3)), 3, 5)
    const key = wrappingKey(crypto, shamir.splitSecretBytes(secret))
    const value = {
      wrappedLatestLedgerSecret: wrapLedgerSecret(crypto, key, fromHex(LEDGER_SECRET)),
      encryptedShares: {},
    }
    const open = (some: readonly shamir.Share[]) =>
      recovery.unwrapLatest(crypto, recovery.keyOfShares(crypto, some)!, value)
    expect(toHex(open([shares[4]!, shares[0]!, shares[2]!])!)).toBe(LEDGER_SECRET)
    expect(open(shares.slice(0, 2))).toBeUndefined()
  })
})
