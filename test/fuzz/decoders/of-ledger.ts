// The decoders of what stands in ledger and snapshot files, and of the tables inside.
import { nativeCrypto } from '../../../protocols/crypto/native.ts'
import { meaningOf, recordOfEntry } from '../../../protocols/consensus/record.ts'
import { decodeNodeRow } from '../../../protocols/governance/node-row.ts'
import {
  type Chunk,
  decodeChunk,
  encodeChunk,
  formatLedgerFileName,
  parseLedgerFileName,
  splitEntries,
  wholeEntriesEnd,
} from '../../../protocols/ledger/chunk.ts'
import { decodeEntry, decodeEntryHeader, entryLengthAt, openPrivateDomain } from '../../../protocols/ledger/entry.ts'
import { parseSignature, signatureWrites } from '../../../protocols/ledger/signature.ts'
import {
  decodeJson,
  decodeJsonObject,
  decodeJsonString,
  encodeJson,
  GOV_TABLES,
  INTERNAL_TABLES,
  singleValue,
} from '../../../protocols/ledger/tables.ts'
import { unauthenticatedRanges } from '../../../protocols/ledger/unauthenticated.ts'
import {
  domainLength,
  mapWrites,
  putDomain,
  takeDomain,
  takePublicMap,
  type WriteSet,
} from '../../../protocols/ledger/write-set.ts'
import { deserialiseTree, serialiseTree, type MerkleTree } from '../../../protocols/merkle/tree.ts'
import { decodePrivateMaps, decodeSnapshot, parseSnapshotFileName } from '../../../protocols/snapshot/format.ts'
import { ByteReader, utf8 } from '../../../protocols/codec/bytes.ts'
import { type Decoder, ofBytes, ofText } from './decoder.ts'
import {
  chunks,
  decodedEntries,
  entries,
  json,
  madeLedger,
  signatureEntries,
  signatures,
  snapshots,
  texts,
  valuesOf,
} from './seeds.ts'

/** The entry's size and its public domain's length, made to fit what is there. */
function repairEntry(bytes: Uint8Array): Uint8Array {
  if (bytes.length < 60) return bytes
  const out = bytes.slice()
  const view = new DataView(out.buffer)
  view.setUint32(2, out.length - 8, true)
  view.setUint16(6, 0, true)
  if (view.getUint32(36, true) > out.length - 44 || out.length % 2 === 0) {
    view.setUint32(36, out.length - 44, true)
    view.setUint32(40, 0, true)
  }
  return out
}

const domains = (): Uint8Array[] =>
  decodedEntries()
    .slice(0, 12)
    .map(({ publicDomain, mapsOffset }) => new Uint8Array(publicDomain.subarray(mapsOffset)))

function putMaps(maps: WriteSet): Uint8Array {
  const out = new Uint8Array(domainLength(maps, true))
  putDomain(out, 0, maps, true)
  return out
}

const PRIVATE_MAPS = [
  // name ‖ version ‖ size ‖ rows, every field behind its length; key and value padded to eight bytes
  Uint8Array.from([
    ...[7, 0, 0, 0, 0, 0, 0, 0, ...utf8('records')],
    ...[5, 0, 0, 0, 0, 0, 0, 0],
    ...[40, 0, 0, 0, 0, 0, 0, 0],
    ...[3, 0, 0, 0, 0, 0, 0, 0, ...utf8('key'), 0, 0, 0, 0, 0],
    ...[9, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 33, 0, 0, 0, 0, 0, 0, 0],
  ]),
]
new DataView(PRIVATE_MAPS[0]!.buffer).setUint32(23, PRIVATE_MAPS[0]!.length - 31, true)

/** The JSON of the first signature. */
const signatureJson = (): Uint8Array =>
  new Uint8Array(mapWrites(signatureWrites(signatures()[0]!), INTERNAL_TABLES.signatures)!.writes[0]!.value)

const ENTRY = 'protocols/ledger/entry.ts'
const CHUNK = 'protocols/ledger/chunk.ts'
const TABLES = 'protocols/ledger/tables.ts'
const FORMAT = 'protocols/snapshot/format.ts'

export const ledgerDecoders: readonly Decoder[] = [
  ofBytes({
    name: 'chunk',
    of: [`${CHUNK}#decodeChunk`],
    seeds: chunks,
    decode: decodeChunk,
    encode: ({ complete, entries: parts, end, tornBytes }: Chunk) => {
      if (complete) return encodeChunk(parts.map(({ bytes }) => bytes))
      const out = new Uint8Array(end + tornBytes)
      for (const { offset, bytes } of parts) out.set(bytes, offset)
      // What is torn is of no meaning, so it is not kept; only bytes that can be no entry stand for it.
      return out.fill(0xff, end)
    },
    // An entry of 8 bytes becomes an object of three fields and a view.
    bytesPerByte: 40,
  }),
  ofBytes({
    name: 'entries',
    of: [`${CHUNK}#splitEntries`, `${CHUNK}#wholeEntriesEnd`, `${ENTRY}#entryLengthAt`],
    seeds: chunks,
    decode: (bytes) => ({
      entries: [...splitEntries(bytes, 8)].map(({ offset }) => offset),
      end: wholeEntriesEnd(bytes),
      length: entryLengthAt(bytes, 8),
    }),
    bytesPerByte: 64,
  }),
  ofBytes({
    name: 'entry-header',
    of: [`${ENTRY}#decodeEntryHeader`],
    seeds: entries,
    decode: decodeEntryHeader,
    repair: repairEntry,
    bytesPerByte: 1,
  }),
  ofBytes({
    name: 'entry',
    of: [`${ENTRY}#decodeEntry`],
    seeds: entries,
    decode: decodeEntry,
    repair: repairEntry,
    bytesPerByte: 32,
  }),
  ofBytes({
    name: 'private-domain',
    of: [`${ENTRY}#openPrivateDomain`],
    seeds: () => madeLedger().entries,
    decode: (bytes) => openPrivateDomain(nativeCrypto, madeLedger().secret, decodeEntryHeader(bytes)),
    repair: repairEntry,
    bytesPerByte: 32,
  }),
  ofBytes({
    name: 'public-map',
    of: ['protocols/ledger/write-set.ts#takePublicMap'],
    seeds: domains,
    decode: (bytes) => takePublicMap(new ByteReader(bytes), INTERNAL_TABLES.tree),
    bytesPerByte: 32,
  }),
  ofBytes({
    name: 'write-set',
    of: ['protocols/ledger/write-set.ts#takeDomain'],
    seeds: domains,
    decode: (bytes) => takeDomain(new ByteReader(bytes), true),
    encode: putMaps,
    oneSpelling: true,
    bytesPerByte: 32,
  }),
  ofBytes({
    name: 'signature',
    of: ['protocols/ledger/signature.ts#parseSignature'],
    seeds: signatureEntries,
    decode: (bytes) => parseSignature(decodeEntry(bytes)),
    repair: repairEntry,
    bytesPerByte: 64,
  }),
  ofBytes({
    name: 'signature-json',
    of: ['protocols/ledger/signature.ts#parseSignature'],
    format: 'json',
    seeds: () => [signatureJson()],
    decode: (bytes) => {
      const [content] = signatures()
      const maps = signatureWrites(content!).map((map) =>
        map.name === INTERNAL_TABLES.signatures ? { ...map, writes: [{ ...map.writes[0]!, value: bytes }] } : map,
      )
      const [entry] = decodedEntries()
      return parseSignature({
        ...entry!,
        ciphertext: new Uint8Array(0),
        view: content!.view,
        seqno: content!.seqno,
        publicWrites: maps,
      })
    },
    bytesPerByte: 64,
  }),
  ofBytes({
    name: 'unauthenticated',
    of: ['protocols/ledger/unauthenticated.ts#unauthenticatedRanges'],
    seeds: signatureEntries,
    decode: unauthenticatedRanges,
    repair: repairEntry,
    bytesPerByte: 64,
  }),
  ofBytes({
    name: 'record',
    of: ['protocols/consensus/record.ts#recordOfEntry', 'protocols/consensus/record.ts#meaningOf'],
    seeds: entries,
    decode: (bytes) => ({ record: recordOfEntry(bytes), meaning: meaningOf(decodeEntry(bytes).publicWrites) }),
    repair: repairEntry,
    bytesPerByte: 160,
  }),
  ofBytes({
    name: 'single-value',
    of: [`${TABLES}#singleValue`],
    seeds: () => signatureEntries(),
    decode: (bytes) => singleValue(mapWrites(decodeEntry(bytes).publicWrites, INTERNAL_TABLES.tree)),
    repair: repairEntry,
    bytesPerByte: 32,
  }),
  ofBytes({
    name: 'json',
    of: [`${TABLES}#decodeJson`, 'protocols/codec/json.ts#parseJson'],
    format: 'json',
    seeds: () => [...valuesOf(GOV_TABLES.nodesInfo), ...valuesOf(GOV_TABLES.serviceInfo), ...json([1, 'a', null])],
    decode: decodeJson,
    bytesPerByte: 80,
  }),
  ofBytes({
    name: 'json-object',
    of: [`${TABLES}#decodeJsonObject`],
    format: 'json',
    seeds: () => valuesOf(GOV_TABLES.nodesInfo),
    decode: decodeJsonObject,
    bytesPerByte: 80,
  }),
  ofBytes({
    name: 'json-string',
    of: [`${TABLES}#decodeJsonString`],
    format: 'json',
    seeds: () => json('a text', 'é\u0000'),
    decode: decodeJsonString,
    encode: encodeJson,
    bytesPerByte: 80,
  }),
  ofBytes({
    name: 'node-row',
    of: ['protocols/governance/node-row.ts#decodeNodeRow'],
    format: 'json',
    seeds: () => valuesOf(GOV_TABLES.nodesInfo),
    decode: decodeNodeRow,
    bytesPerByte: 80,
  }),
  ofBytes({
    name: 'tree',
    of: ['protocols/merkle/tree.ts#deserialiseTree'],
    seeds: () => signatures().map(({ treeBytes }) => new Uint8Array(treeBytes)),
    decode: (bytes) => deserialiseTree(nativeCrypto, bytes),
    encode: (tree: MerkleTree) => serialiseTree(tree),
    oneSpelling: true,
    bytesPerByte: 64,
  }),
  ofBytes({
    name: 'snapshot',
    of: [`${FORMAT}#decodeSnapshot`],
    seeds: snapshots,
    decode: decodeSnapshot,
    bytesPerByte: 64,
  }),
  ofBytes({
    name: 'snapshot-private-maps',
    of: [`${FORMAT}#decodePrivateMaps`],
    seeds: () => PRIVATE_MAPS,
    decode: decodePrivateMaps,
    bytesPerByte: 64,
  }),
  ofText({
    name: 'ledger-file-name',
    of: [`${CHUNK}#parseLedgerFileName`],
    seeds: texts(
      'ledger_1',
      'ledger_1-20.committed',
      'ledger_7-9.committed.recovery.ignored',
      'ledger_9007199254740991',
    ),
    decode: parseLedgerFileName,
    encode: formatLedgerFileName,
    oneSpelling: true,
  }),
  ofText({
    name: 'snapshot-file-name',
    of: [`${FORMAT}#parseSnapshotFileName`],
    seeds: texts('snapshot_61_62.committed', 'snapshot_1_2', 'snapshot_9007199254740990_9007199254740991'),
    decode: parseSnapshotFileName,
    encode: ({ seqno, evidenceSeqno, committed }) =>
      `snapshot_${seqno}_${evidenceSeqno}${committed ? '.committed' : ''}`,
    oneSpelling: true,
  }),
]
