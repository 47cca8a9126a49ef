// Merkle root and key-value store at a committed signature are the same on every node, whoever executed and whoever applied.
// Stores are compared at every fourth signature: a digest reads every map that changed.
import type { ReplicaNotice } from '../../../protocols/consensus/messages.ts'
import { toHex } from '../../../protocols/codec/bytes.ts'
import type { Crypto } from '../../../protocols/crypto/crypto.ts'
import { root } from '../../../protocols/merkle/tree.ts'
import { kvDigest } from '../../../store/kv/digest.ts'
import type { Checker, NodeSight, World } from '../world.ts'

const SAMPLE = 4

interface Witness {
  readonly node: NodeSight
  readonly digest: string
}

export function statesChecker(world: World, crypto: Crypto): Checker {
  const roots = new Map<number, Witness>()
  const stores = new Map<number, Witness>()
  const agree = (name: string, known: Map<number, Witness>, node: NodeSight, seqno: number, digest: string): void => {
    const witness = known.get(seqno)
    if (witness === undefined) known.set(seqno, { node, digest })
    else if (witness.digest !== digest) {
      const there = `${digest.slice(0, 16)} on ${node.name}`
      world.fail(name, `after ${seqno}: ${there}, ${witness.digest.slice(0, 16)} on ${witness.node.name}`)
    }
  }
  return {
    name: 'states',
    onExecutor(node, event, state) {
      const notice = event as ReplicaNotice
      if (notice.type !== 'committed') return
      const { seqno } = notice.summary.committed
      agree('Merkle root', roots, node, seqno, toHex(root(crypto, state.committed.tree).root))
      // Chosen by the entry, not by the node, so that all nodes choose the same.
      if (world.committed.at(seqno)!.bytes[8]! % SAMPLE !== 0) return
      agree('key-value store', stores, node, seqno, toHex(kvDigest(state.committed.kv, crypto.sha256)))
    },
  }
}
