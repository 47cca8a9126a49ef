// The one place of the executor's model: two executors, what their replicas hold, and what is under way between all of them.
// The rule to remember: keys leave out only what follows from the rest; whoever was answered what is part of the state.
import type { Effect } from '../../../actors/effects.ts'
import type { ExecutorState } from '../../../actors/executor/state.ts'
import type { MachineState } from '../../../actors/machine.ts'
import { toHex } from '../../../protocols/codec/bytes.ts'
import type { LogRecord } from '../../../protocols/consensus/log.ts'
import type { ReplicaNotice } from '../../../protocols/consensus/messages.ts'
import type { TxId } from '../../../protocols/ids.ts'
import { root } from '../../../protocols/merkle/tree.ts'
import type { Forward, Forwarded } from '../../../protocols/requests.ts'
import { kvDigest } from '../../../store/kv/digest.ts'
import type { KvState } from '../../../store/kv/kv-state.ts'
import { crypto } from './service.ts'

export type ExecutorLocal = MachineState<ExecutorState>

/** A replica reduced to its contract. */
export interface ReplicaSide {
  readonly view: number
  readonly isLeader: boolean
  /** Place of the leader it knows. */
  readonly leader: number | undefined
  readonly log: readonly LogRecord[]
  readonly commitIdx: number
  /** Said, and not heard by the executor yet. */
  readonly notices: readonly ReplicaNotice[]
}

export interface Signing {
  readonly place: number
  readonly effect: Extract<Effect, { readonly type: 'sign' }>
}

export interface Mail {
  readonly from: number
  readonly to: number
  readonly message: Forward | Forwarded
}

/** A request: token n asks to write `n/n`. */
export interface Asked {
  readonly place: number
  /** Status of the one answer. */
  readonly status: number | undefined
}

export interface Written {
  readonly token: number
  readonly txId: TxId
}

export interface LocalState {
  readonly executors: readonly ExecutorLocal[]
  readonly replicas: readonly ReplicaSide[]
  readonly signings: readonly Signing[]
  readonly mail: readonly Mail[]
  readonly asked: readonly Asked[]
  /** What executors said to have written, wherever the answer went. */
  readonly written: readonly Written[]
  readonly spent: Spent
}

/** What bounds the search, counted: kept here and not by the checker, so that no step is taken that is beyond them. */
export interface Spent {
  readonly elections: number
  readonly stepDowns: number
  readonly losses: number
}

const recordKeys = new WeakMap<LogRecord, string>()

/** Equal for equal bytes. */
export function recordKey(record: LogRecord): string {
  let key = recordKeys.get(record)
  if (key === undefined) {
    key = `${record.view}.${record.seqno}:${toHex(crypto.sha256(record.bytes).subarray(0, 8))}`
    recordKeys.set(record, key)
  }
  return key
}

const logKeys = new WeakMap<readonly LogRecord[], string>()

export function logKey(log: readonly LogRecord[]): string {
  let key = logKeys.get(log)
  if (key === undefined) {
    key = log.map(recordKey).join()
    logKeys.set(log, key)
  }
  return key
}

const digests = new WeakMap<KvState, string>()

export function kvKey(kv: KvState): string {
  let key = digests.get(kv)
  if (key === undefined) {
    key = shortly(kvDigest(kv, crypto.sha256))
    digests.set(kv, key)
  }
  return key
}

const shortly = (digest: Uint8Array): string => toHex(digest.subarray(0, 8))

function executorKey({ value, s }: ExecutorLocal): string {
  const { signing, summary } = s
  const { leadership, view, leaderId, lastSeqno, committed } = summary
  return JSON.stringify([
    value,
    [leadership, view, leaderId, lastSeqno, committed],
    s.pending.toArray().map(({ record }) => recordKey(record)),
    [s.tree.size, shortly(root(crypto, s.tree).root)],
    [kvKey(s.kv), kvKey(s.committed.kv)],
    signing && [signing.token, signing.seqno, signing.held.map(({ record }) => recordKey(record))],
    [s.signatureOutstanding, s.mustSign, s.nextToken, s.forwardings, s.origins, s.nodesTold === ''],
  ])
}

function noticeKey(notice: ReplicaNotice): unknown {
  if (notice.type === 'appended') return [notice.type, logKey(notice.records)]
  if (!('summary' in notice)) return notice
  const { view, leaderId, lastSeqno, committed } = notice.summary
  return [notice.type, view, leaderId, lastSeqno, committed]
}

export const stateKey = ({ executors, replicas, signings, mail, asked, written, spent }: LocalState): string =>
  JSON.stringify([
    executors.map(executorKey),
    replicas.map(({ log, notices, ...rest }) => [rest, logKey(log), notices.map(noticeKey)]),
    signings.map(({ place, effect }) => [place, effect.token]),
    mail.map(({ from, to, message }) => [from, to, message.type, message.token]),
    asked,
    written,
    spent,
  ])
