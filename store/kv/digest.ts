// A digest of everything a KvState holds: equal contents and versions, equal digest, whatever order they came in. For
// fingerprints of actor states, comparing replicas and replay. Not CCF's: nothing on the wire or in the ledger uses it.
// The rule to remember: maps that did not change since the last digest are not hashed again.
import { ByteWriter, concat, EMPTY, fromByteString, utf8 } from '../../protocols/codec/bytes.ts'
import type { KvState, MapTree } from './kv-state.ts'

export type Sha256 = (...parts: readonly Uint8Array[]) => Uint8Array

/** Bytes hashed at a time, which bounds the memory a digest needs. */
const BLOCK_BYTES = 64 * 1024

/** Trees never change once a state holds them, so their digests stay true. */
const known = new WeakMap<MapTree, Uint8Array>()

function mapDigest(tree: MapTree, sha256: Sha256): Uint8Array {
  const cached = known.get(tree)
  if (cached !== undefined) return cached
  let chain: Uint8Array = EMPTY
  let block = new ByteWriter(4096)
  tree.scan(undefined, undefined, (key, { value, version }) => {
    block.blob(fromByteString(key)).blob(value).u64le(version)
    if (block.length < BLOCK_BYTES) return
    chain = sha256(chain, block.finish())
    block = new ByteWriter(4096)
  })
  const digest = sha256(chain, block.finish())
  known.set(tree, digest)
  return digest
}

/** 32 bytes over all maps, keys, values and versions. O(changed maps) after the first time. */
export function kvDigest(state: KvState, sha256: Sha256): Uint8Array {
  const parts: Uint8Array[] = []
  state.maps.scan(undefined, undefined, (name, { tree, version }) => {
    const header = new ByteWriter(64).blob(utf8(name)).u64le(version).u64le(tree.size).finish()
    parts.push(header, mapDigest(tree, sha256))
  })
  return sha256(concat(...parts))
}
