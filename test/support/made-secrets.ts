// A made ledger whose secret is renewed, for tests: the keeper's own writes, to nodes and members whose RSA keys come from their names.
// The rule to remember: `secrets` is what an auditor must find; nothing else here says which entry is sealed with what.
import { issue, randomBytesOf } from '../../actors/keeper/issue.ts'
import { formatPem } from '../../protocols/codec/pem.ts'
import { nativeCrypto as crypto } from '../../protocols/crypto/native.ts'
import type { NodeId } from '../../protocols/ids.ts'
import { INTERNAL_TABLES, singleWrite } from '../../protocols/ledger/tables.ts'
import type { WriteSet } from '../../protocols/ledger/write-set.ts'
import { encodeHistoricalSecret } from '../../protocols/secrets/chain.ts'
import type { IssueSecrets, Recipient } from '../../protocols/secrets/issuing.ts'
import { LEDGER_SECRET_BYTES, type LedgerSecret } from '../../protocols/secrets/ledger-secrets.ts'
import { LedgerWriter } from '../../runtime/bench/made-ledger.ts'
import { Prng } from '../../runtime/prng.ts'
import { rsaKeyOf } from '../../runtime/models/service/rsa-keys.ts'

const recipient = <Id extends string>(id: Id): Recipient<Id> => ({
  id,
  encryptionPublicKeyPem: formatPem('PUBLIC KEY', rsaKeyOf(id).spki),
})

export class RekeyedLedger {
  readonly writer: LedgerWriter
  /** In ascending order of version. */
  readonly secrets: LedgerSecret[]
  readonly #members: readonly string[]
  readonly #threshold: number
  #stored = 1
  #seed = 1

  constructor(name: string, members: readonly string[] = ['m0', 'm1', 'm2'], threshold = 2) {
    this.#members = members
    this.#threshold = threshold
    const beginning = encodeHistoricalSecret({ nextVersion: 1 })
    this.writer = new LedgerWriter(name)
    this.writer.begin('Open', [singleWrite(INTERNAL_TABLES.historicalEncryptedLedgerSecret, beginning)])
    this.secrets = [{ version: 1, secret: this.writer.secret }]
  }

  /** A new secret, for `nodes`, and shares of it. */
  rekey(nodes: readonly string[] = [], change: (writes: WriteSet) => WriteSet = (writes) => writes): this {
    const request = this.#request(nodes)
    const random = new Prng(this.#seed++).bytes(randomBytesOf(request))
    const writes = issue(crypto, request, random)
    if ('code' in writes) throw new Error(writes.message)
    const seqno = this.writer.nextSeqno
    // The keeper takes the secret from the front of what was drawn.
    const secret = random.slice(0, LEDGER_SECRET_BYTES)
    this.writer.rekey(change(writes), secret)
    this.secrets.push({ version: seqno + 1, secret })
    this.#stored = seqno
    return this
  }

  #request(nodes: readonly string[]): IssueSecrets {
    return {
      type: 'issueSecrets',
      token: 1,
      purpose: 'rekey',
      latest: this.secrets.at(-1)!,
      historicalStoredVersion: this.#stored,
      nodes: nodes.map((node) => recipient(node as NodeId)),
      recovery: { threshold: this.#threshold, participants: this.#members.map(recipient), owners: [] },
    }
  }
}
