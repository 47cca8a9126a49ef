// What nodes say to one another, as bytes: the content of a channel's sealed frames. Hand-written, because replication pays it per entry.
//   u8 version ‖ u8 message ‖ u8 from ‖ u8 to ‖ fields of the message      (actors by code; integers little-endian)
// It is authenticated when it arrives here, yet a node may be hostile: decoding is bounded and total.
// The rule to remember: a message reaches only the actor it is meant for, whatever the sender writes.
import { ByteReader, ByteWriter, DecodeError } from '../codec/bytes.ts'
import { invariant } from '../errors.ts'
import type { NodeId } from '../ids.ts'
import { ENTRY_BYTES_MAX, LEDGER_SECRETS_MAX, NODES_MAX, SNAPSHOT_PIECE_BYTES } from '../limits.ts'
import type { Forward, Forwarded, JoinRequest, RetiredCommitted, RetirementQuery, Welcome } from '../requests.ts'
import { LEDGER_SECRET_BYTES, type LedgerSecret } from '../secrets/ledger-secrets.ts'
import { FRAME_PLAINTEXT_BYTES_MAX } from '../session/frame.ts'
import { parseSnapshotFileName, type StoredSnapshot } from '../snapshot/format.ts'
import type { FetchPiece, FindSnapshots, SnapshotPiece, SnapshotsOffered } from '../snapshot/messages.ts'
import { isToken } from '../subjects.ts'
import { namesNodes, RECORD_KINDS, type LogRecord } from './log.ts'
import type {
  AppendEntries,
  AppendEntriesResponse,
  ConsensusMessage,
  ElectionType,
  LogBeginsLater,
  ProposeRequestVote,
  RequestVote,
  RequestVoteResponse,
} from './messages.ts'
import { readForward, readForwarded, writeForward, writeForwarded } from './peer-codec-requests.ts'

export type PeerMessage =
  | ConsensusMessage
  | LogBeginsLater
  | Forward
  | Forwarded
  | JoinRequest
  | Welcome
  | RetirementQuery
  | RetiredCommitted
  | FindSnapshots
  | SnapshotsOffered
  | FetchPiece
  | SnapshotPiece

/** A message with the names of the actors it travels between. */
export interface PeerEnvelope {
  readonly fromActor: string
  readonly toActor: string
  readonly message: PeerMessage
}

const VERSION = 4
/** The only actors another node may address or speak for, by wire code. */
const ACTORS: readonly string[] = ['replica', 'executor', 'node', 'snapshotter', 'snapshot-fetcher']

interface Kind {
  readonly code: number
  /** The one actor that understands it. */
  readonly to: string
}

const KINDS: Readonly<Record<PeerMessage['type'], Kind>> = {
  AppendEntries: { code: 1, to: 'replica' },
  AppendEntriesResponse: { code: 2, to: 'replica' },
  RequestVote: { code: 3, to: 'replica' },
  RequestVoteResponse: { code: 4, to: 'replica' },
  ProposeRequestVote: { code: 5, to: 'replica' },
  LogBeginsLater: { code: 6, to: 'replica' },
  forward: { code: 16, to: 'executor' },
  forwarded: { code: 17, to: 'executor' },
  joinRequest: { code: 32, to: 'node' },
  welcome: { code: 33, to: 'node' },
  retirementQuery: { code: 34, to: 'node' },
  retiredCommitted: { code: 35, to: 'node' },
  findSnapshots: { code: 48, to: 'snapshotter' },
  snapshotsOffered: { code: 49, to: 'snapshot-fetcher' },
  fetchPiece: { code: 50, to: 'snapshotter' },
  snapshotPiece: { code: 51, to: 'snapshot-fetcher' },
}
const TYPES = new Map((Object.keys(KINDS) as PeerMessage['type'][]).map((type) => [KINDS[type].code, type]))

const ELECTION_TYPES: readonly ElectionType[] = ['PreVote', 'RegularVote']
const NODE_ID_BYTES_MAX = 128
const SNAPSHOTS_OFFERED_MAX = 16
const KEY_BYTES_MAX = 4096
/** Room for a record's kind and length, and the header of AppendEntries. */
const RECORD_FIXED_BYTES = 5
const HEADER_BYTES = 64

/** True for a message that may travel between nodes. */
export const isPeerMessage = (message: { readonly type: string }): message is PeerMessage =>
  Object.hasOwn(KINDS, message.type)

/**
 * Encodes a message into the contents of one frame, or of several when a batch of requests or responses does not fit one (the receiver gets as
 * many messages with the same token). Throws InvariantViolation for what nodes never send: foreign actors, or an entry above ENTRY_BYTES_MAX.
 */
export function encodePeerMessage({ fromActor, toActor, message }: PeerEnvelope): readonly Uint8Array[] {
  const kind = KINDS[message.type]
  const from = ACTORS.indexOf(fromActor)
  invariant(from >= 0 && toActor === kind.to, `${message.type} does not travel from ${fromActor} to ${toActor}`)
  const open = (sizeHint: number): ByteWriter =>
    new ByteWriter(sizeHint + HEADER_BYTES).u8(VERSION).u8(kind.code).u8(from).u8(ACTORS.indexOf(toActor))
  const frames = write(open, message)
  invariant(
    frames.every((frame) => frame.length <= FRAME_PLAINTEXT_BYTES_MAX),
    `${message.type} does not fit one frame`,
  )
  return frames
}

function write(open: (sizeHint: number) => ByteWriter, message: PeerMessage): readonly Uint8Array[] {
  switch (message.type) {
    case 'AppendEntries':
      return [writeAppendEntries(open(sizeOfRecords(message.records)), message)]
    case 'AppendEntriesResponse':
      return [open(0).u32le(message.view).u64le(message.lastLogIdx).u8(flag(message.success)).finish()]
    case 'RequestVote': {
      const writer = open(0).u32le(message.view).u64le(message.lastCommittableIdx)
      writer.u32le(message.viewOfLastCommittableIdx)
      return [writer.u8(ELECTION_TYPES.indexOf(message.electionType)).finish()]
    }
    case 'RequestVoteResponse': {
      const writer = open(0).u32le(message.view).u8(flag(message.voteGranted))
      return [writer.u8(ELECTION_TYPES.indexOf(message.electionType)).finish()]
    }
    case 'ProposeRequestVote':
      return [open(0).u32le(message.view).finish()]
    case 'LogBeginsLater':
      return [open(0).u32le(message.view).u64le(message.firstIdx).finish()]
    case 'forward':
      return writeForward(open, message)
    case 'forwarded':
      return writeForwarded(open, message)
    case 'joinRequest':
    case 'retirementQuery':
    case 'retiredCommitted':
    case 'findSnapshots':
      return [open(0).finish()]
    case 'snapshotsOffered':
      return [writeOffers(open(256), message)]
    case 'fetchPiece':
      return [open(64).text(message.fileName).u64le(message.offset).finish()]
    case 'snapshotPiece': {
      const { fileName, offset, bytes } = message
      invariant(bytes.length <= SNAPSHOT_PIECE_BYTES, 'a piece exceeds SNAPSHOT_PIECE_BYTES')
      return [open(bytes.length).text(fileName).u64le(offset).blob(bytes).finish()]
    }
    case 'welcome':
      return [writeWelcome(open(512), message)]
  }
}

const flag = (value: boolean): number => (value ? 1 : 0)

function sizeOfRecords(records: readonly LogRecord[]): number {
  let size = 0
  for (const record of records) size += record.bytes.length + RECORD_FIXED_BYTES
  return size
}

/** Seqnos and views of the records are those the header implies, so they do not travel. */
function writeAppendEntries(writer: ByteWriter, message: AppendEntries): Uint8Array {
  const { records, prevIdx, viewOfIdx } = message
  invariant(message.idx === prevIdx + records.length, 'AppendEntries carries every entry after prevIdx')
  writer.u32le(message.view).u64le(prevIdx).u32le(message.prevView).u32le(viewOfIdx)
  writer.u64le(message.leaderCommitIdx).u32le(records.length)
  let seqno = prevIdx
  for (const record of records) {
    seqno++
    invariant(record.seqno === seqno && record.view === viewOfIdx, 'entries are consecutive and of one view')
    invariant(record.bytes.length <= ENTRY_BYTES_MAX, 'an entry exceeds ENTRY_BYTES_MAX')
    writer.u8(RECORD_KINDS.indexOf(record.kind)).blob(record.bytes)
    if (!namesNodes(record.kind)) continue
    const nodes = record.nodes ?? []
    invariant(nodes.length <= NODES_MAX, 'a configuration exceeds NODES_MAX')
    writer.u16le(nodes.length)
    for (const node of nodes) writer.text(node)
  }
  return writer.finish()
}

/**
 * Decodes the content of one frame, which must not change afterwards: entries, and the bodies of requests and responses, are views on `bytes`.
 * Throws DecodeError for whatever breaks the format, names an actor that may not be addressed, or sends a message to the wrong one.
 */
export function decodePeerMessage(bytes: Uint8Array): PeerEnvelope {
  const reader = new ByteReader(bytes)
  const version = reader.u8()
  if (version !== VERSION) throw new DecodeError(`version ${version} of the node-to-node format`, 0)
  const type = TYPES.get(reader.u8())
  const fromActor = ACTORS[reader.u8()]
  const toActor = ACTORS[reader.u8()]
  if (type === undefined || fromActor === undefined || toActor !== KINDS[type].to) {
    throw new DecodeError('a message that does not travel between these actors', 1)
  }
  const message = read(reader, type)
  reader.end()
  return { fromActor, toActor, message }
}

function read(reader: ByteReader, type: PeerMessage['type']): PeerMessage {
  switch (type) {
    case 'AppendEntries':
      return readAppendEntries(reader)
    case 'AppendEntriesResponse':
      return {
        type,
        view: reader.u32le(),
        lastLogIdx: reader.u64le(),
        success: bool(reader),
      } satisfies AppendEntriesResponse
    case 'RequestVote':
      return {
        type,
        view: reader.u32le(),
        lastCommittableIdx: reader.u64le(),
        viewOfLastCommittableIdx: reader.u32le(),
        electionType: oneOf(reader, ELECTION_TYPES),
      } satisfies RequestVote
    case 'RequestVoteResponse': {
      const view = reader.u32le()
      const voteGranted = bool(reader)
      return { type, view, voteGranted, electionType: oneOf(reader, ELECTION_TYPES) } satisfies RequestVoteResponse
    }
    case 'ProposeRequestVote':
      return { type, view: reader.u32le() } satisfies ProposeRequestVote
    case 'LogBeginsLater':
      return { type, view: reader.u32le(), firstIdx: reader.u64le() } satisfies LogBeginsLater
    case 'forward':
      return readForward(reader)
    case 'forwarded':
      return readForwarded(reader)
    case 'joinRequest':
    case 'retirementQuery':
    case 'retiredCommitted':
    case 'findSnapshots':
      return { type }
    case 'snapshotsOffered':
      return readOffers(reader)
    case 'fetchPiece':
      return { type, fileName: readFileName(reader), offset: reader.u64le() }
    case 'snapshotPiece': {
      const fileName = readFileName(reader)
      const offset = reader.u64le()
      return { type, fileName, offset, bytes: reader.blob(SNAPSHOT_PIECE_BYTES).slice() }
    }
    case 'welcome':
      return readWelcome(reader)
  }
}

function readAppendEntries(reader: ByteReader): AppendEntries {
  const view = reader.u32le()
  const prevIdx = reader.u64le()
  const prevView = reader.u32le()
  const viewOfIdx = reader.u32le()
  const leaderCommitIdx = reader.u64le()
  const count = reader.u32le()
  // Every record takes that much at least, so a lie about the count cannot make us allocate.
  if (count * RECORD_FIXED_BYTES > reader.remaining) throw new DecodeError(`${count} records do not fit`, reader.offset)
  const idx = prevIdx + count
  if (!Number.isSafeInteger(idx)) throw new DecodeError('index too large', reader.offset)
  const records: LogRecord[] = []
  for (let seqno = prevIdx + 1; seqno <= idx; seqno++) records.push(readRecord(reader, seqno, viewOfIdx))
  return { type: 'AppendEntries', view, prevIdx, prevView, idx, viewOfIdx, leaderCommitIdx, records }
}

function readRecord(reader: ByteReader, seqno: number, view: number): LogRecord {
  const kind = oneOf(reader, RECORD_KINDS)
  // A view: a frame of AppendEntries is its entries, which are kept for about as long as each other.
  const bytes = reader.blob(ENTRY_BYTES_MAX)
  if (!namesNodes(kind)) return { seqno, view, kind, bytes }
  const count = reader.u16le()
  if (count > NODES_MAX) throw new DecodeError(`${count} nodes exceed ${NODES_MAX}`, reader.offset - 2)
  const nodes: NodeId[] = []
  for (let i = 0; i < count; i++) {
    const node = reader.text()
    if (node.length > NODE_ID_BYTES_MAX || !isToken(node)) throw new DecodeError('not a node id', reader.offset)
    nodes.push(node as NodeId)
  }
  return { seqno, view, kind, bytes, nodes }
}

/** blob service key ‖ u16 count ‖ per secret: u64 version ‖ u64 where the one before it is stored, or 0 ‖ 32 bytes. */
function writeWelcome(writer: ByteWriter, { servicePrivateKey, secrets }: Welcome): Uint8Array {
  invariant(secrets.length <= LEDGER_SECRETS_MAX, 'the ledger secrets exceed LEDGER_SECRETS_MAX')
  writer.blob(servicePrivateKey).u16le(secrets.length)
  for (const { version, secret, previousSecretStoredVersion = 0 } of secrets) {
    writer.u64le(version).u64le(previousSecretStoredVersion).raw(secret)
  }
  return writer.finish()
}

function readWelcome(reader: ByteReader): Welcome {
  const servicePrivateKey = reader.blob(KEY_BYTES_MAX).slice()
  const count = reader.u16le()
  if (count === 0 || count > LEDGER_SECRETS_MAX) throw new DecodeError(`${count} ledger secrets`, reader.offset - 2)
  const secrets: LedgerSecret[] = []
  for (let i = 0; i < count; i++) {
    const version = reader.u64le()
    if (version <= (secrets.at(-1)?.version ?? 0)) throw new DecodeError('versions do not ascend', reader.offset - 8)
    const storedAt = reader.u64le()
    const secret = reader.take(LEDGER_SECRET_BYTES).slice()
    secrets.push({ version, secret, ...(storedAt === 0 ? {} : { previousSecretStoredVersion: storedAt }) })
  }
  return { type: 'welcome', servicePrivateKey, secrets }
}

/** u16 count ‖ per snapshot: text name ‖ u64 bytes. Only the newest: a node keeps few. */
function writeOffers(writer: ByteWriter, { snapshots }: SnapshotsOffered): Uint8Array {
  const offered = snapshots.slice(-SNAPSHOTS_OFFERED_MAX)
  writer.u16le(offered.length)
  for (const { fileName, sizeBytes } of offered) writer.text(fileName).u64le(sizeBytes)
  return writer.finish()
}

function readOffers(reader: ByteReader): SnapshotsOffered {
  const count = reader.u16le()
  if (count > SNAPSHOTS_OFFERED_MAX) throw new DecodeError(`${count} snapshots`, reader.offset - 2)
  const snapshots: StoredSnapshot[] = []
  for (let i = 0; i < count; i++) snapshots.push({ fileName: readFileName(reader), sizeBytes: reader.u64le() })
  return { type: 'snapshotsOffered', snapshots }
}

function readFileName(reader: ByteReader): string {
  const fileName = reader.text()
  if (parseSnapshotFileName(fileName) === undefined) throw new DecodeError('not the name of a snapshot', reader.offset)
  return fileName
}

function bool(reader: ByteReader): boolean {
  const value = reader.u8()
  if (value > 1) throw new DecodeError('not a flag', reader.offset - 1)
  return value === 1
}

function oneOf<T>(reader: ByteReader, values: readonly T[]): T {
  const value = values[reader.u8()]
  if (value === undefined) throw new DecodeError('unknown code', reader.offset - 1)
  return value
}
