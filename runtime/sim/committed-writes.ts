// The simulated application's tables as the committed ledger tells them, with every version of every key: what reads are held against.
// Built from entries, not from any node's store. Private values are opened with the ledger secret, as an auditor with it would.
import { fromUtf8 } from '../../protocols/codec/bytes.ts'
import type { LogRecord } from '../../protocols/consensus/log.ts'
import type { Crypto } from '../../protocols/crypto/crypto.ts'
import { decodeEntry, openPrivateDomain } from '../../protocols/ledger/entry.ts'
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

export class CommittedWrites {
  readonly #crypto: Crypto
  readonly #ledgerSecret: Uint8Array
  readonly #versions = new Map<string, Version[]>()

  constructor(crypto: Crypto, ledgerSecret: Uint8Array) {
    this.#crypto = crypto
    this.#ledgerSecret = ledgerSecret
  }

  /** What the entry writes into the application's tables. Does not add it. */
  writesOf(record: LogRecord): CommittedWrite[] {
    if (record.kind !== 'transaction') return []
    const entry = decodeEntry(record.bytes)
    const sealed = openPrivateDomain(this.#crypto, this.#ledgerSecret, entry) ?? []
    return [...entry.publicWrites, ...sealed].flatMap(({ name, writes }) => {
      if (name !== REGISTERS && name !== ACCOUNTS) return []
      return writes.map(({ key, value }) => ({ table: name, key: fromUtf8(key), value: fromUtf8(value) }))
    })
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
