// Transactions read from the ledger files, a bounded number at a time, verified as they come, and given to the queries that wait for them.
// The rule to remember: one reading serves everyone who waits for that seqno.
import type { Envelope, Step } from '../actor.ts'
import { step, unchanged } from '../actor.ts'
import { trace, type Effect } from '../effects.ts'
import { keep, signedAt } from './cache.ts'
import { answered } from './lookups.ts'
import { give, giveAll } from './queries.ts'
import { readNext } from './reading.ts'
import { isLoaded, type HistorianEvent, type HistorianState, type Unavailable } from './state.ts'
import {
  isCorrupt,
  verifyEntry,
  verifySignature,
  type Corrupt,
  type Loaded,
  type Signed,
  type Verifier,
} from './verification.ts'

type LedgerRead = Extract<HistorianEvent, { readonly type: 'ledgerRead' }>

export const verifierOf = ({ config, secrets, viewHistory }: HistorianState): Verifier => ({
  crypto: config.crypto,
  services: config.services,
  secrets,
  viewHistory,
})

/** What was read, or why it cannot be used: verified, kept, and given to those who wait. */
export function ledgerRead(s: HistorianState, { event }: Envelope<HistorianEvent>): Step<HistorianState> {
  const { token } = event as LedgerRead
  const { [token]: seqno, ...reads } = s.reads
  if (seqno === undefined) return unchanged(s)
  const read = judge({ ...s, reads, readCount: s.readCount - 1 }, seqno, event as LedgerRead)
  const kept = isLoaded(read.found) && isWhole(read.found) ? withKept(read.state, read.found) : read.state
  const given = give(kept, seqno, read.found)
  const next = readNext(given.state)
  return step(next.state, ...read.effects, ...given.effects, ...next.effects)
}

/** A signature transaction without the one after it would soon be out of date. */
const isWhole = ({ seqno, signed, next }: Loaded): boolean => signed.content.seqno !== seqno || next !== undefined

const withKept = (s: HistorianState, loaded: Loaded): HistorianState => ({ ...s, cache: keep(s.cache, loaded) })

interface Read {
  readonly state: HistorianState
  readonly found: Loaded | Unavailable
  readonly effects: readonly Effect[]
}

function judge(s: HistorianState, seqno: number, { entry, signatureSeqno, signatureEntry }: LedgerRead): Read {
  if (entry === undefined) return { state: s, found: { problem: 'absent' }, effects: [] }
  const own = verifySignature(verifierOf(s), s.signers, entry, seqno)
  const isCovered = signatureSeqno !== undefined && signatureSeqno <= s.committedSeqno
  if (!isCovered || signatureEntry === undefined) {
    // The commit index is a signature, so whatever has no committed signature after it is one itself.
    if (!isCorrupt(own)) return verified({ ...s, signers: own.signers }, entry, seqno, own.signed)
    if (seqno === s.committedSeqno) return report(s, seqno, own)
    return { state: s, found: { problem: 'unsigned' }, effects: [] }
  }
  const known = signedAt(s.cache, signatureSeqno)
  const next = known ?? verifySignature(verifierOf(s), s.signers, signatureEntry, signatureSeqno)
  if (isCorrupt(next)) return report(s, signatureSeqno, next)
  const signed = 'signed' in next ? next.signed : next
  const state = 'signers' in next ? { ...s, signers: next.signers } : s
  const read = verified(state, entry, seqno, signed)
  if (isCorrupt(own) || !isLoaded(read.found)) return read
  // A signature transaction is shown by what it signs itself.
  return { ...read, found: { ...read.found, signed: own.signed, next: signed } }
}

function verified(s: HistorianState, bytes: Uint8Array, seqno: number, signed: Signed): Read {
  const found = verifyEntry(verifierOf(s), bytes, seqno, signed)
  return isCorrupt(found) ? report(s, seqno, found) : { state: s, found, effects: [] }
}

/** `seqno`: the entry that is wrong, which may be the signature over the one that was asked for. */
function report(s: HistorianState, seqno: number, { corrupt }: Corrupt): Read {
  const found: Unavailable = { problem: 'corrupt', seqno, reason: corrupt }
  return { state: s, found, effects: [trace('ledgerCorrupt', { seqno, reason: corrupt })] }
}

/** The index has answered. */
export function indexRead(s: HistorianState, envelope: Envelope<HistorianEvent>): Step<HistorianState> {
  const answer = answered(s, envelope)
  if (answer === undefined) return unchanged(s)
  return giveAll(answer.state, answer.given)
}
