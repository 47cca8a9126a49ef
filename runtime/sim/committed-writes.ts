// The simulated application's tables as the committed ledger tells them, with every version of every key: what reads are held against.
// Built from entries, not from any node's store. Private values are opened with the ledger secret of their seqno, as an auditor would who has
// the first one and every node's key: later ones are taken out of the entries that carry them.
import { equalBytes, fromUtf8 } from '../../protocols/codec/bytes.ts'
import type { LogRecord } from '../../protocols/consensus/log.ts'
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import type { NodeId } from '../../protocols/ids.ts'
import { decodeEntry, openPrivateDomain } from '../../protocols/ledger/entry.ts'
import { decodeJsonObject, INTERNAL_TABLES, singleValue } from '../../protocols/ledger/tables.ts'
import { mapWrites, type MapWrites } from '../../protocols/ledger/write-set.ts'
import { secretAt, type LedgerSecret } from '../../protocols/secrets/ledger-secrets.ts'
import { decodeNodeSecrets } from '../../protocols/secrets/node-secrets.ts'
import { ACCOUNTS, REGISTERS } from './register-values.ts'

export interface CommittedWrite {
  readonly table: string
  readonly key: string
  readonly value: string
}

interface Version {
  readonly seqno: number
  readonly value: string
}

/** PKCS#8 of the key to which ledger secrets are encrypted for a node. */
export type NodeKeys = (nodeId: NodeId) => Uint8Array

export class CommittedWrites {
  readonly #crypto: Crypto
  readonly #keyOf: NodeKeys
  readonly #secrets: LedgerSecret[]
  readonly #versions = new Map<string, Version[]>()

  constructor(crypto: Crypto, ledgerSecret: Uint8Array, keyOf: NodeKeys) {
    this.#crypto = crypto
    this.#secrets = [{ version: 1, secret: ledgerSecret }]
    this.#keyOf = keyOf
  }

  /** Ledger secrets that came into force so far, the first included. */
  get secrets(): number {
    return this.#secrets.length
  }

  /**
   * What the entry writes into the application's tables. Does not add it. Entries in order of seqno. Undefined when it is not sealed with the
   * secret of its seqno.
   */
  writesOf(record: LogRecord): CommittedWrite[] | undefined {
    const entry = decodeEntry(record.bytes)
    const sealed = openPrivateDomain(this.#crypto, secretAt(this.#secrets, record.seqno)!.secret, entry)
    if (sealed === undefined) return undefined
    this.#learn(record.seqno, mapWrites(entry.publicWrites, INTERNAL_TABLES.encryptedLedgerSecrets))
    if (record.kind !== 'transaction') return []
    return [...entry.publicWrites, ...sealed].flatMap(({ name, writes }) => {
      if (name !== REGISTERS && name !== ACCOUNTS) return []
      return writes.map(({ key, value }) => ({ table: name, key: fromUtf8(key), value: fromUtf8(value) }))
    })
  }

  /** The same secret for every recipient, or none. */
  #learn(seqno: number, map: MapWrites | undefined): void {
    const value = singleValue(map)
    if (value === undefined) return
    const secrets = Object.keys(decodeJsonObject(value)).map((nodeId) => {
      const [item] = decodeNodeSecrets(value, nodeId as NodeId)
      return this.#crypto.rsaOaepDecrypt(this.#keyOf(nodeId as NodeId), item!.encryptedSecret)
    })
    const [secret] = secrets
    if (secret === undefined || secrets.some((other) => other === undefined || !equalBytes(other, secret))) return
    this.#secrets.push({ version: seqno + 1, secret })
  }

  /** Entries in order of seqno. */
  add(seqno: number, writes: readonly CommittedWrite[]): void {
    for (const { table, key, value } of writes) {
      const name = `${table} ${key}`
      const versions = this.#versions.get(name) ?? []
      this.#versions.set(name, versions)
      versions.push({ seqno, value })
    }
  }

  /** The value after everything up to `seqno`; undefined if it was never written. */
  at(table: string, key: string, seqno: number): string | undefined {
    return this.#versions.get(`${table} ${key}`)?.findLast((version) => version.seqno <= seqno)?.value
  }
}
