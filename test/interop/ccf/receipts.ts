// What is done with receipts before CCF's package sees them: COSE receipts made of JSON ones, and copies with one byte changed.
// Not verification. The rule to remember: a JSON receipt is changed in its values (hashes, DER), not in its text, where Python reads two
// spellings as one value (hex, base64). In a COSE receipt the lowest bit of every byte counts; of the higher ones, CCF's tool forgives those
// that turn the side of a proof step into another value that Python takes for the same truth (`1` for `true`), which ours refuses.
import { fromBase64, fromHex, toBase64, toHex } from '../../../protocols/codec/bytes.ts'
import { formatPem, parsePem } from '../../../protocols/codec/pem.ts'
import { parseCertificate } from '../../../protocols/crypto/certificate.ts'
import { nativeCrypto } from '../../../protocols/crypto/native.ts'
import { decodeEntry } from '../../../protocols/ledger/entry.ts'
import { parseSignature } from '../../../protocols/ledger/signature.ts'
import { buildCoseReceipt } from '../../../protocols/receipts/cose-receipt.ts'
import { proofSteps, type Receipt, type ReceiptStep } from '../../../protocols/receipts/receipt.ts'
import { verifyReceipt } from '../../../runtime/client/index.ts'
import { readEntries } from '../../../runtime/demo/ledgers.ts'

/** Root signatures (COSE_Sign1) of a ledger, by root in hex. */
export function rootSignatures(directory: string): ReadonlyMap<string, Uint8Array> {
  const found = new Map<string, Uint8Array>()
  for (const bytes of readEntries(directory)) {
    const signature = parseSignature(decodeEntry(bytes))
    if (signature?.coseSign1 !== undefined) found.set(toHex(signature.root), signature.coseSign1)
  }
  return found
}

/**
 * Whoever has a JSON receipt and the ledger can make a COSE receipt, with the service's own signature of the same root, without asking a node.
 * Undefined for a signature transaction's receipt, which has no leaf components to show.
 */
export function coseReceiptOf(
  receipt: Receipt,
  serviceCertificate: string,
  signatures: ReadonlyMap<string, Uint8Array>,
): Uint8Array | undefined {
  const components = receipt.leaf_components
  if (components?.claims_digest === undefined) return undefined
  const verified = verifyReceipt(receipt, { serviceCertificate })
  if (!verified.ok) throw new Error(verified.reason)
  const signature = signatures.get(toHex(verified.root))
  if (signature === undefined) throw new Error('the ledger has no signature of this root')
  const { write_set_digest: writeSetDigest, commit_evidence: commitEvidence, claims_digest: claimsDigest } = components
  const path = proofSteps(receipt)
  return buildCoseReceipt(signature, [
    { writeSetDigest: fromHex(writeSetDigest), commitEvidence, claimsDigest: fromHex(claimsDigest), path },
  ])
}

/** Copies of `bytes`, each with the lowest bit of another byte flipped. */
export const everyByteChanged = (bytes: Uint8Array): Uint8Array[] =>
  Array.from(bytes, (_, i) => {
    const copy = bytes.slice()
    copy[i]! ^= 1
    return copy
  })

export interface Altered {
  readonly what: string
  readonly receipt: Receipt
}

/**
 * How many bits of the certificate's signature do not count: a DER octet. Python's `cryptography` does not look at it, as long as the bits
 * it declares unused are zero.
 */
export const UNUSED_BITS = 'certificate, unused bits of its signature'

function certificateAlterations(pem: string): { readonly what: string; readonly pem: string }[] {
  const der = parsePem(pem, 'CERTIFICATE')
  const unusedBits = der.length - parseCertificate(der).signature.length - 1
  return everyByteChanged(der).map((changed, i) => ({
    what: i === unusedBits ? UNUSED_BITS : `certificate, byte ${i}`,
    pem: formatPem('CERTIFICATE', changed),
  }))
}

/** Copies of a receipt, each with one byte of one value changed, and some whose proof is another. */
export function alterations(receipt: Receipt): Altered[] {
  const { cert, leaf, leaf_components: components, node_id: nodeId, proof, signature } = receipt
  const each = (what: string, value: Uint8Array, put: (changed: Uint8Array) => Receipt): Altered[] =>
    everyByteChanged(value).map((changed, i) => ({ what: `${what}, byte ${i}`, receipt: put(changed) }))
  const hex = (what: string, value: string, put: (changed: string) => Receipt): Altered[] =>
    each(what, fromHex(value), (changed) => put(toHex(changed)))
  const leafComponents = (changed: Partial<typeof components>): Receipt => ({
    ...receipt,
    leaf_components: { ...components!, ...changed },
  })
  return [
    ...(leaf === undefined ? [] : hex('leaf', leaf, (changed) => ({ ...receipt, leaf: changed }))),
    ...(components === undefined
      ? []
      : [
          ...hex('write set digest', components.write_set_digest, (write_set_digest) =>
            leafComponents({ write_set_digest }),
          ),
          ...hex('claims digest', components.claims_digest!, (claims_digest) => leafComponents({ claims_digest })),
          ...each('commit evidence', new TextEncoder().encode(components.commit_evidence), (changed) =>
            leafComponents({ commit_evidence: new TextDecoder().decode(changed) }),
          ),
        ]),
    ...hex('node id', nodeId, (node_id) => ({ ...receipt, node_id })),
    ...each('signature', fromBase64(signature), (changed) => ({ ...receipt, signature: toBase64(changed) })),
    ...certificateAlterations(cert).map(({ what, pem }) => ({ what, receipt: { ...receipt, cert: pem } })),
    ...proof.flatMap((step, i) => {
      const put = (steps: readonly ReceiptStep[]): Receipt => ({ ...receipt, proof: proof.toSpliced(i, 1, ...steps) })
      const [side, hash] = Object.entries(step)[0] as ['left' | 'right', string]
      return [
        ...hex(`proof step ${i}`, hash, (changed) => put([{ [side]: changed } as ReceiptStep])),
        { what: `proof step ${i}, other side`, receipt: put([side === 'left' ? { right: hash } : { left: hash }]) },
        { what: `proof step ${i}, gone`, receipt: put([]) },
      ]
    }),
    {
      what: 'proof, one step more',
      receipt: { ...receipt, proof: [...proof, { left: toHex(nativeCrypto.sha256()) }] },
    },
  ]
}
