// What an executor promises, checked against its replica's log alone: everything is computed anew from the entries' bytes.
// The rule to remember: an executor that has heard all its replica said holds exactly the replica's log.
import { concat, equalBytes, fromUtf8, utf8 } from '../../../protocols/codec/bytes.ts'
import type { LogRecord } from '../../../protocols/consensus/log.ts'
import { txStatus } from '../../../protocols/consensus/tx-status.ts'
import { decodeEntry, decodeEntryHeader, openPrivateDomain } from '../../../protocols/ledger/entry.ts'
import { entryLeaf } from '../../../protocols/ledger/leaf.ts'
import { parseSignature } from '../../../protocols/ledger/signature.ts'
import { append, emptyTree, root, type MerkleTree } from '../../../protocols/merkle/tree.ts'
import { applyWriteSet, emptyKv, readMap, type KvState } from '../../../store/kv/kv-state.ts'
import type { Property } from '../../check/model.ts'
import { REGISTERS } from '../../sim/register-values.ts'
import { crypto } from './service.ts'
import { kvKey, logKey, recordKey, type ExecutorLocal, type LocalState, type ReplicaSide } from './state.ts'

/** What a log says: the tree and the store after it, and what is wrong with a signature in it. */
interface Facts {
  readonly tree: MerkleTree
  readonly kv: KvState
  readonly wrong: string | undefined
}
const NOTHING: Facts = { tree: emptyTree, kv: emptyKv, wrong: undefined }

/** Logs share their beginnings, and are asked about often. */
const known = new Map<string, Facts>()

function factsOf(log: readonly LogRecord[], secret: Uint8Array): Facts {
  if (log.length === 0) return NOTHING
  const key = logKey(log)
  let facts = known.get(key)
  if (facts === undefined) {
    facts = following(factsOf(log.slice(0, -1), secret), log.at(-1)!, secret)
    known.set(key, facts)
  }
  return facts
}

function following(before: Facts, { bytes, seqno, kind }: LogRecord, secret: Uint8Array): Facts {
  const entry = decodeEntry(bytes)
  const writes = [...entry.publicWrites, ...(openPrivateDomain(crypto, secret, entry) ?? [])]
  const leaf = entryLeaf(crypto, bytes, decodeEntryHeader(bytes))
  const signed = kind === 'signature' ? (parseSignature(entry)?.root ?? new Uint8Array()) : undefined
  const isRight = signed === undefined || equalBytes(signed, root(crypto, before.tree).root)
  return {
    tree: append(crypto, before.tree, leaf),
    kv: applyWriteSet(before.kv, writes, seqno),
    wrong: before.wrong ?? (isRight ? undefined : `${seqno} signs another root`),
  }
}

const ofPlaces = (
  name: string,
  broken: (executor: ExecutorLocal, side: ReplicaSide, state: LocalState, place: number) => string | undefined,
): Property<[LocalState]> => ({
  name,
  broken: (state) => {
    for (const [place, executor] of state.executors.entries()) {
      const problem = broken(executor, state.replicas[place]!, state, place)
      if (problem !== undefined) return `at ${place}, ${problem}`
    }
    return undefined
  },
})

const hasHeardAll = ({ notices }: ReplicaSide): boolean => notices.length === 0

export const stateProperties: readonly Property<[LocalState]>[] = [
  ofPlaces('pending is the log above the commit index', ({ s }, side) => {
    if (!hasHeardAll(side)) return undefined
    const pending = s.pending.toArray().map(({ record }) => recordKey(record))
    const log = side.log.slice(side.commitIdx).map(recordKey)
    return pending.join() === log.join() ? undefined : `pending ${pending.join()}, the log has ${log.join()}`
  }),
  ofPlaces('the tree is that of the log', ({ s }, side) => {
    if (!hasHeardAll(side)) return undefined
    const { tree } = factsOf(side.log, s.config.secrets[0]!.secret)
    const isSame = tree.size === s.tree.size && equalBytes(root(crypto, tree).root, root(crypto, s.tree).root)
    return isSame ? undefined : `${s.tree.size} leaves, the log makes ${tree.size}, or other ones`
  }),
  ofPlaces('the store is the fold of the log', ({ s }, side) => {
    if (!hasHeardAll(side)) return undefined
    const committed = factsOf(side.log.slice(0, side.commitIdx), s.config.secrets[0]!.secret).kv
    if (kvKey(committed) !== kvKey(s.committed.kv)) return 'the committed store is another'
    // What was executed while a signature is being made is in the store, and not in the log yet.
    if (s.signing !== undefined && s.signing.held.length > 0) return undefined
    const tip = side.isLeader ? factsOf(side.log, s.config.secrets[0]!.secret).kv : committed
    return kvKey(tip) === kvKey(s.kv) ? undefined : 'the store is another'
  }),
  ofPlaces(
    'a signature covers exactly what is before it',
    ({ s }, side) => factsOf(side.log, s.config.secrets[0]!.secret).wrong,
  ),
  ofPlaces('what is being signed is the root', ({ s }, side, { signings }, place) => {
    if (s.signing === undefined || !hasHeardAll(side)) return undefined
    const { token, seqno } = s.signing
    const items = signings.find((signing) => signing.place === place && signing.effect.token === token)?.effect.items
    const { preimage } = root(crypto, factsOf(side.log, s.config.secrets[0]!.secret).tree)
    if (items === undefined || preimage === undefined || seqno !== side.log.length + 1) return `nobody signs ${seqno}`
    return equalBytes(items[0]!.message, concat(preimage.left, preimage.right))
      ? undefined
      : `${seqno} is over another root`
  }),
  ofPlaces('at most one signature is outstanding', ({ s }) => {
    const proposed = s.pending
      .toArray()
      .filter(({ record }) => record.kind === 'signature' && record.view === s.summary.view)
    const count = s.summary.leadership === 'Leader' ? proposed.length + (s.signing === undefined ? 0 : 1) : 0
    return count <= 1 ? undefined : `${count} are`
  }),
  ofPlaces('a backup keeps nothing that was only proposed', ({ s }, side) => {
    if (s.summary.leadership === 'Leader' || !hasHeardAll(side)) return undefined
    return s.signing === undefined && s.kv === s.committed.kv ? undefined : 'something is left of a leadership'
  }),
  ofPlaces('a request is answered or waited for', ({ s }, _side, { asked }, place) => {
    const waiting = Object.values(s.forwardings).flatMap(({ requestIds }) => requestIds)
    const lost = asked.findIndex((a, i) => a.place === place && a.status === undefined && !waiting.includes(i + 1))
    return lost < 0 ? undefined : `request ${lost + 1} is forgotten`
  }),
  ofPlaces('an id that was told means what the status says', (_executor, side, { written, replicas, executors }) => {
    for (const { token, txId } of written) {
      const status = executors.map(({ s }) => txStatus(txId, s.summary))
      if (status.includes('Committed') && status.includes('Invalid')) return `${token} is both committed and invalid`
      const entry = side.log[txId.seqno - 1]
      const isIn = entry?.view === txId.view && side.commitIdx >= txId.seqno
      if (isIn && status.includes('Invalid')) return `${token} is committed and called invalid`
      if (status.includes('Committed') && !replicas.some(({ log }) => log[txId.seqno - 1]?.view === txId.view)) {
        return `${token} is called committed, and no log has it`
      }
    }
    return undefined
  }),
  ofPlaces('what is read is what was last written', ({ s }, side, { written }) => {
    if (!hasHeardAll(side)) return undefined
    const last = written.filter(
      ({ txId }) => txId.seqno <= side.commitIdx && side.log[txId.seqno - 1]?.view === txId.view,
    )
    const expected = last.sort((a, b) => a.txId.seqno - b.txId.seqno).at(-1)?.token
    const value = readMap(s.committed.kv, REGISTERS).get(utf8('k'))
    const found = value === undefined ? undefined : fromUtf8(value)
    return found === (expected && `${expected}/${expected}`) ? undefined : `found ${found}, last written by ${expected}`
  }),
]
