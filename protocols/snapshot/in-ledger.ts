// Holds verified snapshots against the ledger they were made from, while that is verified: the same leaf, the same tree, the same tables, and
// the evidence transaction where the receipt says. A primary that signs a snapshot of another state is found here.
// The rule to remember: it is told of every entry, in order, after the entry was found good.
import { equalBytes } from '../codec/bytes.ts'
import { leafAt, root, type MerkleTree } from '../merkle/tree.ts'
import type { Crypto } from '../crypto/crypto.ts'
import { seqno as asSeqno, type Seqno, view as asView, type View } from '../ids.ts'
import type { LedgerBeginning } from '../ledger/verify.ts'
import type { Entry } from '../ledger/entry.ts'
import { PublicState } from './public-state.ts'
import { LedgerFault } from '../ledger/service-record.ts'
import { INTERNAL_TABLES, singleValue } from '../ledger/tables.ts'
import { isEvidenceOf, type VerifiedSnapshot } from './verify.ts'
import { mapWrites } from '../ledger/write-set.ts'

/** What is known of a ledger up to and including an entry. */
export interface LedgerSoFar {
  readonly tree: MerkleTree
  readonly firstSeqnoOfView: ReadonlyMap<View, Seqno>
}

export class SnapshotsInLedger {
  readonly #crypto: Crypto
  readonly #snapshots: readonly VerifiedSnapshot[]
  readonly #tables: PublicState
  readonly #agreeing = new Set<string>()
  readonly #lastSeqno: number

  /** `from`: the snapshot that takes the place of the entries before the first. */
  constructor(crypto: Crypto, snapshots: readonly VerifiedSnapshot[], from: VerifiedSnapshot | undefined) {
    this.#crypto = crypto
    this.#snapshots = snapshots
    this.#tables = from === undefined ? new PublicState() : PublicState.from(from.snapshot)
    this.#lastSeqno = Math.max(0, ...snapshots.map(({ snapshot }) => snapshot.seqno))
  }

  /** File names of those that say what the ledger says. */
  get agreeing(): readonly string[] {
    return [...this.#agreeing]
  }

  /** @throws LedgerFault if a snapshot and the ledger differ; DecodeError if the evidence is malformed */
  visit(entry: Entry, ledger: LedgerSoFar): void {
    if (entry.seqno <= this.#lastSeqno) this.#tables.apply(entry.seqno, entry.publicWrites)
    for (const verified of this.#snapshots) {
      if (verified.snapshot.seqno === entry.seqno) {
        const difference = this.#difference(verified, ledger)
        if (difference !== undefined) throw new LedgerFault(`${verified.fileName} is not of this ledger: ${difference}`)
        this.#agreeing.add(verified.fileName)
      }
      if (verified.evidence.seqno === entry.seqno) checkEvidence(verified, entry)
    }
  }

  #difference({ snapshot, tree }: VerifiedSnapshot, ledger: LedgerSoFar): string | undefined {
    const leaf = leafAt(ledger.tree, snapshot.seqno)
    if (leaf === undefined || !equalBytes(leaf, snapshot.leaf)) return 'another transaction at its seqno'
    const own = root(this.#crypto, ledger.tree).root
    if (!equalBytes(own, root(this.#crypto, tree).root)) return 'another Merkle tree'
    const views = viewsOf(snapshot.viewHistory)
    const isSameView = ([view, first]: [View, Seqno]): boolean => ledger.firstSeqnoOfView.get(view) === first
    if (views.length !== ledger.firstSeqnoOfView.size || !views.every(isSameView)) return 'other views'
    return this.#tables.differenceTo(snapshot)
  }
}

/** Views that have transactions, with the first seqno of each. A view without any begins where the next one does. */
const viewsOf = (viewHistory: readonly number[]): [View, Seqno][] =>
  viewHistory.flatMap((first, i): [View, Seqno][] =>
    viewHistory[i + 1] === first ? [] : [[asView(i + 1), asSeqno(first)]],
  )

/** For a ledger that begins after the snapshot. */
export const beginningAfter = ({ snapshot, tree, service, signedRoot }: VerifiedSnapshot): LedgerBeginning => ({
  seqno: snapshot.seqno,
  view: snapshot.view,
  tree,
  service,
  signedRoot,
  firstSeqnoOfView: new Map(viewsOf(snapshot.viewHistory)),
})

function checkEvidence(verified: VerifiedSnapshot, entry: Entry): void {
  const { fileName, evidence } = verified
  const value = singleValue(mapWrites(entry.publicWrites, INTERNAL_TABLES.snapshotEvidence))
  if (entry.view !== evidence.view || value === undefined || !isEvidenceOf(value, verified))
    throw new LedgerFault(`is not the evidence of ${fileName}`)
}
