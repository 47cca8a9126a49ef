// A snapshot in the making, as a value: rows of the store are added part by part, then the maps are put together step by step, then it is
// sealed. Every step but the last is bounded, so that whoever makes one can do something else in between.
// The rule to remember: it is of one state, so all parts must come from the store as it was at the same seqno.
import { utf8, compareBytes } from '../codec/bytes.ts'
import type { Crypto } from '../crypto/crypto.ts'
import { invariant } from '../errors.ts'
import { isPublicMap } from '../ledger/write-set.ts'
import {
  encodeMapHead,
  encodeSnapshotHead,
  sealSnapshot,
  sortRows,
  type SnapshotHead,
  type SortedRows,
} from './encode.ts'
import type { SnapshotMap } from './format.ts'
import { beginMerge, isMerged, mergeStep, rowsBytes, type RowsMerge } from './merge.ts'

interface DraftMap {
  readonly name: string
  readonly version: number
  readonly parts: readonly SortedRows[]
}

export interface SnapshotDraft {
  readonly head: SnapshotHead
  readonly maps: readonly DraftMap[]
  /** Maps that are put together, and the one that is being. */
  readonly assembled: number
  readonly merge: RowsMerge | undefined
  readonly publicDomain: readonly Uint8Array[]
  readonly privateDomain: readonly Uint8Array[]
  /** Of the rows that were added. */
  readonly sizeBytes: number
}

export const beginDraft = (head: SnapshotHead): SnapshotDraft => ({
  head,
  maps: [],
  assembled: 0,
  merge: undefined,
  publicDomain: [encodeSnapshotHead(head)],
  privateDomain: [],
  sizeBytes: 0,
})

/** Adds rows: maps ascending by name, a map's rows ascending by key; the first map may continue the last one of the part before. */
export function addRows(draft: SnapshotDraft, maps: readonly SnapshotMap[]): SnapshotDraft {
  const all = [...draft.maps]
  let { sizeBytes } = draft
  for (const { name, version, rows } of maps) {
    const sorted = sortRows(rows)
    sizeBytes += sorted.bytes.length
    const last = all.at(-1)
    if (last?.name === name) all[all.length - 1] = { ...last, parts: [...last.parts, sorted] }
    else {
      invariant(last === undefined || compareBytes(utf8(last.name), utf8(name)) < 0, `map ${name} after ${last?.name}`)
      all.push({ name, version, parts: [sorted] })
    }
  }
  return { ...draft, maps: all, sizeBytes }
}

export const isAssembled = ({ maps, assembled }: SnapshotDraft): boolean => assembled === maps.length

/** One bounded step towards the two domains. */
export function assembleStep(draft: SnapshotDraft): SnapshotDraft {
  const map = draft.maps[draft.assembled]
  if (map === undefined) return draft
  const pieces: Uint8Array[] = []
  if (draft.merge === undefined) pieces.push(encodeMapHead(map, rowsBytes(map.parts)))
  const { bytes, rest } = mergeStep(draft.merge ?? beginMerge(map.parts))
  pieces.push(bytes)
  const isPublic = isPublicMap(map.name)
  return {
    ...draft,
    publicDomain: isPublic ? [...draft.publicDomain, ...pieces] : draft.publicDomain,
    privateDomain: isPublic ? draft.privateDomain : [...draft.privateDomain, ...pieces],
    merge: isMerged(rest) ? undefined : rest,
    assembled: isMerged(rest) ? draft.assembled + 1 : draft.assembled,
  }
}

/** The entry. `ledgerSecret`: the 32 bytes in force at its seqno. */
export function sealDraft(crypto: Crypto, ledgerSecret: Uint8Array, draft: SnapshotDraft): Uint8Array {
  invariant(isAssembled(draft), 'maps are missing')
  const { publicDomain, privateDomain, head } = draft
  return sealSnapshot(crypto, ledgerSecret, head.seqno, joined(publicDomain), joined(privateDomain))
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    all.set(piece, at)
    at += piece.length
  }
  return all
}
